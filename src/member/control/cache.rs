//! What command line and daemon say to each other about contents that are here or not.

use super::ControlPath;
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// What is to be done with contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheRequest {
    Pin {
        paths: Vec<ControlPath>,
    },
    Unpin {
        paths: Vec<ControlPath>,
    },
    /// What is pinned.
    Pins,
    Evict {
        paths: Vec<ControlPath>,
    },
    /// Answered once all has come, or the time is over, with progress before.
    Prefetch {
        paths: Vec<ControlPath>,
        timeout_seconds: u64,
    },
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheReport {
    /// Files that it was done with, each name counted.
    pub files: u64,
    pub bytes: u64,
    /// Contents that were to come and have not, in files and bytes.
    pub missing: u64,
    pub missing_bytes: u64,
    /// Files that stay as they are, by the reason.
    pub kept: Vec<Kept>,
    /// Everything with a pin of its own.
    pub pins: Vec<ControlPath>,
    /// Why something has not come.
    pub reason: Option<String>,
}

/// Files that stay on this machine, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub why: KeptBecause,
    pub files: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptBecause {
    Absent,
    Ignored,
    NotSent,
    Open,
    Pinned,
}

impl KeptBecause {
    /// For people, as in "3 files stay: not sent yet".
    pub fn text(self) -> &'static str {
        match self {
            KeptBecause::Absent => "not here anyway",
            KeptBecause::Ignored => "ignored, so on this machine alone",
            KeptBecause::NotSent => "not sent yet",
            KeptBecause::Open => "open",
            KeptBecause::Pinned => "pinned",
        }
    }
}

/// How a mount stands with its contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentStanding {
    /// Content is fetched when it is read, not as it comes.
    pub lazy: bool,
    /// What is here of all contents.
    pub files: u64,
    pub bytes: u64,
    /// How many bytes may be here.
    pub limit: Option<u64>,
    pub pins: Vec<ControlPath>,
    /// The latest files that could not be read because their content is not here.
    pub unread: Vec<UnreadFile>,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadFile {
    pub path: ControlPath,
    pub time: Timestamp,
    pub reason: String,
}
