//! fuser's calls, one by one, in terms of a volume.

use super::agreement::{IO_BYTES_MAX, agree};
use super::backings::Backings;
use super::convert::{
    allocation, attributes, caller, errno, file_type, ino, maker, mode_bits, no_such_name, open_mode,
    rename_mode, request_id, special_body, timestamp, xattr_mode,
};
use super::executing::is_executed;
use super::nearness::{before_answer, before_thread, run_anywhere};
use super::opening::{Entered, Opening, Way};
use super::replies::{
    GENERATION, TTL, fill, listed, reply_attributes, reply_data, reply_empty, reply_entry, reply_staged,
    reply_staged_attributes, reply_staged_empty, reply_written, reply_xattr,
};
use super::watch::Stage;
use crate::model::{Body, Kind, Name};
use crate::sync::Store;
use crate::sync::member::Ino;
use crate::vfs::{
    Change, ContentFiles, FileId, NewNode, OpenMode, RenameMode, Seek, SetAttributes, VfsError, Volume,
    is_acl,
};
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileAttr, FileHandle, Filesystem, FopenFlags, INodeNo,
    KernelConfig, LockOwner, Notifier, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

thread_local! {
    /// What a thread has read last.
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Answers the kernel's requests from a volume.
pub struct Adapter<S: Store, F: ContentFiles> {
    volume: Arc<Volume<S, F>>,
    stage: Arc<Stage>,
    /// The kernel insists on opening directories.
    opens_directories: bool,
    opening: Opening<S, F>,
    /// Where the kernel is told what it has to forget, once that can be done.
    notifier: Arc<OnceLock<Notifier>>,
}

impl<S, F> Adapter<S, F>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    /// With `backings` the kernel reads and writes files by itself, if it can.
    pub(super) fn new(
        volume: Arc<Volume<S, F>>,
        stage: Arc<Stage>,
        backings: Option<Backings>,
    ) -> Adapter<S, F> {
        let opening = Opening { volume: volume.clone(), backings: backings.map(Arc::new) };
        Adapter { volume, stage, opening, notifier: Arc::default(), opens_directories: false }
    }

    /// To be set once the kernel answers.
    pub(super) fn notifier(&self) -> Arc<OnceLock<Notifier>> {
        self.notifier.clone()
    }

    /// Attributes alone: no lock is taken for that, so it may be done while the kernel waits for an answer.
    fn forget_times(&self, number: INodeNo, handle: FileHandle) {
        if self.volume.times_changed(id(handle))
            && let Some(notifier) = self.notifier.get()
            && let Err(error) = notifier.inval_inode(number, -1, 0)
        {
            tracing::debug!(%error, "the kernel did not know the inode");
        }
    }

    /// The repeater's file goes the way of others' handles, if they go past the daemon; of these it is one more then.
    fn reply_staged_open(
        &self,
        request: &Request,
        number: INodeNo,
        (handle, flags): (FileHandle, FopenFlags),
        reply: ReplyOpen,
    ) {
        let mode = OpenMode { read: true, ..OpenMode::default() };
        let passing = self.volume.passing_handles(ino(number)) > 0;
        let open = || self.volume.open_at_once(caller(request), ino(number), mode).ok().flatten();
        if let Some(file) = passing.then(open).flatten() {
            match self.opening.way(request_id(request), file, ino(number), mode) {
                Ok(way @ Way::Kernel(_)) => return self.opening.reply(reply, file, mode, way),
                Ok(Way::Daemon) => self.opening.close(file, ino(number)),
                Err(_) => {}
            }
        }
        reply.opened(handle, flags);
    }

    /// For how long the kernel may remember where a name leads.
    fn entry_ttl(&self, parent: INodeNo, name: &OsStr) -> Duration {
        if self.stage.has(parent.0, name.as_bytes()) { Duration::ZERO } else { TTL }
    }

    /// An inode's attributes as the repeater is told them.
    fn stat(&self) -> impl Fn(Ino) -> Option<FileAttr> + '_ {
        |ino| self.volume.stat(ino).ok().as_ref().map(attributes)
    }

    /// Runs work on an inode's content: here, or in a thread of its own where it must wait for the content.
    fn with_content(&self, number: INodeNo, work: impl FnOnce(&Volume<S, F>) + Send + 'static) {
        if !self.volume.must_wait(ino(number)) {
            return work(&self.volume);
        }
        self.in_a_thread(work);
    }

    fn make(
        &self,
        (request, umask): (&Request, u32),
        parent: INodeNo,
        name: &OsStr,
        new: NewNode,
        reply: ReplyEntry,
    ) {
        let ttl = self.entry_ttl(parent, name);
        let (parent, name) = (ino(parent), name.as_bytes());
        self.volume.once(request_id(request), Change::Make((parent, name)), |done| {
            reply_entry(
                reply,
                ttl,
                match done {
                    true => self.volume.lookup(parent, name),
                    false => self.volume.make(maker(request, umask), parent, name, new),
                },
            );
        });
    }

    /// Runs work that waits; the threads that serve the kernel must not.
    fn in_a_thread(&self, work: impl FnOnce(&Volume<S, F>) + Send + 'static) {
        let volume = self.volume.clone();
        before_thread();
        // Where no thread can be had the reply is dropped, and fuser answers with an error for us.
        if let Err(error) = thread::Builder::new().name("await-content".into()).spawn(move || {
            run_anywhere();
            work(&volume);
        }) {
            tracing::warn!(%error, "a request that must wait for content was refused");
        }
    }
}

fn id(handle: FileHandle) -> FileId {
    FileId(handle.0)
}

impl<S, F> Filesystem for Adapter<S, F>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let agreed = agree(config, self.volume.keeps_owners(), self.opening.backings.is_some());
        self.opens_directories = agreed.opens_directories;
        self.volume.allow_passage(agreed.passes);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if let Some(staged) = self.stage.lookup(request.pid(), parent.0, name.as_bytes(), self.stat()) {
            return reply_staged(reply, staged);
        }
        let entry = self.volume.lookup(ino(parent), name.as_bytes());
        // Order: what comes onto the stage after this look has the kernel forget what it gets here.
        let ttl = self.entry_ttl(parent, name);
        match entry {
            // The kernel may remember that there is nothing, as long as the directory is there.
            Err(VfsError::NotFound) if self.volume.is_live(ino(parent)) => {
                before_answer();
                reply.entry(&ttl, &no_such_name(), GENERATION);
            }
            entry => reply_entry(reply, ttl, entry),
        }
    }

    fn forget(&self, _request: &Request, number: INodeNo, _lookups: u64) {
        self.volume.forget(ino(number));
    }

    fn getattr(&self, request: &Request, number: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        if let Some(staged) = self.stage.attributes(request.pid(), number.0, self.stat()) {
            return reply_staged_attributes(reply, staged);
        }
        reply_attributes(reply, self.volume.stat(ino(number)));
    }

    fn setattr(
        &self,
        request: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _changed: Option<SystemTime>,
        _backed_up: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if let Some(staged) = self.stage.set_attributes(request.pid(), number.0, self.stat()) {
            return reply_staged_attributes(reply, staged);
        }
        let mode = mode.map(mode_bits);
        let (atime, mtime) = (atime.map(timestamp), mtime.map(timestamp));
        let set = SetAttributes { mode, uid, gid, size, atime, mtime };
        let caller = caller(request);
        let work = move |volume: &Volume<S, F>| {
            reply_attributes(reply, volume.set_attributes(caller, ino(number), handle.map(id), set));
        };
        match size {
            Some(size) if size > 0 => self.with_content(number, work),
            _ => work(&self.volume),
        }
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        reply_data(reply, self.volume.read_link(ino(number)).as_deref());
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        if let Some(staged) = self.stage.make(request.pid(), parent.0, name.as_bytes(), Kind::File) {
            return reply_staged(reply, staged);
        }
        let Some(body) = special_body(mode, rdev) else { return reply.error(Errno::EINVAL) };
        let new = NewNode { body, mode: mode_bits(mode) };
        self.make((request, umask), parent, name, new, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        if let Some(staged) = self.stage.make(request.pid(), parent.0, name.as_bytes(), Kind::Directory) {
            return reply_staged(reply, staged);
        }
        let new = NewNode { body: Body::Directory, mode: mode_bits(mode) };
        self.make((request, umask), parent, name, new, reply);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if let Some(staged) = self.stage.remove(request.pid(), parent.0, name.as_bytes()) {
            return reply_staged_empty(reply, staged);
        }
        let (parent, name) = (ino(parent), name.as_bytes());
        self.volume.once(request_id(request), Change::Drop((parent, name)), |done| {
            reply_empty(reply, if done { Ok(()) } else { self.volume.unlink(parent, name) });
        });
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if let Some(staged) = self.stage.remove(request.pid(), parent.0, name.as_bytes()) {
            return reply_staged_empty(reply, staged);
        }
        let (parent, name) = (ino(parent), name.as_bytes());
        self.volume.once(request_id(request), Change::Drop((parent, name)), |done| {
            reply_empty(reply, if done { Ok(()) } else { self.volume.remove_directory(parent, name) });
        });
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        if self.stage.refuse(request.pid()) {
            return reply.error(Errno::EIO);
        }
        let new = NewNode { body: Body::Symlink(target.as_os_str().as_bytes().to_vec()), mode: 0o777 };
        self.make((request, 0), parent, name, new, reply);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (old, new) = ((parent.0, name.as_bytes()), (new_parent.0, new_name.as_bytes()));
        if let Some(staged) = self.stage.rename(request.pid(), old, new) {
            return reply_staged_empty(reply, staged);
        }
        let (from, to) = ((ino(parent), name.as_bytes()), (ino(new_parent), new_name.as_bytes()));
        let mode = match rename_mode(caller(request), flags) {
            Ok(mode) => mode,
            Err(error) => return reply.error(errno(&error)),
        };
        let leaves_name = !matches!(mode, RenameMode::Replace | RenameMode::NoReplace);
        let change = Change::Move { from, leaves_name };
        self.volume.once(request_id(request), change, |done| {
            reply_empty(reply, if done { Ok(()) } else { self.volume.rename(from, to, mode) });
        });
    }

    fn link(&self, request: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if self.stage.refuse(request.pid()) {
            return reply.error(Errno::EIO);
        }
        let ttl = self.entry_ttl(parent, name);
        let (number, parent, name) = (ino(number), ino(parent), name.as_bytes());
        self.volume.once(request_id(request), Change::Link { ino: number, to: (parent, name) }, |done| {
            reply_entry(
                reply,
                ttl,
                match done {
                    true => self.volume.stat(number),
                    false => self.volume.link(number, parent, name),
                },
            );
        });
    }

    fn open(&self, request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.stage.open(request.pid(), number.0) {
            Some(Ok(staged)) => return self.reply_staged_open(request, number, staged, reply),
            Some(Err(errno)) => return reply.error(errno),
            None => {}
        }
        let mode = open_mode(flags.0);
        let (caller, request) = (caller(request), request_id(request));
        let opening = self.opening.clone();
        if let Some((file, at)) = self.volume.opened_before(request) {
            return opening.reply(reply, file, mode, opening.way_again(file, at));
        }
        let finish = move |file: Result<FileId, VfsError>| {
            let way = file.and_then(|file| Ok((file, opening.way(request, file, ino(number), mode)?)));
            match way {
                Ok((file, way)) => opening.reply(reply, file, mode, way),
                Err(error) => reply.error(errno(&error)),
            }
        };
        if mode.truncate && !mode.write && is_executed(ino(number)) {
            return finish(Err(VfsError::Executed));
        }
        match self.volume.open_at_once(caller, ino(number), mode).transpose() {
            Some(opened) => finish(opened),
            None => self.in_a_thread(move |volume| finish(volume.open(caller, ino(number), mode))),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        match self.stage.make(request.pid(), parent.0, name.as_bytes(), Kind::File) {
            Some(Ok(attributes)) => {
                let (handle, flags) = self.stage.handle();
                return reply.created(&Duration::ZERO, &attributes, GENERATION, handle, flags);
            }
            Some(Err(errno)) => return reply.error(errno),
            None => {}
        }
        let ttl = self.entry_ttl(parent, name);
        let open = open_mode(flags);
        let place = (ino(parent), name.as_bytes());
        let (maker, request) = (maker(request, umask), request_id(request));
        let (volume, opening) = (&self.volume, &self.opening);
        volume.once(request, Change::Make(place), |done| {
            let made = match volume.opened_before(request) {
                Some((file, at)) => volume.stat(at).map(|stat| (stat, file, opening.way_again(file, at))),
                None => {
                    let exclusive = open.exclusive && !done;
                    let made = volume.create(maker, place, mode_bits(mode), OpenMode { exclusive, ..open });
                    made.and_then(|(stat, file)| {
                        Ok((stat, file, opening.way(request, file, stat.ino, open)?))
                    })
                }
            };
            match made {
                Ok((stat, file, way)) => {
                    let entry = Entered { attributes: attributes(&stat), ttl, generation: GENERATION };
                    opening.reply_created(reply, entry, (file, open), way);
                }
                Err(error) => reply.error(errno(&error)),
            }
        });
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = move |volume: &Volume<S, F>| {
            READ_BUFFER.with_borrow_mut(|buffer| {
                // It grows once: memory that is new with every read costs more than the reading.
                let wanted = size.min(IO_BYTES_MAX) as usize;
                buffer.resize(buffer.len().max(wanted), 0);
                let read = volume.read(id(handle), offset, &mut buffer[..wanted]);
                reply_data(reply, read.as_ref().map(|&bytes| &buffer[..bytes]));
            });
        };
        match self.volume.must_wait_to_read(ino(number), offset, size.into()) {
            true => self.in_a_thread(read),
            false => read(&self.volume),
        }
    }

    fn write(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // What was appended before, and not answered, goes where it went then.
        let again = request_id(request).again;
        let from_cache = write_flags.contains(WriteFlags::FUSE_WRITE_CACHE) || again;
        let clears = write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID);
        let unprivileged = clears.then(|| caller(request));
        let write = move |volume: &Volume<S, F>, data: &[u8]| {
            let written = volume.write(id(handle), offset, data, from_cache, unprivileged);
            reply_written(reply, written.map(|bytes| bytes as u64));
        };
        if self.volume.must_wait(ino(number)) {
            let data = data.to_vec();
            self.with_content(number, move |volume| write(volume, &data));
        } else {
            write(&self.volume, data);
        }
    }

    fn flush(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        if self.stage.is_staged_handle(handle) {
            return reply.ok();
        }
        self.forget_times(number, handle);
        reply_empty(reply, self.volume.flush(id(handle)));
    }

    fn release(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        if self.stage.is_staged_handle(handle) {
            return reply.ok();
        }
        self.forget_times(number, handle);
        self.opening.close(id(handle), ino(number));
        reply.ok();
    }

    fn fsync(&self, _request: &Request, _: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        reply_empty(reply, self.volume.sync_file(id(handle), data_only));
    }

    /// Directories have no handles: where the kernel can do without, it does not ask again after this answer.
    /// Either way it keeps a listing until it changes the directory itself, or is told that it has changed.
    fn opendir(&self, _request: &Request, _: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.opens_directories {
            true => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR),
            false => reply.error(Errno::ENOSYS),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        cookie: u64,
        mut reply: ReplyDirectory,
    ) {
        let list = |cookie, count| self.volume.list(ino(number), cookie, count);
        let filled = fill(cookie, list, |entry| {
            let name = OsStr::from_bytes(&entry.name);
            reply.add(INodeNo(entry.ino.0), entry.cookie, file_type(entry.file_type), name)
        });
        before_answer();
        match filled {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        cookie: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let list = |cookie, count| self.volume.list(ino(number), cookie, count);
        let filled = fill(cookie, list, |entry| {
            // What vanished between listing and asking is left out.
            let Some((attributes, ttl)) = listed(entry, |ino| self.volume.stat(ino).ok()) else {
                return false;
            };
            let name = OsStr::from_bytes(&entry.name);
            let ttl = self.entry_ttl(number, name).min(ttl);
            reply.add(INodeNo(entry.ino.0), entry.cookie, name, &ttl, &attributes, GENERATION)
        });
        before_answer();
        match filled {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn fsyncdir(&self, _request: &Request, _: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        reply_empty(reply, self.volume.sync_directory());
    }

    fn statfs(&self, _request: &Request, _: INodeNo, reply: ReplyStatfs) {
        let space = self.volume.space();
        reply.statfs(
            space.blocks,
            space.blocks_free,
            space.blocks_available,
            space.nodes,
            space.nodes_free,
            space.block_bytes,
            Name::BYTES_MAX as u32,
            space.block_bytes,
        );
    }

    fn setxattr(
        &self,
        request: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        if is_acl(name.as_bytes()) {
            let set = self.volume.set_acl(caller(request), ino(number), name.as_bytes(), value);
            return reply_empty(reply, set);
        }
        let set = |mode| self.volume.set_xattr(ino(number), name.as_bytes(), value, mode);
        // Set before, and not answered, it is there.
        let is_set = || self.volume.xattr(ino(number), name.as_bytes()).is_ok_and(|found| found == value);
        let done = request_id(request).again && is_set();
        reply_empty(reply, if done { Ok(()) } else { xattr_mode(flags).and_then(set) });
    }

    fn getxattr(&self, _request: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        reply_xattr(reply, self.volume.xattr(ino(number), name.as_bytes()), size);
    }

    fn listxattr(&self, _request: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        reply_xattr(reply, self.volume.xattr_names(ino(number)), size);
    }

    fn removexattr(&self, request: &Request, number: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        match self.volume.remove_xattr(ino(number), name.as_bytes()) {
            // Removed before, and not answered, it is gone.
            Err(VfsError::NoAttribute) if request_id(request).again => reply.ok(),
            removed => reply_empty(reply, removed),
        }
    }

    fn fallocate(
        &self,
        request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let caller = caller(request);
        self.with_content(number, move |volume| {
            let allocate = |what| volume.allocate(caller, id(handle), offset, length, what);
            reply_empty(reply, allocation(mode).and_then(allocate));
        });
    }

    fn lseek(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let what = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        let Ok(offset) = u64::try_from(offset) else { return reply.error(Errno::ENXIO) };
        self.with_content(number, move |volume| match volume.seek(id(handle), offset, what) {
            Ok(found) => reply.offset(i64::try_from(found).unwrap_or(i64::MAX)),
            Err(error) => reply.error(errno(&error)),
        });
    }

    fn copy_file_range(
        &self,
        request: &Request,
        from: INodeNo,
        from_handle: FileHandle,
        from_offset: u64,
        to: INodeNo,
        to_handle: FileHandle,
        to_offset: u64,
        length: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let caller = caller(request);
        let absent = if self.volume.must_wait(ino(from)) { from } else { to };
        self.with_content(absent, move |volume| {
            let (source, target) = ((id(from_handle), from_offset), (id(to_handle), to_offset));
            reply_written(reply, volume.copy_range(caller, source, target, length));
        });
    }
}
