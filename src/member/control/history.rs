//! What command line and daemon say to each other about history.

use super::messages::ControlPath;
use crate::model::{MemberName, NodeId, Sequence, Timestamp, Version};
use crate::ops::Merged;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asked of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryRequest {
    /// The history of a node, of a path or, with an empty path, of the space; newest first. Answered by
    /// [`super::ControlResponse::Holder`] and [`super::ControlResponse::Log`] as often as needed, then
    /// [`super::ControlResponse::Done`].
    Log {
        /// From the mount's root, without a slash before it.
        path: ControlPath,
        /// This node's alone, wherever it stood.
        node: Option<NodeId>,
        /// Not more than so many lines.
        limit: Option<u64>,
    },
    /// What becomes of a path and all below it, in order and as it comes; answered by [`super::ControlResponse::Log`]
    /// until the asker goes or the mount ends.
    Follow {
        path: ControlPath,
        /// Begins with the last so many lines that there are.
        last: u64,
    },
    /// One content. Answered by [`super::ControlResponse::Content`], which comes with a file, then
    /// [`super::ControlResponse::Done`].
    Content { path: ControlPath, which: Which },
}

/// Which version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    Version(VersionName),
    /// What was there then.
    At(Moment),
    Newest,
}

/// A version as people name it: `N` of the file that has the path, `NODE:N` of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionName {
    pub node: Option<NodeId>,
    pub version: Version,
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.node {
            Some(node) => write!(f, "{node}:{}", self.version.0),
            None => write!(f, "{}", self.version.0),
        }
    }
}

/// A point of a space's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    Sequence(Sequence),
    /// After the last commit that the hub had accepted by then.
    Time(Timestamp),
}

/// A node whose lines follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderReport {
    pub node: NodeId,
    /// Its last change under the name; None while it has it.
    pub until: Option<Sequence>,
    /// What took over its content, where it vanished in a save.
    pub successor: Option<VersionName>,
}

/// One entry of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub sequence: Sequence,
    pub node: NodeId,
    pub member: MemberName,
    /// The hub's clock at acceptance.
    pub time: Timestamp,
    /// In one word: added, updated, deleted, merged, restored, renamed, linked, attributes.
    pub op: String,
    pub path: ControlPath,
    /// Where it was before, where the op moved it.
    pub from: Option<ControlPath>,
    pub version: Option<u64>,
    /// The tag of the content, `0` for a tombstone, None where the op has no content.
    pub md5: Option<String>,
    /// Bytes of content.
    pub size: Option<u64>,
    /// What went in, for a merge.
    pub merged: Option<Merged>,
    /// What was brought back, for a restored version.
    pub restored: Option<VersionName>,
}

/// The content that comes along as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentReport {
    pub node: NodeId,
    pub version: Version,
    pub sequence: Sequence,
    /// Where it stood then.
    pub path: ControlPath,
    /// The version is the file's deletion; there is no content, and the file that comes along is empty.
    pub deleted: bool,
    /// Bytes.
    pub length: u64,
    pub md5: String,
}
