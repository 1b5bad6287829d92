//! This mount's own lists of patterns: the file `ignore` of the configuration, and the one that the mount option
//! `ignore=FILE` names.
//!
//! They are read again once they have changed. A file that cannot be read, or has come to lie in the mount itself, leaves
//! its patterns as they were, which is none where this daemon has never read them; one that is gone has none.

use super::outside::open_outside;
use super::shared::MemberVolume;
use crate::vfs::OwnList;
use std::fs::Metadata;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files of patterns, later ones over earlier ones.
pub struct OwnLists {
    files: Vec<Listed>,
    mount: PathBuf,
}

struct Listed {
    path: PathBuf,
    /// None until it is read for the first time.
    seen: Option<Result<Seen, ErrorKind>>,
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
    pub fn new(paths: Vec<PathBuf>, mount: PathBuf) -> OwnLists {
        let listed = |path| Listed { path, seen: None, content: Vec::new() };
        OwnLists { files: paths.into_iter().map(listed).collect(), mount }
    }

    /// Reads what has changed, and has the volume go by it.
    pub fn refresh(&mut self, volume: &MemberVolume) {
        let mut changed = false;
        for file in &mut self.files {
            changed |= file.refresh(&self.mount);
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
    fn refresh(&mut self, mount: &Path) -> bool {
        let opened = open_outside(&self.path, mount).and_then(|file| Ok((Seen::of(&file.metadata()?), file)));
        let seen = Some(opened.as_ref().map(|(seen, _)| *seen).map_err(io::Error::kind));
        if seen == self.seen {
            return false;
        }
        let mut content = Vec::new();
        match opened.and_then(|(_, mut file)| file.read_to_end(&mut content)) {
            Ok(_) => self.content = content,
            Err(error) if error.kind() == ErrorKind::NotFound => self.content.clear(),
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "a list of patterns cannot be read")
            }
        }
        self.seen = seen;
        true
    }
}
