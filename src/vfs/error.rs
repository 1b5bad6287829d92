//! Why an operation failed, and the number the kernel is told.

use crate::ops::Rejection;
use crate::sync::WriteError;
use crate::sync::member::LocalError;
use std::io;

/// Why a filesystem operation failed.
#[derive(Debug, thiserror::Error)]
pub enum VfsError {
    #[error("no such file or directory")]
    NotFound,
    /// The inode is no more. Whoever came to it by a name looks the name up again, and may find another.
    #[error("the inode is gone")]
    Gone,
    #[error("it exists already")]
    Exists,
    #[error("not a directory")]
    NotDirectory,
    #[error("is a directory")]
    IsDirectory,
    #[error("the directory is not empty")]
    NotEmpty,
    #[error("invalid argument")]
    Invalid,
    #[error("not permitted")]
    NotPermitted,
    #[error("the mount is read-only")]
    ReadOnly,
    #[error("no room left")]
    NoSpace,
    #[error("the space's quota is used up")]
    OverQuota,
    #[error("the name is too long")]
    NameTooLong,
    #[error("the attribute does not exist")]
    NoAttribute,
    #[error("the buffer is too small")]
    BufferTooSmall,
    #[error("the value is too big")]
    TooBig,
    /// One file cannot have ignored names and others.
    #[error("a file is either ignored or shared")]
    CrossDevice,
    #[error("a program that runs")]
    Executed,
    #[error("the file is too large")]
    FileTooLarge,
    /// The kernel reads the file by itself, and its bytes are still needed for what its last name went with.
    #[error("the file is in use")]
    Busy,
    #[error("not supported")]
    Unsupported,
    #[error("the handle is unknown, or not open for this")]
    BadHandle,
    #[error("there is no data or hole from there on")]
    PastEnd,
    #[error("the content did not arrive in time")]
    NotMaterialized,
    #[error("this program is kept from fetching content")]
    KeptFrom,
    #[error("the state could not be written: {0}")]
    State(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl VfsError {
    /// The error number of the system call.
    pub fn errno(&self) -> i32 {
        match self {
            VfsError::NotFound => libc::ENOENT,
            // The kernel resolves the path once more, past its own copies of names, before it says so.
            VfsError::Gone => libc::ESTALE,
            VfsError::Exists => libc::EEXIST,
            VfsError::NotDirectory => libc::ENOTDIR,
            VfsError::IsDirectory => libc::EISDIR,
            VfsError::NotEmpty => libc::ENOTEMPTY,
            VfsError::Invalid => libc::EINVAL,
            VfsError::NotPermitted => libc::EPERM,
            VfsError::ReadOnly => libc::EROFS,
            VfsError::NoSpace => libc::ENOSPC,
            VfsError::OverQuota => libc::EDQUOT,
            VfsError::NameTooLong => libc::ENAMETOOLONG,
            VfsError::NoAttribute => libc::ENODATA,
            VfsError::BufferTooSmall => libc::ERANGE,
            VfsError::TooBig => libc::E2BIG,
            VfsError::CrossDevice => libc::EXDEV,
            VfsError::Executed => libc::ETXTBSY,
            VfsError::FileTooLarge => libc::EFBIG,
            VfsError::Busy => libc::EBUSY,
            VfsError::Unsupported => libc::EOPNOTSUPP,
            VfsError::BadHandle => libc::EBADF,
            VfsError::PastEnd => libc::ENXIO,
            VfsError::NotMaterialized | VfsError::State(_) => libc::EIO,
            VfsError::KeptFrom => libc::EACCES,
            VfsError::Io(error) => error.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

impl From<LocalError> for VfsError {
    fn from(error: LocalError) -> VfsError {
        match error {
            LocalError::Rejected(rejection) => VfsError::from(rejection),
            LocalError::Write(error) => VfsError::from(error),
            LocalError::ReadOnly => VfsError::ReadOnly,
            LocalError::NoSuchInode => VfsError::NotFound,
            LocalError::Refused(_) => VfsError::Invalid,
            LocalError::NotHere => VfsError::NotMaterialized,
            LocalError::History(reason) => VfsError::State(reason),
            LocalError::Away(_) => VfsError::NotMaterialized,
        }
    }
}

impl From<WriteError> for VfsError {
    fn from(error: WriteError) -> VfsError {
        match error {
            WriteError::Full => VfsError::NoSpace,
            WriteError::Failed(reason) => VfsError::State(reason),
        }
    }
}

impl From<Rejection> for VfsError {
    fn from(rejection: Rejection) -> VfsError {
        match rejection {
            Rejection::Missing(_) | Rejection::NotThere(_) => VfsError::NotFound,
            Rejection::Exists(_) | Rejection::NameTaken(_) => VfsError::Exists,
            Rejection::NotDirectory(_) => VfsError::NotDirectory,
            Rejection::IsDirectory(_) => VfsError::IsDirectory,
            Rejection::NotEmpty(_) => VfsError::NotEmpty,
            Rejection::Cycle(_) | Rejection::NotFile(_) | Rejection::Limit(_) => VfsError::Invalid,
            Rejection::Stale { .. } | Rejection::ForeignNumber(_) => VfsError::State(rejection.to_string()),
        }
    }
}

impl From<rustix::io::Errno> for VfsError {
    fn from(errno: rustix::io::Errno) -> VfsError {
        match errno {
            rustix::io::Errno::NXIO => VfsError::PastEnd,
            other => VfsError::Io(other.into()),
        }
    }
}
