//! What command line and daemon say to each other about conflicts.

use super::ControlPath;
use crate::model::{MemberName, Timestamp, Version};
use crate::sync::member::Seen;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An open conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictReport {
    pub path: ControlPath,
    /// Where the losing content is kept, where it is kept beside.
    pub copy: Option<ControlPath>,
    /// Whose work lost.
    pub member: Option<MemberName>,
    /// In one word: put-put, make-make, put-drop, drop-put, move-move, cycle, dropped.
    pub kind: String,
    /// What happened, in a few words.
    pub what: String,
    /// The common version, where there was one.
    pub base: Option<Version>,
    /// The version that kept the name.
    pub remote: Version,
    /// The copy's version.
    pub local: Option<Version>,
    pub time: Timestamp,
    /// The member's content is under the name itself, here alone and unsent: what was accepted is elsewhere.
    pub held: bool,
}

/// What is to be done about the conflicts of these paths; all of it, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveRequest {
    /// Files in conflict, or their copies.
    pub paths: Vec<ControlPath>,
    pub choice: ResolveChoice,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveChoice {
    Ours,
    Theirs,
    Both,
    /// The content of a file that comes along open: nothing that a user may put in its place is followed.
    Merged {
        /// What it is called.
        file: PathBuf,
        /// The contents that it was made of, if it was: they must still be those.
        of: Option<Seen>,
    },
    Revive,
    Delete,
}

impl ResolveChoice {
    /// The option of the command line.
    pub fn option(&self) -> &'static str {
        match self {
            ResolveChoice::Ours => "--ours",
            ResolveChoice::Theirs => "--theirs",
            ResolveChoice::Both => "--both",
            ResolveChoice::Merged { .. } => "--merged",
            ResolveChoice::Revive => "--revive",
            ResolveChoice::Delete => "--delete",
        }
    }
}
