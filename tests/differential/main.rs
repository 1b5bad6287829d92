//! The same random calls on a plain directory and on a mount: results and trees must be equal.

#![allow(clippy::disallowed_methods, reason = "a test of real mounts: files, threads and clocks belong here")]

mod calls;
#[path = "../mounted/mod.rs"]
mod mounted;

use calls::{Call, Dice, OPEN_MAX};
use fl0wfs::model::MemberNumber;
use fl0wfs::ops::{MemoryTree, Op, Tree, TreeMut, apply};
use fl0wfs::sync::Kv;
use fl0wfs::vfs::OwnList;
use fl0wfs::wire::decode;
use mounted::Mounted;
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags, SeekFrom, Stat, Timespec, Timestamps, XattrFlags,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SEEDS: u64 = 24;
const CALLS: usize = 1500;

/// One of the two trees, and what is open there.
struct Side {
    root: PathBuf,
    open: Vec<Option<File>>,
}

type Outcome = Result<String, Errno>;

impl Side {
    fn new(root: PathBuf) -> Side {
        Side { root, open: (0..OPEN_MAX).map(|_| None).collect() }
    }

    fn file(&self, handle: u64) -> Result<&File, Errno> {
        self.open[handle as usize].as_ref().ok_or(Errno::BADF)
    }

    fn make(&mut self, call: &Call, number: usize) -> Outcome {
        match call {
            Call::Open(path, kind) => return self.open(path, *kind),
            Call::Close(handle) => {
                drop(self.open[*handle as usize].take());
                return Ok(String::new());
            }
            Call::Write(..) | Call::Read(..) | Call::Truncate(..) | Call::Punch(..) => {}
            Call::Allocate(..) | Call::SeekData(..) | Call::Copy(..) | Call::Sync(_) | Call::StatOpen(_) => {}
            by_path => return self.make_by_path(by_path),
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
        let file = File::from(rustix::fs::open(self.root.join(path), flags, Mode::from_raw_mode(0o644))?);
        if !file.metadata().unwrap().is_file() {
            return Ok("not a file".into());
        }
        let free = self.open.iter().position(Option::is_none).unwrap_or(0);
        self.open[free] = Some(file);
        Ok(format!("at {free}"))
    }

    fn make_by_path(&self, call: &Call) -> Outcome {
        let at = |path: &Path| self.root.join(path);
        let done = |result: rustix::io::Result<()>| result.map(|()| String::new());
        match call {
            Call::MakeDirectory(path, mode) => done(rustix::fs::mkdir(at(path), Mode::from_raw_mode(*mode))),
            Call::RemoveDirectory(path) => done(rustix::fs::rmdir(at(path))),
            Call::Unlink(path) => done(rustix::fs::unlink(at(path))),
            Call::Rename(from, to, flags) => {
                let flags = match flags {
                    0 => RenameFlags::NOREPLACE,
                    1 => RenameFlags::EXCHANGE,
                    _ => RenameFlags::empty(),
                };
                done(rustix::fs::renameat_with(CWD, at(from), CWD, at(to), flags))
            }
            Call::Link(from, to) => done(rustix::fs::link(at(from), at(to))),
            Call::Symlink(target, path) => done(rustix::fs::symlink(target, at(path))),
            Call::MakeFifo(path) => {
                let mode = Mode::from_raw_mode(0o600);
                done(rustix::fs::mknodat(CWD, at(path), rustix::fs::FileType::Fifo, mode, 0))
            }
            Call::Chmod(path, mode) => {
                if rustix::fs::lstat(at(path)).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFLNK)
                {
                    return Ok("a symlink".into());
                }
                done(rustix::fs::chmod(at(path), Mode::from_raw_mode(*mode)))
            }
            Call::SetMtime(path, seconds, nanos) => {
                let time = Timespec { tv_sec: *seconds, tv_nsec: *nanos };
                let times = Timestamps { last_access: time, last_modification: time };
                done(rustix::fs::utimensat(CWD, at(path), &times, AtFlags::SYMLINK_NOFOLLOW))
            }
            Call::SetXattr(path, name, bytes, kind) => {
                let flags = match kind {
                    0 => XattrFlags::CREATE,
                    1 => XattrFlags::REPLACE,
                    _ => XattrFlags::empty(),
                };
                done(rustix::fs::lsetxattr(at(path), format!("user.{name}"), &vec![b'x'; *bytes], flags))
            }
            Call::RemoveXattr(path, name) => done(rustix::fs::lremovexattr(at(path), format!("user.{name}"))),
            Call::TruncatePath(path, size) => {
                let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                let file = rustix::fs::open(at(path), flags, Mode::empty())?;
                done(rustix::fs::ftruncate(file, *size))
            }
            Call::Stat(path) => rustix::fs::lstat(at(path)).map(|stat| shown(&stat)),
            Call::List(path) => {
                let entries =
                    fs::read_dir(at(path)).map_err(|error| Errno::from_io_error(&error).unwrap())?;
                let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
                names.sort();
                Ok(format!("{names:?}"))
            }
            other => panic!("{other:?} is by handle"),
        }
    }

    fn make_by_handle(&self, call: &Call, number: usize) -> Outcome {
        let io = |error: std::io::Error| Errno::from_io_error(&error).unwrap();
        match *call {
            Call::Write(handle, offset, bytes) => {
                let content: Vec<u8> = (0..bytes).map(|at| (at * 7 + number) as u8).collect();
                self.file(handle)?.write_at(&content, offset).map(|bytes| bytes.to_string()).map_err(io)
            }
            Call::Read(handle, offset, bytes) => {
                let mut buffer = vec![0; bytes];
                let read = self.file(handle)?.read_at(&mut buffer, offset).map_err(io)?;
                Ok(blake3::hash(&buffer[..read]).to_string())
            }
            Call::Truncate(handle, size) => {
                rustix::fs::ftruncate(self.file(handle)?, size).map(|()| String::new())
            }
            Call::Punch(handle, offset, bytes) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(self.file(handle)?, flags, offset, bytes).map(|()| String::new())
            }
            Call::Allocate(handle, offset, bytes) => {
                let flags = FallocateFlags::empty();
                rustix::fs::fallocate(self.file(handle)?, flags, offset, bytes).map(|()| String::new())
            }
            Call::SeekData(handle, offset) => {
                rustix::fs::seek(self.file(handle)?, SeekFrom::Data(offset)).map(|at| at.to_string())
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
    fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut tree = BTreeMap::new();
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let stat = rustix::fs::lstat(&path).unwrap();
                let kind = stat.st_mode & libc::S_IFMT;
                let mut shown = shown(&stat);
                match kind {
                    libc::S_IFDIR => directories.push(path.clone()),
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

/// What of an inode's attributes is the same on any file system.
fn shown(stat: &Stat) -> String {
    let is_directory = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let size = if is_directory { 0 } else { stat.st_size };
    // Times that were set come back; others are the clock's.
    let mtime = (stat.st_mtime_nsec == 123).then_some(stat.st_mtime);
    format!("{:o} {} {size} {}:{} {mtime:?}", stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_gid)
}

fn xattrs(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let bytes = rustix::fs::llistxattr(path, &mut names).unwrap();
    let mut shown: Vec<String> = names[..bytes]
        .split(|byte| *byte == 0)
        .filter(|name| name.starts_with(b"user."))
        .map(|name| {
            let mut value = vec![0; 4096];
            let name = std::ffi::OsStr::from_bytes(name);
            let bytes = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            format!(" {name:?}={}", blake3::hash(&value[..bytes]))
        })
        .collect();
    shown.sort();
    shown.concat()
}

/// Calls that a mount that ignores some of the names answers in another way than a plain directory: files have ignored
/// names or others, but not both; and what is ignored changes no mtime that others see.
fn crosses(call: &Call) -> bool {
    matches!(call, Call::Link(..) | Call::SetMtime(..) | Call::Rename(_, _, 1))
}

fn run(seed: u64, mount: &Path, plain: &Path, leaves_out: impl Fn(&Call) -> bool) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut sides = [Side::new(mount.to_path_buf()), Side::new(plain.to_path_buf())];
    let mut history = Vec::new();
    for number in 0..CALLS {
        let call = Call::random(&mut dice);
        // ext4 tells reserved room as data once somebody has read it, as a capture does.
        let skipped = if seed.is_multiple_of(2) {
            matches!(call, Call::Allocate(..))
        } else {
            matches!(call, Call::SeekData(..))
        };
        if skipped || leaves_out(&call) {
            continue;
        }
        let [ours, theirs] = sides.each_mut().map(|side| side.make(&call, number));
        history.push(format!("{number} {call:?}: {theirs:?}"));
        let recent = &history[history.len().saturating_sub(60)..];
        assert_eq!(ours, theirs, "seed {seed}, left is the mount, after {recent:#?}");
    }
    sides.iter_mut().for_each(|side| side.open.clear());
    let [ours, theirs] = sides.each_ref().map(Side::tree);
    assert_eq!(ours, theirs, "seed {seed}, left is the mount");
}

/// What the hub would make of the journal must be what the mount shows.
fn journal_makes_the_view(mounted: &Mounted) {
    let replica = mounted.volume.replica();
    let mut tree = MemoryTree::default();
    for (number, (_, value)) in replica.store().scan_prefix(b"J").enumerate() {
        let op: Op = decode("op", &value).unwrap();
        let changes = apply(&tree, MemberNumber(0), &op);
        tree.write(changes.unwrap_or_else(|rejection| panic!("op {number}, {op:?}: {rejection}")));
    }
    let view = replica.view();
    let mut names = 0;
    for (place, node) in &tree.names {
        assert_eq!(view.child(place.parent, &place.name), Some(*node), "{place:?}");
    }
    for (id, node) in &tree.nodes {
        assert_eq!(view.node(*id).as_ref(), Some(node), "{id}");
        names += view.list(*id, 0).count();
    }
    assert_eq!(names, tree.names.len());
}

/// Compares a mount that ignores by `patterns` with a plain directory.
fn compare(seeds: u64, patterns: &str, leaves_out: impl Fn(&Call) -> bool, check: impl Fn(&Mounted)) {
    let root = TempDir::new().unwrap();
    let plain = TempDir::new().unwrap();
    let mounted = || {
        let mounted = Mounted::new(root.path());
        let list = OwnList { name: "own".into(), content: patterns.into() };
        mounted.volume.set_own_lists(vec![list]);
        mounted
    };
    {
        let mounted = mounted();
        for seed in 1..=seeds {
            let name = format!("seed {seed}");
            let (ours, theirs) = (mounted.directory.join(&name), plain.path().join(&name));
            fs::create_dir(&ours).unwrap();
            fs::create_dir(&theirs).unwrap();
            run(seed, &ours, &theirs, &leaves_out);
        }
    }
    // The tree is the same after a remount.
    let mounted = mounted();
    check(&mounted);
    let [ours, theirs] = [mounted.directory.clone(), plain.path().to_path_buf()].map(Side::new);
    assert_eq!(ours.tree(), theirs.tree(), "after a remount, left is the mount");
    assert!(mounted.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn a_mount_does_what_a_plain_directory_does() {
    compare(SEEDS, "", |_| false, journal_makes_the_view);
}

#[test]
fn what_is_ignored_does_what_a_plain_directory_does_and_makes_no_op() {
    compare(
        SEEDS / 3,
        "seed *\n",
        |_| false,
        |mounted| assert_eq!(mounted.volume.replica().pending().ops, 0),
    );
}

#[test]
fn ignored_and_shared_names_side_by_side_do_what_a_plain_directory_does() {
    compare(SEEDS / 2, "b\nd\n", crosses, journal_makes_the_view);
}
