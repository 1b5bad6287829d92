//! One of the two trees: what is open there, and how calls are made on it.

use crate::calls::{Call, GROUP, ListEntry, OPEN_MAX, Time, USER};
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, Gid, Mode, OFlags, RenameFlags, SeekFrom, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr;

/// What direct input and output is done in.
const BLOCK: usize = 4096;
/// Nanoseconds of the times that calls set; those of the clock have others.
const SET_NANOS: i64 = 123;
const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// One of the two trees, and what is open there.
pub struct Side {
    root: PathBuf,
    pub open: Vec<Option<File>>,
}

pub type Outcome = Result<String, Errno>;

#[repr(align(4096))]
struct Block([u8; BLOCK]);

impl Side {
    pub fn new(root: PathBuf) -> Side {
        Side { root, open: (0..OPEN_MAX).map(|_| None).collect() }
    }

    fn file(&self, handle: u64) -> Result<&File, Errno> {
        self.open[handle as usize].as_ref().ok_or(Errno::BADF)
    }

    pub fn make(&mut self, call: &Call, number: usize) -> Outcome {
        match call {
            Call::Open(path, kind) => return self.open(path, *kind),
            Call::Close(handle) => {
                drop(self.open[*handle as usize].take());
                return Ok(String::new());
            }
            Call::Write(..) | Call::Read(..) | Call::Map(..) | Call::Truncate(..) | Call::Punch(..) => {}
            Call::Allocate(..) | Call::SeekData(..) | Call::SeekHole(..) | Call::Copy(..) => {}
            Call::Sync(_) | Call::StatOpen(_) => {}
            by_path => return self.make_by_path(by_path, number),
        }
        self.make_by_handle(call, number)
    }

    fn open(&mut self, path: &Path, kind: u64) -> Outcome {
        let mut flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        flags |= if kind & 1 == 0 { OFlags::RDWR } else { OFlags::RDONLY };
        if kind & 2 != 0 {
            flags |= OFlags::CREATE;
        }
        match kind >> 2 {
            0 if kind & 1 == 0 => flags |= OFlags::TRUNC,
            1 => flags |= OFlags::EXCL & if kind & 2 != 0 { OFlags::EXCL } else { OFlags::empty() },
            2 if kind & 1 == 0 => flags |= OFlags::APPEND,
            _ => {}
        }
        let file = File::from(rustix::fs::open(self.root.join(path), flags, Mode::from_raw_mode(0o666))?);
        if !file.metadata().unwrap().is_file() {
            return Ok("not a file".into());
        }
        let free = self.open.iter().position(Option::is_none).unwrap_or(0);
        self.open[free] = Some(file);
        Ok(format!("at {free}"))
    }

    fn make_by_path(&self, call: &Call, number: usize) -> Outcome {
        let at = |path: &Path| self.root.join(path);
        let done = |result: rustix::io::Result<()>| result.map(|()| String::new());
        match call {
            Call::MakeDirectory(path, mode) => done(rustix::fs::mkdir(at(path), Mode::from_raw_mode(*mode))),
            Call::RemoveDirectory(path) => done(rustix::fs::rmdir(at(path))),
            Call::Unlink(path) => done(rustix::fs::unlink(at(path))),
            Call::Rename(from, to, flags) => {
                done(rustix::fs::renameat_with(CWD, at(from), CWD, at(to), rename_flags(*flags)))
            }
            Call::Link(from, to) => done(rustix::fs::link(at(from), at(to))),
            Call::Symlink(target, path) => done(rustix::fs::symlink(target, at(path))),
            Call::MakeSpecial(path, mode, kind) => {
                use rustix::fs::FileType;
                let (kind, device) = match kind {
                    0 => (FileType::Fifo, 0),
                    1 => (FileType::Socket, 0),
                    2 => (FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
                    _ => (FileType::RegularFile, 0),
                };
                done(rustix::fs::mknodat(CWD, at(path), kind, Mode::from_raw_mode(*mode), device))
            }
            Call::TruncatePath(path, size) => {
                let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                let file = rustix::fs::open(at(path), flags, Mode::empty())?;
                done(rustix::fs::ftruncate(file, *size))
            }
            Call::Direct(path, first, blocks, writes) => direct(&at(path), *first, *blocks, *writes, number),
            Call::Stat(path) => rustix::fs::lstat(at(path)).map(|stat| shown(&stat)),
            Call::List(path) => {
                let entries = fs::read_dir(at(path)).map_err(errno)?;
                let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
                names.sort();
                Ok(format!("{names:?}"))
            }
            attributes => done(self.make_on_attributes(attributes)),
        }
    }

    fn make_on_attributes(&self, call: &Call) -> rustix::io::Result<()> {
        let at = |path: &Path| self.root.join(path);
        match call {
            Call::Chmod(path, mode) => {
                let is_symlink = |stat: Stat| stat.st_mode & libc::S_IFMT == libc::S_IFLNK;
                if rustix::fs::lstat(at(path)).is_ok_and(is_symlink) {
                    return Ok(());
                }
                rustix::fs::chmod(at(path), Mode::from_raw_mode(*mode))
            }
            Call::Chown(path, user, group) => {
                let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
                rustix::fs::chownat(CWD, at(path), user, group, AtFlags::SYMLINK_NOFOLLOW)
            }
            Call::SetTimes(path, access, modification) => {
                let times =
                    Timestamps { last_access: timespec(*access), last_modification: timespec(*modification) };
                rustix::fs::utimensat(CWD, at(path), &times, AtFlags::SYMLINK_NOFOLLOW)
            }
            Call::SetXattr(path, name, bytes, kind) => {
                let flags = match kind {
                    0 => XattrFlags::CREATE,
                    1 => XattrFlags::REPLACE,
                    _ => XattrFlags::empty(),
                };
                rustix::fs::lsetxattr(at(path), format!("user.{name}"), &vec![b'x'; *bytes], flags)
            }
            Call::RemoveXattr(path, name) => rustix::fs::lremovexattr(at(path), format!("user.{name}")),
            Call::SetList(path, default, list) => {
                let name = if *default { DEFAULT } else { ACCESS };
                rustix::fs::lsetxattr(at(path), name, &list_bytes(list), XattrFlags::empty())
            }
            Call::RemoveList(path, default) => {
                rustix::fs::lremovexattr(at(path), if *default { DEFAULT } else { ACCESS })
            }
            other => panic!("{other:?} is by handle"),
        }
    }

    fn make_by_handle(&self, call: &Call, number: usize) -> Outcome {
        match *call {
            Call::Write(handle, offset, bytes) => {
                let written = self.file(handle)?.write_at(&content(bytes, number), offset);
                written.map(|bytes| bytes.to_string()).map_err(errno)
            }
            Call::Read(handle, offset, bytes) => {
                let mut buffer = vec![0; bytes];
                let read = self.file(handle)?.read_at(&mut buffer, offset).map_err(errno)?;
                Ok(blake3::hash(&buffer[..read]).to_string())
            }
            Call::Map(handle, offset, bytes) => {
                write_mapped(self.file(handle)?, offset, &content(bytes, number))
            }
            Call::Truncate(handle, size) => {
                rustix::fs::ftruncate(self.file(handle)?, size).map(|()| String::new())
            }
            Call::Punch(handle, offset, bytes) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(self.file(handle)?, flags, offset, bytes).map(|()| String::new())
            }
            Call::Allocate(handle, offset, bytes, kind) => {
                let flags = match kind {
                    0 => FallocateFlags::KEEP_SIZE,
                    1 => FallocateFlags::ZERO_RANGE,
                    2 => FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE,
                    _ => FallocateFlags::empty(),
                };
                rustix::fs::fallocate(self.file(handle)?, flags, offset, bytes).map(|()| String::new())
            }
            Call::SeekData(handle, offset) => {
                rustix::fs::seek(self.file(handle)?, SeekFrom::Data(offset)).map(|at| at.to_string())
            }
            Call::SeekHole(handle, offset) => {
                // Where a hole begins depends on how much of a reserved range the kernel has in one piece of memory.
                rustix::fs::seek(self.file(handle)?, SeekFrom::Hole(offset)).map(|_| String::new())
            }
            Call::Copy(from, to, offset, bytes) => {
                let (from, to) = (self.file(from)?, self.file(to)?);
                let (mut source, mut target) = (offset, offset / 2);
                rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), bytes)
                    .map(|bytes| bytes.to_string())
            }
            Call::Sync(handle) => rustix::fs::fsync(self.file(handle)?).map(|()| String::new()),
            Call::StatOpen(handle) => rustix::fs::fstat(self.file(handle)?).map(|stat| shown(&stat)),
            ref other => panic!("{other:?} is by path"),
        }
    }

    /// Every path with what it is: attributes, content, targets, extended attributes.
    pub fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut tree = BTreeMap::new();
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let stat = rustix::fs::lstat(&path).unwrap();
                let kind = stat.st_mode & libc::S_IFMT;
                let mut shown = shown(&stat);
                match kind {
                    libc::S_IFDIR => {
                        shown += &xattrs(&path);
                        directories.push(path.clone());
                    }
                    libc::S_IFLNK => shown += &format!(" -> {:?}", fs::read_link(&path).unwrap()),
                    libc::S_IFREG => {
                        shown += &format!(" {}", blake3::hash(&fs::read(&path).unwrap()));
                        shown += &xattrs(&path);
                    }
                    _ => {}
                }
                tree.insert(path.strip_prefix(&self.root).unwrap().to_path_buf(), shown);
            }
        }
        tree
    }
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap()
}

fn content(bytes: usize, number: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + number) as u8).collect()
}

fn rename_flags(kind: u32) -> RenameFlags {
    match kind {
        0 => RenameFlags::NOREPLACE,
        1 => RenameFlags::EXCHANGE,
        2 => RenameFlags::WHITEOUT,
        _ => RenameFlags::empty(),
    }
}

fn timespec(time: Time) -> Timespec {
    match time {
        Time::At(seconds) => Timespec { tv_sec: seconds, tv_nsec: SET_NANOS },
        Time::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        Time::Omit => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    }
}

/// A list as the kernel takes it.
fn list_bytes(list: &[ListEntry]) -> Vec<u8> {
    let entry = |(tag, permissions, id): &ListEntry| {
        let id = if matches!(*tag, USER | GROUP) { *id } else { u32::MAX };
        [&tag.to_le_bytes()[..], &(*permissions as u16).to_le_bytes(), &id.to_le_bytes()].concat()
    };
    2u32.to_le_bytes().into_iter().chain(list.iter().flat_map(entry)).collect()
}

/// Reads or writes whole blocks past the kernel's pages.
fn direct(path: &Path, first: u64, blocks: usize, writes: bool, number: usize) -> Outcome {
    let access = if writes { OFlags::WRONLY } else { OFlags::RDONLY };
    let flags = access | OFlags::DIRECT | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata().unwrap().is_file() {
        return Ok("not a file".into());
    }
    let mut hash = blake3::Hasher::new();
    let mut block = Box::new(Block([0; BLOCK]));
    for at in (first..).take(blocks).map(|block| block * BLOCK as u64) {
        if writes {
            block.0.copy_from_slice(&content(BLOCK, number));
            assert_eq!(file.write_at(&block.0, at).map_err(errno)?, BLOCK);
        } else {
            let read = file.read_at(&mut block.0, at).map_err(errno)?;
            hash.update(&block.0[..read]);
        }
    }
    Ok(hash.finalize().to_string())
}

/// Writes into a mapping as much as lies within the file.
fn write_mapped(file: &File, offset: u64, bytes: &[u8]) -> Outcome {
    let size = file.metadata().map_err(errno)?.len();
    let end = size.min(offset + bytes.len() as u64);
    if end <= offset {
        return Ok("past the end".into());
    }
    // Order: the pages are here before they are touched, and written back before the mapping goes. This process also
    // answers for the mount, and would wait for itself where the kernel needs an answer while it changes its memory.
    file.read_at(&mut vec![0; end as usize], 0).map_err(errno)?;
    let (length, access) = (end as usize, libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: the mapping is nobody else's, ends with this function, and only what lies within the file is touched.
    unsafe {
        let map = libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, file.as_raw_fd(), 0);
        if map == libc::MAP_FAILED {
            return Err(errno(std::io::Error::last_os_error()));
        }
        let target = map.cast::<u8>().add(offset as usize);
        ptr::copy_nonoverlapping(bytes.as_ptr(), target, (end - offset) as usize);
        libc::msync(map, length, libc::MS_SYNC);
        libc::munmap(map, length);
    }
    Ok(String::new())
}

/// What of an inode's attributes is the same on any file system.
fn shown(stat: &Stat) -> String {
    let is_directory = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let size = if is_directory { 0 } else { stat.st_size };
    // Times that were set come back; others are the clock's.
    let mtime = (stat.st_mtime_nsec == SET_NANOS as u64).then_some(stat.st_mtime);
    let (mode, links, rdev) = (stat.st_mode, stat.st_nlink, stat.st_rdev);
    format!("{mode:o} {links} {size} {}:{} {rdev} {mtime:?}", stat.st_uid, stat.st_gid)
}

/// All extended attributes that programs set, and the lists.
fn xattrs(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let bytes = rustix::fs::llistxattr(path, &mut names).unwrap();
    let mut shown: Vec<String> = names[..bytes]
        .split(|byte| *byte == 0)
        .filter(|name| name.starts_with(b"user.") || name.starts_with(b"system."))
        .map(|name| {
            let mut value = vec![0; 4096];
            let name = OsStr::from_bytes(name);
            let bytes = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            format!(" {name:?}={:02x?}", &value[..bytes.min(64)])
        })
        .collect();
    shown.sort();
    shown.concat()
}
