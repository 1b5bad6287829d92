//! A file system whose requests are counted, so that who serves can be chosen.

use super::{Nearness, Work};
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, INodeNo, KernelConfig, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// From so many bytes on, caller and daemon do better side by side.
const BULK_BYTES_MIN: usize = 64 * 1024;

pub struct Served<F> {
    inner: F,
    nearness: Arc<Nearness>,
}

impl<F> Served<F> {
    pub fn new(inner: F, nearness: Arc<Nearness>) -> Served<F> {
        Served { inner, nearness }
    }
}

/// Calls that are passed on within a turn.
macro_rules! passed_on {
    ($($work:ident $call:ident($($name:ident: $type:ty),*);)*) => { $(
        #[allow(clippy::too_many_arguments, reason = "they are fuser's")]
        fn $call(&self, request: &Request, $($name: $type),*) {
            let _turn = self.nearness.turn(Some(request.pid()), Work::$work);
            self.inner.$call(request, $($name),*);
        }
    )* };
}

impl<F: Filesystem> Filesystem for Served<F> {
    fn init(&mut self, request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        self.inner.init(request, config)
    }

    fn destroy(&mut self) {
        self.inner.destroy();
        self.nearness.end();
    }

    fn read(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let _turn = self.nearness.turn(Some(request.pid()), work(size as usize, Work::Brief));
        self.inner.read(request, number, handle, offset, size, flags, lock_owner, reply);
    }

    fn write(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let _turn = self.nearness.turn(Some(request.pid()), work(data.len(), Work::Other));
        self.inner.write(request, number, handle, offset, data, write_flags, flags, lock_owner, reply);
    }

    /// No turn, for they come many at a time, and who is parked between two of them would keep the rest.
    fn forget(&self, request: &Request, number: INodeNo, lookups: u64) {
        self.inner.forget(request, number, lookups);
    }

    fn release(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        flags: OpenFlags,
        lock_owner: Option<LockOwner>,
        flush: bool,
        reply: ReplyEmpty,
    ) {
        let _turn = self.nearness.turn(None, Work::Brief);
        self.inner.release(request, number, handle, flags, lock_owner, flush, reply);
    }

    passed_on! {
        Brief lookup(parent: INodeNo, name: &OsStr, reply: ReplyEntry);
        Brief getattr(number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr);
        Other setattr(
            number: INodeNo, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>, size: Option<u64>,
            atime: Option<TimeOrNow>, mtime: Option<TimeOrNow>, ctime: Option<SystemTime>,
            handle: Option<FileHandle>, created: Option<SystemTime>, changed: Option<SystemTime>,
            backed_up: Option<SystemTime>, flags: Option<BsdFileFlags>, reply: ReplyAttr
        );
        Brief readlink(number: INodeNo, reply: ReplyData);
        Other mknod(parent: INodeNo, name: &OsStr, mode: u32, umask: u32, rdev: u32, reply: ReplyEntry);
        Other mkdir(parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry);
        Other unlink(parent: INodeNo, name: &OsStr, reply: ReplyEmpty);
        Other rmdir(parent: INodeNo, name: &OsStr, reply: ReplyEmpty);
        Other symlink(parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry);
        Other rename(
            parent: INodeNo, name: &OsStr, new_parent: INodeNo, new_name: &OsStr, flags: RenameFlags,
            reply: ReplyEmpty
        );
        Other link(number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry);
        Brief open(number: INodeNo, flags: OpenFlags, reply: ReplyOpen);
        Brief create(parent: INodeNo, name: &OsStr, mode: u32, umask: u32, flags: i32, reply: ReplyCreate);
        Brief flush(number: INodeNo, handle: FileHandle, lock_owner: LockOwner, reply: ReplyEmpty);
        Sync fsync(number: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty);
        Other opendir(number: INodeNo, flags: OpenFlags, reply: ReplyOpen);
        Brief readdir(number: INodeNo, handle: FileHandle, cookie: u64, reply: ReplyDirectory);
        Brief readdirplus(number: INodeNo, handle: FileHandle, cookie: u64, reply: ReplyDirectoryPlus);
        Sync fsyncdir(number: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty);
        Brief statfs(number: INodeNo, reply: ReplyStatfs);
        Other setxattr(number: INodeNo, name: &OsStr, value: &[u8], flags: i32, position: u32, reply: ReplyEmpty);
        Brief getxattr(number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr);
        Brief listxattr(number: INodeNo, size: u32, reply: ReplyXattr);
        Other removexattr(number: INodeNo, name: &OsStr, reply: ReplyEmpty);
        Other fallocate(
            number: INodeNo, handle: FileHandle, offset: u64, length: u64, mode: i32, reply: ReplyEmpty
        );
        Other lseek(number: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek);
        Other copy_file_range(
            from: INodeNo, from_handle: FileHandle, from_offset: u64, to: INodeNo, to_handle: FileHandle,
            to_offset: u64, length: u64, flags: CopyFileRangeFlags, reply: ReplyWrite
        );
    }
}

fn work(bytes: usize, few: Work) -> Work {
    if bytes < BULK_BYTES_MIN { few } else { Work::Bulk }
}
