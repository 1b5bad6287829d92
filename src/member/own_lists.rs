//! This mount's own lists of patterns: the file `ignore` of the configuration, and the one that the mount option
//! `ignore=FILE` names.
//!
//! They are read again once they have changed. A file that cannot be read leaves its patterns as they were; one that
//! is gone has none.

use super::shared::MemberVolume;
use crate::vfs::OwnList;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Files of patterns, later ones over earlier ones.
pub struct OwnLists {
    files: Vec<Listed>,
}

struct Listed {
    path: PathBuf,
    seen: Option<Seen>,
    content: Vec<u8>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    ino: u64,
    size: u64,
    mtime: (i64, i64),
}

impl Seen {
    fn of(data: &Metadata) -> Seen {
        Seen { ino: data.ino(), size: data.size(), mtime: (data.mtime(), data.mtime_nsec()) }
    }
}

impl OwnLists {
    pub fn new(paths: Vec<PathBuf>) -> OwnLists {
        let listed = |path| Listed { path, seen: None, content: Vec::new() };
        OwnLists { files: paths.into_iter().map(listed).collect() }
    }

    /// Reads what has changed, and has the volume go by it.
    pub fn refresh(&mut self, volume: &MemberVolume) {
        let mut changed = false;
        for file in &mut self.files {
            changed |= file.refresh();
        }
        if changed {
            let list = |file: &Listed| OwnList {
                name: file.path.display().to_string(),
                content: file.content.clone(),
            };
            volume.set_own_lists(self.files.iter().map(list).collect());
        }
    }
}

impl Listed {
    fn refresh(&mut self) -> bool {
        let seen = fs::metadata(&self.path).ok().map(|data| Seen::of(&data));
        if seen == self.seen {
            return false;
        }
        match fs::read(&self.path) {
            Ok(content) => self.content = content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.content.clear(),
            Err(error) => tracing::warn!(%error, "a list of patterns cannot be read"),
        }
        self.seen = seen;
        true
    }
}
