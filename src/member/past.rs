//! The log as it is asked for, and past trees built of it in a scratch directory.
//!
//! Invariant: scratch directories are inside the state directory, one for each tree, gone with it; what a crash left
//! goes at the next start. A tree is built page by page, so memory does not grow with the log.

use super::content::ContentError;
use super::control::{ControlResponse, Moment};
use super::shared::Shared;
use crate::model::{NodeId, Sequence, Version};
use crate::store::{RocksStore, StoreError, StoreRole};
use crate::sync::WriteError;
use crate::sync::member::LocalError;
use crate::sync::past::{PastError, PastTree};
use crate::vfs::VfsError;
use crate::wire::{ContentRequest, LOG_ENTRIES_MAX, LogEntry, LogPage};
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The hub has this long for each answer.
const HUB_PATIENCE: Duration = Duration::from_secs(20);
const SCRATCH: &str = "scratch";

/// Why the past cannot be had, or brought back.
#[derive(Debug, thiserror::Error)]
pub enum PastFailure {
    #[error("the hub cannot be asked: {0}")]
    Offline(#[from] ContentError),
    #[error("the space began after that time")]
    TooEarly,
    #[error("nothing is in the space yet")]
    Empty,
    #[error("there is no sequence {wanted} yet; the last one is {head}")]
    TooLate { wanted: Sequence, head: Sequence },
    #[error("work of this mount is not accepted yet, and the hub has to have all of it first")]
    NotSent,
    #[error("no version {} of {of} is known", version.0)]
    NoVersion { of: String, version: Version },
    #[error("version {} of {of} has no content: it is a deletion", version.0)]
    Deletion { of: String, version: Version },
    #[error("{0} never was a file here")]
    NoFile(String),
    #[error("{0} is a directory now")]
    Directory(String),
    #[error("the directory of {0} is not there")]
    NoParent(String),
    #[error("{path} is not restored: {refusal}")]
    Refused { path: String, refusal: crate::sync::past::Refusal },
    #[error("no member of this space is called {0}")]
    NoMember(crate::model::MemberName),
    #[error("there is no directory {}", .0.as_path().display())]
    NoDirectory(super::control::ControlPath),
    #[error("the log cannot be read: {0}")]
    Log(#[from] PastError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Scratch(#[from] io::Error),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error("what is written here cannot be captured: {0}")]
    Capture(#[from] VfsError),
}

impl PastFailure {
    pub(super) fn into_response(self) -> ControlResponse {
        let message = self.to_string();
        let hint = self.hint().map(str::to_owned);
        match self {
            PastFailure::Offline(_) | PastFailure::NotSent => ControlResponse::Unreachable { message },
            PastFailure::Refused { .. } | PastFailure::Local(LocalError::ReadOnly) => {
                ControlResponse::Refused { message, hint }
            }
            _ => ControlResponse::Failed { message, hint },
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        use crate::sync::past::Refusal;
        Some(match self {
            PastFailure::TooEarly => "fl0wfs log DIR shows what there is, the oldest last",
            PastFailure::TooLate { .. } => "fl0wfs status DIR shows the sequence; times can be given as well",
            PastFailure::NoVersion { .. } | PastFailure::Deletion { .. } | PastFailure::NoFile(_) => {
                "fl0wfs log PATH lists the versions"
            }
            PastFailure::Directory(_) => "--version is for files; restore a directory with --at",
            PastFailure::NoParent(_) => {
                "restore it with --at, which brings back the directories above as well"
            }
            PastFailure::NoMember(_) => "fl0wfs log DIR shows who did what",
            PastFailure::Refused { refusal: Refusal::NotEmpty, .. } => {
                "--missing brings back what is missing and leaves the rest; --force makes all of it what it was"
            }
            PastFailure::Refused { refusal: Refusal::NothingThere, .. } => {
                "fl0wfs log PATH shows when it was there"
            }
            PastFailure::Refused { .. } => "move away what is there, then try again",
            _ => return None,
        })
    }
}

/// Somebody who asks the hub.
pub trait Ask {
    /// # Errors
    /// [`ContentError`] where there is no answer.
    fn ask<T: DeserializeOwned>(&self, request: &ContentRequest) -> Result<T, ContentError>;
}

impl Ask for Shared {
    fn ask<T: DeserializeOwned>(&self, request: &ContentRequest) -> Result<T, ContentError> {
        self.ask_hub(request, HUB_PATIENCE)
    }
}

/// The sequence of a moment.
///
/// # Errors
/// [`PastFailure::TooEarly`], [`PastFailure::TooLate`], [`PastFailure::Empty`], [`PastFailure::Offline`].
pub fn locate(asker: &impl Ask, moment: Moment) -> Result<Sequence, PastFailure> {
    let head: Option<Sequence> = match moment {
        Moment::Time(time) => {
            let found: Option<Sequence> = asker.ask(&ContentRequest::SequenceAt(time))?;
            return found.ok_or(PastFailure::TooEarly);
        }
        // The end of time is after everything.
        Moment::Sequence(_) => {
            asker.ask(&ContentRequest::SequenceAt(crate::model::Timestamp { seconds: i64::MAX, nanos: 0 }))?
        }
    };
    match (moment, head) {
        (_, None) => Err(PastFailure::Empty),
        (Moment::Sequence(wanted), Some(head)) if wanted > head => Err(PastFailure::TooLate { wanted, head }),
        (Moment::Sequence(wanted), Some(_)) => Ok(wanted),
        (Moment::Time(_), Some(_)) => Err(PastFailure::TooEarly),
    }
}

/// Reads the entries after `after`, up to `until` or to the log's end, and gives them to `take` page by page.
///
/// # Errors
/// [`PastFailure`], that of `take` among them.
pub fn read_log(
    asker: &impl Ask,
    (mut after, until): (Option<Sequence>, Option<Sequence>),
    mut take: impl FnMut(&[LogEntry]) -> Result<(), PastFailure>,
) -> Result<(), PastFailure> {
    while until.is_none() || after < until {
        let page: LogPage = asker.ask(&ContentRequest::Log { after, limit: LOG_ENTRIES_MAX })?;
        let wanted = page.entries.iter().take_while(|entry| until.is_none_or(|last| entry.sequence <= last));
        let count = wanted.count();
        take(&page.entries[..count])?;
        after = page.entries.last().map(|entry| entry.sequence).or(after);
        if !page.more {
            break;
        }
    }
    Ok(())
}

/// A directory of one past tree.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in a state directory.
    ///
    /// # Errors
    /// Those of `mkdir(2)`.
    pub fn new(state: &Path) -> io::Result<Scratch> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = state.join(SCRATCH).join(NEXT.fetch_add(1, Ordering::SeqCst).to_string());
        fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }

    /// Removes what a crash left.
    pub fn clear(state: &Path) {
        remove(&state.join(SCRATCH));
    }

    /// A past tree in which nothing has happened yet.
    ///
    /// # Errors
    /// [`PastFailure::Store`], [`PastFailure::Write`].
    pub fn tree(&self) -> Result<PastTree<RocksStore>, PastFailure> {
        let store = RocksStore::open(&self.0.join("db"), StoreRole::Member)?;
        Ok(PastTree::new(store)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "scratch files could not be removed; the next start tries again");
        }
        _ => {}
    }
}

/// A file named by its path, or by its node.
pub fn name_of(node: NodeId, path: &super::control::ControlPath) -> String {
    match path.0.is_empty() {
        true => node.to_string(),
        false => path.as_path().display().to_string(),
    }
}
