//! Backing files: one for each materialized content.
//!
//! Invariant: a file stands under `content/DIRECTORY/INO.GENERATION` only while complete or being written by its owner;
//! what is assembled from elsewhere comes there by rename. No descriptor is kept: who opens a file closes it.
//! Which of them are needed is written in rows; a file that no row names is a leftover of a crash.
//!
//! Files that are made one after the other stand in one directory, a few dozen in each: a file system finds and makes a
//! name faster the fewer there are beside it.

use super::directory::make_private;
use super::own_mount::reach;
use super::{Staging, StoreError, sparse};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, mkdirat, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directories in the state directory.
const CONTENT: &str = "content";
pub(super) const STAGING: &str = "staging";

/// Inodes in a row with one directory, and how many directories there are before the first gets more, as powers of two.
const INODES_IN_ROW_BITS: u32 = 6;
const DIRECTORIES_BITS: u32 = 12;

/// Which backing file: an inode, and which of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backing {
    pub ino: u64,
    pub generation: u64,
}

impl Backing {
    /// Where it is in the state directory.
    fn place(self) -> String {
        let directory = (self.ino >> INODES_IN_ROW_BITS) & ((1 << DIRECTORIES_BITS) - 1);
        format!("{CONTENT}/{directory:03x}/{}", self.name())
    }

    /// Where earlier versions have put it: in a directory by the last two digits of the inode. It stays there.
    fn earlier_place(self) -> String {
        format!("{CONTENT}/{:02x}/{}", self.ino & 0xff, self.name())
    }

    fn name(self) -> String {
        format!("{:x}.{}", self.ino, self.generation)
    }

    /// The inverse of [`Backing::name`]; none for what it never makes.
    fn from_name(name: &str) -> Option<Backing> {
        let (ino, generation) = name.split_once('.')?;
        let backing =
            Backing { ino: u64::from_str_radix(ino, 16).ok()?, generation: generation.parse().ok()? };
        (backing.name() == name).then_some(backing)
    }
}

/// The directories of backing files, and what is assembled beside them.
#[derive(Clone, Debug)]
pub struct BackingFiles {
    state: PathBuf,
    /// The state directory, from which every file is reached.
    at: Arc<OwnedFd>,
}

impl BackingFiles {
    /// Opens or makes both directories in a state directory; they must be on one file system. Removes what an earlier
    /// process left in `staging`.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn open(state: &Path) -> Result<BackingFiles, StoreError> {
        make_private(&state.join(CONTENT))?;
        make_private(&state.join(STAGING))?;
        let at = reach(state, &[CONTENT, STAGING]).map_err(StoreError::io("open", state))?;
        let files = BackingFiles { state: state.to_owned(), at: Arc::new(at) };
        files.clear_staging()?;
        Ok(files)
    }

    /// The directories with names of so many digits.
    fn directories(&self, digits: usize) -> Result<Vec<PathBuf>, StoreError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_ours = |name: &String| name.len() == digits && name.bytes().all(is_digit);
        let content = self.state.join(CONTENT);
        let names = names_in(&content)?.into_iter().filter(is_ours);
        Ok(names.map(|name| content.join(name)).collect())
    }

    /// Where a backing file is, or would be.
    pub fn path(&self, backing: Backing) -> PathBuf {
        self.state.join(backing.place())
    }

    /// Makes an empty file, open to read and write.
    ///
    /// # Errors
    /// EEXIST where there is one, and others from the kernel.
    pub fn create(&self, ino: u64, generation: u64) -> Result<File, StoreError> {
        self.make(&Backing { ino, generation }.place())
    }

    /// # Errors
    /// ENOENT where there is none, and others from the kernel.
    pub fn open_read(&self, ino: u64, generation: u64) -> Result<File, StoreError> {
        self.open_existing(Backing { ino, generation }, OFlags::RDONLY)
    }

    /// Opens to read and write.
    ///
    /// # Errors
    /// ENOENT where there is none, and others from the kernel.
    pub fn open_write(&self, ino: u64, generation: u64) -> Result<File, StoreError> {
        self.open_existing(Backing { ino, generation }, OFlags::RDWR)
    }

    fn open_existing(&self, backing: Backing, flags: OFlags) -> Result<File, StoreError> {
        let place = backing.place();
        let opened = self.open_unnoted(&place, flags).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => self.open_unnoted(&backing.earlier_place(), flags),
            _ => Err(error),
        });
        opened.map_err(|error| self.failed("open", &place, error))
    }

    /// Opens a file whose access time means nothing: reading it leaves its inode as it is, where the file is this
    /// user's.
    fn open_unnoted(&self, place: &str, flags: OFlags) -> io::Result<File> {
        match open_in(&self.at, place, flags | OFlags::NOATIME) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => open_in(&self.at, place, flags),
            opened => opened,
        }
    }

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn remove(&self, ino: u64, generation: u64) -> Result<(), StoreError> {
        let backing = Backing { ino, generation };
        match self.remove_at(&backing.place())? {
            true => Ok(()),
            false => self.remove_at(&backing.earlier_place()).map(drop),
        }
    }

    /// Makes `to` hold what `from` holds, sharing extents where the file system can. It appears complete or not
    /// at all; `from` must not be written meanwhile.
    ///
    /// # Errors
    /// EEXIST where `to` is there already, and others from the kernel.
    pub fn copy(&self, from: Backing, to: Backing) -> Result<(), StoreError> {
        let source = self.open_read(from.ino, from.generation)?;
        let staging = self.stage()?;
        sparse::copy(&source, staging.file()).map_err(StoreError::io("copy", &self.path(from)))?;
        staging.commit(to.ino, to.generation)
    }

    /// Makes a file survive the loss of power: its bytes, its length and its name.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel; what the device holds is not known then.
    pub fn sync(&self, ino: u64, generation: u64) -> Result<(), StoreError> {
        let backing = Backing { ino, generation };
        let path = self.path(backing);
        let file = self.open_read(ino, generation)?;
        file.sync_all().map_err(StoreError::io("sync", &path))?;
        let path = if path.exists() { path } else { self.state.join(backing.earlier_place()) };
        sync_directory(path.parent().expect("a path of ours has a directory"))
    }

    /// A new file to be assembled beside the others.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn stage(&self) -> Result<Staging, StoreError> {
        Staging::new(self)
    }

    /// Makes an empty file, open to read and write, and its directory if that is missing.
    pub(super) fn make(&self, place: &str) -> Result<File, StoreError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOATIME;
        self.in_directory_of(place, || open_in(&self.at, place, flags))
            .map_err(|error| self.failed("make", place, error))
    }

    /// Gives a staged file its place; never replaces one.
    pub(super) fn place(&self, staged: &str, backing: Backing) -> Result<(), StoreError> {
        let place = backing.place();
        self.in_directory_of(&place, || rename_new(&self.at, staged, &place))
            .map_err(|error| self.failed("put in place", &place, error))
    }

    /// Tells whether it was there.
    pub(super) fn remove_at(&self, place: &str) -> Result<bool, StoreError> {
        match unlinkat(&*self.at, place, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            result => result.map(|()| true).map_err(|error| self.failed("remove", place, error)),
        }
    }

    /// Does something to a place, and again after making its directory if that was missing.
    fn in_directory_of<T>(&self, place: &str, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (directory, _) = place.rsplit_once('/').expect("a place of ours has a directory");
                match mkdirat(&*self.at, directory, Mode::RWXU) {
                    Err(error) if error != Errno::EXIST => Err(error.into()),
                    _ => act(),
                }
            }
            result => result,
        }
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        place: &str,
        error: impl Into<io::Error>,
    ) -> StoreError {
        StoreError::io(action, &self.state.join(place))(error)
    }

    /// Every backing file there is, in no order, for removing those that no row names. Names of other shapes are
    /// passed over: they are not ours to remove.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel, as an item.
    pub fn list(&self) -> impl Iterator<Item = Result<Backing, StoreError>> + use<> {
        let all = self.directories(3).and_then(|ours| Ok([ours, self.directories(2)?].concat()));
        let (directories, failed) = match all {
            Ok(directories) => (directories, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        let listed = directories.into_iter().flat_map(|directory| match backings_in(&directory) {
            Ok(backings) => backings.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        failed.into_iter().chain(listed)
    }

    fn clear_staging(&self) -> Result<(), StoreError> {
        let left = names_in(&self.state.join(STAGING))?;
        left.iter().try_for_each(|name| self.remove_at(&format!("{STAGING}/{name}")).map(drop))
    }
}

/// The backing files in a directory, none where it is none.
fn backings_in(directory: &Path) -> Result<Vec<Backing>, StoreError> {
    Ok(names_in(directory)?.iter().filter_map(|name| Backing::from_name(name)).collect())
}

/// Names in a directory, none where there is none.
fn names_in(directory: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(StoreError::io("list", directory))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(StoreError::io("list", directory))
}

pub(super) fn open_at(path: &Path, flags: OFlags) -> io::Result<File> {
    open_in(CWD, path, flags)
}

fn open_in(at: impl AsFd, path: impl rustix::path::Arg, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::from_raw_mode(0o600))?.into())
}

/// Tells whether it was there.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|()| true).map_err(StoreError::io("remove", path)),
    }
}

/// Renames where nothing has the new name. Not every file system can do both in one step; there a link does.
fn rename_new(at: impl AsFd, from: &str, to: &str) -> io::Result<()> {
    match renameat_with(&at, from, &at, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(&at, from, &at, to, AtFlags::empty())?;
            Ok(unlinkat(&at, from, AtFlags::empty())?)
        }
        result => Ok(result?),
    }
}

/// Makes the names in a directory survive the loss of power.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory =
        open_at(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(StoreError::io("open", path))?;
    directory.sync_all().map_err(StoreError::io("sync", path))
}
