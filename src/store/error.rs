//! What can go wrong with the state on disk.

use super::StoreRole;
use crate::sync::WriteError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something kept on disk could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path} was written by a newer fl0wfs (store format {found}; this one knows up to {known})")]
    Newer { path: PathBuf, found: u16, known: u16 },
    #[error("{path} was written by an older fl0wfs (store format {found}; this one knows {known})")]
    Older { path: PathBuf, found: u16, known: u16 },
    #[error("{path} holds the state of a {found}, not of a {wanted}")]
    OtherRole { path: PathBuf, found: StoreRole, wanted: StoreRole },
    #[error("{path} is in use by {}", holder(.pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("{path} belongs to user {owner}, not to user {user}")]
    ForeignOwner { path: PathBuf, owner: u32, user: u32 },
    #[error("{path} can be read by others (mode {mode:o}); a secret must be 0600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the state in {path} cannot be used: {detail}")]
    Unusable { path: PathBuf, detail: String },
    #[error("no room left on the device of {path}")]
    Full { path: PathBuf },
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    /// Makes an adapter for `map_err` that says what was being done to what.
    pub(super) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> StoreError {
        move |source| {
            let source = source.into();
            match source.raw_os_error() {
                Some(errno) if is_full(errno) => StoreError::Full { path: path.to_owned() },
                _ => StoreError::Io { action, path: path.to_owned(), source },
            }
        }
    }

    /// The kernel's number for the failure, EIO where there is none.
    pub fn errno(&self) -> i32 {
        match self {
            StoreError::Full { .. } => libc::ENOSPC,
            StoreError::InUse { .. } => libc::EBUSY,
            StoreError::ForeignOwner { .. } | StoreError::Exposed { .. } => libc::EPERM,
            StoreError::Io { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
            _ => libc::EIO,
        }
    }

    /// True where making room would help.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Full { .. })
    }

    /// True where what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> WriteError {
        match error {
            StoreError::Full { .. } => WriteError::Full,
            other => WriteError::Failed(other.to_string()),
        }
    }
}

/// A quota that is used up is a full disk to whoever hit it.
pub(super) fn is_full(errno: i32) -> bool {
    errno == libc::ENOSPC || errno == libc::EDQUOT
}
