//! What stands on the stage: inodes of nodes, and phantoms.

use crate::model::Kind;
use crate::sync::member::{Ino, Watched};
use fuser::{FileAttr, FileType, INodeNo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Set in the numbers of phantoms; a mount never has so many nodes.
const PHANTOM: u64 = 1 << 62;
/// Set in the numbers of phantoms that are directories.
const DIRECTORY: u64 = 1;

pub fn is_phantom(number: u64) -> bool {
    number & PHANTOM != 0
}

/// An inode as the repeater is to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    pub number: u64,
    pub kind: Kind,
}

/// Gives phantoms numbers.
pub struct Phantoms(AtomicU64);

impl Phantoms {
    /// Begins with a number that no phantom of an earlier daemon on the same mount can have.
    pub fn new() -> Phantoms {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or_default();
        Phantoms(AtomicU64::new((micros << 1) % PHANTOM))
    }

    /// A new one: a directory, or a file.
    pub fn next(&self, kind: Kind) -> Figure {
        let number = self.0.fetch_add(2, Ordering::Relaxed) & !DIRECTORY | PHANTOM;
        match kind {
            Kind::Directory => Figure { number: number | DIRECTORY, kind },
            _ => Figure { number, kind: Kind::File },
        }
    }

    /// The inode itself if it is watched, else a phantom in its place.
    pub fn stand_in(&self, subject: &Watched, is_watched: impl Fn(Ino) -> bool) -> Figure {
        match subject.ino.filter(|ino| is_watched(*ino)) {
            Some(ino) => Figure { number: ino.0, kind: subject.kind },
            None => self.next(subject.kind),
        }
    }
}

impl Figure {
    pub fn is_phantom(self) -> bool {
        is_phantom(self.number)
    }

    /// What is told of an inode that is no more, or of a phantom.
    pub fn attributes(self) -> FileAttr {
        let (kind, perm, nlink) = match self.kind {
            Kind::Directory => (FileType::Directory, 0o700, 2),
            Kind::Symlink => (FileType::Symlink, 0o777, 1),
            Kind::File | Kind::Special => (FileType::RegularFile, 0o600, 1),
        };
        FileAttr {
            ino: INodeNo(self.number),
            size: 0,
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    /// The phantom of a number; None where it is none.
    pub fn of_number(number: u64) -> Option<Figure> {
        let kind = if number & DIRECTORY != 0 { Kind::Directory } else { Kind::File };
        is_phantom(number).then_some(Figure { number, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;

    #[test]
    fn a_phantom_is_known_by_its_number_and_no_node_has_one() {
        let phantoms = Phantoms::new();
        for kind in [Kind::File, Kind::Directory, Kind::Directory, Kind::File] {
            let figure = phantoms.next(kind);
            assert_eq!(Figure::of_number(figure.number), Some(figure));
        }
        assert_ne!(phantoms.next(Kind::File), phantoms.next(Kind::File));
        assert_eq!(Figure::of_number(7), None);
    }

    #[test]
    fn only_what_is_watched_stands_for_itself() {
        let phantoms = Phantoms::new();
        let subject = Watched { node: NodeId::ROOT, ino: Some(Ino(7)), kind: Kind::Symlink };
        assert_eq!(
            phantoms.stand_in(&subject, |ino| ino == Ino(7)),
            Figure { number: 7, kind: Kind::Symlink }
        );
        assert!(is_phantom(phantoms.stand_in(&subject, |_| false).number));
    }
}
