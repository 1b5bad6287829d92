//! Attributes as `stat(2)` tells them.

use super::clock::note_stamp;
use super::settings::Settings;
use crate::model::{Body, Owner, Special, Timestamp};
use crate::sync::member::{Attributes, Ino};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Directories have no content of their own; this is what ext4 tells of a small one.
const DIRECTORY_BYTES: u64 = 4096;
/// `st_blocks` counts in these, whatever the file system.
const STAT_BLOCK_BYTES: u64 = 512;

/// What an inode is, as directory entries and `st_mode` tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

impl FileType {
    pub(super) fn of(body: &Body) -> FileType {
        match body {
            Body::File(_) => FileType::File,
            Body::Directory => FileType::Directory,
            Body::Symlink(_) => FileType::Symlink,
            Body::Special(Special::Fifo) => FileType::Fifo,
            Body::Special(Special::Socket) => FileType::Socket,
            Body::Special(Special::CharDevice(_)) => FileType::CharDevice,
            Body::Special(Special::BlockDevice(_)) => FileType::BlockDevice,
        }
    }
}

/// An inode's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub ino: Ino,
    pub file_type: FileType,
    /// Permission and set-id bits.
    pub mode: u16,
    pub links: u32,
    pub owner: Owner,
    /// As the kernel packs it; 0 where the inode is no device.
    pub rdev: u32,
    /// Bytes.
    pub size: u64,
    /// In 512 bytes.
    pub blocks: u64,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    /// These are the attributes of this moment: the kernel may be writing the file by itself, or content that is still
    /// elsewhere will take a room that its manifest does not tell.
    pub changes_unseen: bool,
}

impl Stat {
    /// Attributes as the rows tell them, which is all there is to know unless content is being written.
    pub(super) fn of(ino: Ino, attributes: &Attributes, settings: &Settings) -> Stat {
        let row = &attributes.row;
        let (size, blocks) = match &row.body {
            Body::File(manifest) => (manifest.length, attributes.blocks.unwrap_or_else(|| manifest.blocks())),
            Body::Directory => (DIRECTORY_BYTES, DIRECTORY_BYTES / STAT_BLOCK_BYTES),
            Body::Symlink(target) => (target.len() as u64, 0),
            Body::Special(_) => (0, 0),
        };
        let rdev = match &row.body {
            Body::Special(Special::CharDevice(number) | Special::BlockDevice(number)) => number.0,
            _ => 0,
        };
        Stat {
            ino,
            file_type: FileType::of(&row.body),
            mode: row.mode,
            links: attributes.links,
            owner: settings.owner_of(row),
            rdev,
            size,
            blocks,
            atime: row.mtime,
            mtime: row.mtime,
            ctime: attributes.ctime,
            changes_unseen: false,
        }
    }

    /// Takes over what only the backing file knows while its content is not captured.
    pub(super) fn overlay(&mut self, backing: &Metadata) {
        self.size = backing.len();
        self.blocks = backing.blocks();
        self.mtime = mtime_of(backing);
        self.atime = self.mtime;
        self.ctime = self.ctime.max(ctime_of(backing));
    }
}

/// When a backing file's content changed last.
pub(super) fn mtime_of(backing: &Metadata) -> Timestamp {
    stamp(backing.mtime(), backing.mtime_nsec())
}

/// When anything about a backing file changed last. Nothing that happens later gets an earlier time.
pub(super) fn ctime_of(backing: &Metadata) -> Timestamp {
    let ctime = stamp(backing.ctime(), backing.ctime_nsec());
    note_stamp(ctime);
    ctime
}

fn stamp(seconds: i64, nanos: i64) -> Timestamp {
    Timestamp { seconds, nanos: u32::try_from(nanos).unwrap_or(0) }
}
