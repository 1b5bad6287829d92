//! Answers to the kernel's requests, in fuser's terms, and for how long the kernel may believe them.

use super::convert::{attributes, errno, no_such_name};
use super::nearness::before_answer;
use crate::sync::member::Ino;
use crate::vfs::{Entry, Stat, VfsError};
use fuser::{
    Errno, FileAttr, Generation, INodeNo, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyWrite,
    ReplyXattr,
};
use std::time::Duration;

/// What the kernel knows stays true until we say otherwise, so it may keep it for long.
pub(super) const TTL: Duration = Duration::from_secs(3600);
/// As long as that for times of a file that the kernel writes by itself: it notes none for stores to mapped memory.
pub(super) const UNSEEN_TTL: Duration = Duration::from_secs(1);
/// An inode number is never used for a second inode.
pub(super) const GENERATION: Generation = Generation(0);

pub(super) fn reply_entry(reply: ReplyEntry, ttl: Duration, entry: Result<Stat, VfsError>) {
    before_answer();
    match entry {
        Ok(stat) => reply.entry_with_ttls(&attributes_ttl(&stat), &ttl, &attributes(&stat), GENERATION),
        Err(error) => reply.error(errno(&error)),
    }
}

/// What is on the stage is remembered for no time.
pub(super) fn reply_staged(reply: ReplyEntry, entry: Result<FileAttr, Errno>) {
    match entry {
        Ok(attributes) => reply.entry(&Duration::ZERO, &attributes, GENERATION),
        Err(errno) => reply.error(errno),
    }
}

pub(super) fn reply_staged_attributes(reply: ReplyAttr, staged: Result<FileAttr, Errno>) {
    match staged {
        Ok(attributes) => reply.attr(&Duration::ZERO, &attributes),
        Err(errno) => reply.error(errno),
    }
}

pub(super) fn reply_staged_empty(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

pub(super) fn reply_attributes(reply: ReplyAttr, stat: Result<Stat, VfsError>) {
    before_answer();
    match stat {
        Ok(stat) => reply.attr(&attributes_ttl(&stat), &attributes(&stat)),
        Err(error) => reply.error(errno(&error)),
    }
}

pub(super) fn reply_data(reply: ReplyData, bytes: Result<&[u8], &VfsError>) {
    before_answer();
    match bytes {
        Ok(bytes) => reply.data(bytes),
        Err(error) => reply.error(errno(error)),
    }
}

pub(super) fn reply_empty(reply: ReplyEmpty, done: Result<(), VfsError>) {
    before_answer();
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error)),
    }
}

pub(super) fn reply_written(reply: ReplyWrite, written: Result<u64, VfsError>) {
    before_answer();
    match written {
        Ok(bytes) => reply.written(u32::try_from(bytes).unwrap_or(u32::MAX)),
        Err(error) => reply.error(errno(&error)),
    }
}

/// POSIX: a buffer of no size asks how large it must be.
pub(super) fn reply_xattr(reply: ReplyXattr, value: Result<Vec<u8>, VfsError>, size: u32) {
    before_answer();
    match value {
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(errno(&VfsError::BufferTooSmall)),
        Ok(value) => reply.data(&value),
        Err(error) => reply.error(errno(&error)),
    }
}

/// How long the kernel may believe attributes.
pub(super) fn attributes_ttl(stat: &Stat) -> Duration {
    if stat.changes_unseen { UNSEEN_TTL } else { TTL }
}

/// Entries asked for at a time.
const ENTRIES: usize = 64;

/// Adds entries to a listing until the kernel's buffer is full. `list` gives so many entries after a cookie.
pub(super) fn fill(
    mut cookie: u64,
    list: impl Fn(u64, usize) -> Result<Vec<Entry>, VfsError>,
    mut add: impl FnMut(&Entry) -> bool,
) -> Result<(), VfsError> {
    loop {
        let entries = list(cookie, ENTRIES)?;
        let Some(last) = entries.last() else { return Ok(()) };
        cookie = last.cookie;
        if entries.iter().any(&mut add) || entries.len() < ENTRIES {
            return Ok(());
        }
    }
}

/// The attributes of an entry, and for how long the kernel may remember them. Of the directory itself and the one above
/// it takes the number alone.
pub(super) fn listed(entry: &Entry, stat: impl FnOnce(Ino) -> Option<Stat>) -> Option<(FileAttr, Duration)> {
    if matches!(entry.name[..], [b'.'] | [b'.', b'.']) {
        let kind = fuser::FileType::Directory;
        return Some((FileAttr { ino: INodeNo(entry.ino.0), kind, ..no_such_name() }, TTL));
    }
    stat(entry.ino).map(|stat| (attributes(&stat), attributes_ttl(&stat)))
}
