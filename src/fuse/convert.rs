//! Values in fuser's types and in ours.

use crate::model::{Body, DeviceNumber, Special, Timestamp};
use crate::sync::member::Ino;
use crate::vfs::{
    Allocation, Caller, FileType, OpenMode, RenameMode, RequestId, Stat, VfsError, XattrMode, now,
};
use fuser::{Errno, FileAttr, INodeNo, RenameFlags, Request, TimeOrNow};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The unit in which file systems like to be read and written.
const IO_BYTES: u32 = 4096;

pub(super) fn errno(error: &VfsError) -> Errno {
    Errno::from_i32(error.errno())
}

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid(), umask: 0 }
}

/// The caller of what makes nodes. Where the kernel has applied the umask itself, a second time changes nothing.
pub(super) fn maker(request: &Request, umask: u32) -> Caller {
    Caller { umask: (umask & 0o777) as u16, ..caller(request) }
}

/// The kernel marks what it sends again.
pub(super) fn request_id(request: &Request) -> RequestId {
    const AGAIN: u64 = 1 << 63;
    let number = request.unique().0;
    RequestId { number: number & !AGAIN, again: number & AGAIN != 0 }
}

pub(super) fn file_type(file_type: FileType) -> fuser::FileType {
    match file_type {
        FileType::File => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

pub(super) fn attributes(stat: &Stat) -> FileAttr {
    FileAttr {
        ino: INodeNo(stat.ino.0),
        size: stat.size,
        blocks: stat.blocks,
        atime: system_time(stat.atime),
        mtime: system_time(stat.mtime),
        ctime: system_time(stat.ctime),
        crtime: UNIX_EPOCH,
        kind: file_type(stat.file_type),
        perm: stat.mode,
        nlink: stat.links,
        uid: stat.owner.uid,
        gid: stat.owner.gid,
        rdev: stat.rdev,
        blksize: IO_BYTES,
        flags: 0,
    }
}

/// Attributes that tell the kernel "no such name", which it may remember as it does an inode.
pub(super) fn no_such_name() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: fuser::FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: IO_BYTES,
        flags: 0,
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(u64::from(time.nanos));
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = match time.seconds >= 0 {
        true => UNIX_EPOCH.checked_add(seconds),
        false => UNIX_EPOCH.checked_sub(seconds),
    };
    whole.and_then(|whole| whole.checked_add(nanos)).unwrap_or(UNIX_EPOCH)
}

/// A time the kernel sent. Before 1970 fuser subtracts the nanoseconds that it should add; this undoes it.
pub(super) fn timestamp(time: TimeOrNow) -> Timestamp {
    let TimeOrNow::SpecificTime(time) = time else { return now() };
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            (0i64.saturating_sub_unsigned(before.as_secs()), before.subsec_nanos())
        }
    };
    Timestamp { seconds, nanos }
}

pub(super) fn mode_bits(mode: u32) -> u16 {
    (mode & 0o7777) as u16
}

/// What `mknod(2)` is to make; none for what only other calls make.
pub(super) fn special_body(mode: u32, rdev: u32) -> Option<Body> {
    match mode & libc::S_IFMT {
        libc::S_IFIFO => Some(Body::Special(Special::Fifo)),
        libc::S_IFSOCK => Some(Body::Special(Special::Socket)),
        libc::S_IFCHR => Some(Body::Special(Special::CharDevice(DeviceNumber(rdev)))),
        libc::S_IFBLK => Some(Body::Special(Special::BlockDevice(DeviceNumber(rdev)))),
        libc::S_IFREG => Some(Body::File(crate::model::Manifest::empty())),
        _ => None,
    }
}

pub(super) fn open_mode(flags: i32) -> OpenMode {
    let access = flags & libc::O_ACCMODE;
    OpenMode {
        read: access != libc::O_WRONLY,
        write: access != libc::O_RDONLY,
        append: flags & libc::O_APPEND != 0,
        truncate: flags & libc::O_TRUNC != 0,
        exclusive: flags & libc::O_EXCL != 0,
        direct: flags & libc::O_DIRECT != 0,
    }
}

pub(super) fn rename_mode(caller: Caller, flags: RenameFlags) -> Result<RenameMode, VfsError> {
    const WHITEOUT_KEEPING: RenameFlags = RenameFlags::RENAME_WHITEOUT.union(RenameFlags::RENAME_NOREPLACE);
    match flags {
        flags if flags.is_empty() => Ok(RenameMode::Replace),
        RenameFlags::RENAME_NOREPLACE => Ok(RenameMode::NoReplace),
        RenameFlags::RENAME_EXCHANGE => Ok(RenameMode::Exchange),
        RenameFlags::RENAME_WHITEOUT => Ok(RenameMode::Whiteout { caller, replaces: true }),
        WHITEOUT_KEEPING => Ok(RenameMode::Whiteout { caller, replaces: false }),
        _ => Err(VfsError::Invalid),
    }
}

pub(super) fn xattr_mode(flags: i32) -> Result<XattrMode, VfsError> {
    match flags {
        0 => Ok(XattrMode::Any),
        libc::XATTR_CREATE => Ok(XattrMode::Create),
        libc::XATTR_REPLACE => Ok(XattrMode::Replace),
        _ => Err(VfsError::Invalid),
    }
}

pub(super) fn allocation(mode: i32) -> Result<Allocation, VfsError> {
    const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    const ZERO_KEEPING: i32 = libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE;
    match mode {
        0 => Ok(Allocation::Reserve { keeps_size: false }),
        libc::FALLOC_FL_KEEP_SIZE => Ok(Allocation::Reserve { keeps_size: true }),
        PUNCH => Ok(Allocation::PunchHole),
        libc::FALLOC_FL_ZERO_RANGE => Ok(Allocation::Zero { keeps_size: false }),
        ZERO_KEEPING => Ok(Allocation::Zero { keeps_size: true }),
        _ => Err(VfsError::Unsupported),
    }
}

pub(super) fn ino(number: INodeNo) -> Ino {
    Ino(number.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let time = Timestamp { seconds: -2, nanos: 800_000_000 };
        assert_eq!(system_time(time), UNIX_EPOCH - Duration::from_millis(1200));
        // As fuser decodes it.
        let decoded = UNIX_EPOCH - Duration::new(2, 800_000_000);
        assert_eq!(timestamp(TimeOrNow::SpecificTime(decoded)), time);
    }
}
