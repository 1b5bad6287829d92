//! What command line and daemon say to each other about bringing back what was.

use super::{ControlPath, Moment, VersionName};
use crate::model::{MemberName, Sequence};
use crate::sync::past::Action;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is to be as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    pub path: ControlPath,
    pub to: RestoreTo,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreTo {
    /// One version of a file: of the one at the path, or of a node that is named.
    Version(VersionName),
    /// The path as it was.
    Moment { at: Moment, existing: Option<Existing> },
}

/// What becomes of a directory that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// It stays, and what is missing comes back.
    Keep,
    /// It becomes what it was.
    Replace,
}

/// Whose work since when is to be undone, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRequest {
    /// The root or a directory below which all of it is.
    pub directory: ControlPath,
    pub member: MemberName,
    pub since: Moment,
    pub dry_run: bool,
}

/// One thing that is done, or left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastLine {
    pub path: ControlPath,
    pub from: Option<ControlPath>,
    /// None where it is left.
    pub action: Option<Action>,
    /// Why it is left.
    pub left: Option<String>,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastReport {
    /// The sequence that things are again as they were at.
    pub to: Option<Sequence>,
    pub done: BTreeMap<Action, u64>,
    /// Names that are left as they are, or that could not be served.
    pub left: u64,
    /// The last sequence before this, from which it can be undone.
    pub before: Option<Sequence>,
    /// This member, as others see it.
    pub member: Option<MemberName>,
    /// The hub has accepted all of it.
    pub accepted: bool,
}
