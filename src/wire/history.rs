//! History as it is asked for: lines of a file's log, newest first, and entries of the whole log, in order.

use super::LogEntry;
use crate::model::{Manifest, MemberName, MemberNumber, NodeId, Sequence, Successor, Timestamp, Version};
use crate::ops::Origin;
use serde::{Deserialize, Serialize};

/// Most lines of one answer.
pub const HISTORY_RECORDS_MAX: u32 = 500;
/// Nodes of one answer, but for those of the last one's sequence.
pub const HOLDERS_MAX: usize = 1_000;
/// Most entries of one answer.
pub const LOG_ENTRIES_MAX: u32 = 1_000;

/// What a history is asked of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryOf {
    /// Names joined by slashes, without one in front: all that stood there, removed files included, and what took over their content.
    Path(Vec<u8>),
    /// A node's own lines; where it vanished into another they end.
    Node(NodeId),
    /// All there is.
    Space,
}

/// What an op did, as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryOperation {
    Made,
    /// New content, by writing or by a save that renames.
    Changed,
    /// New content that joins both sides' changes.
    Merged,
    /// An earlier content, brought back.
    Restored,
    Attributes,
    Linked,
    Renamed,
    Removed,
    /// A conflict that left no copy: the author's op was not done, or something stayed against a removal.
    Conflict,
}

/// Where an op stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpPlace {
    pub sequence: Sequence,
    /// Its index in the commit.
    pub op: u32,
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecord {
    pub at: OpPlace,
    pub node: NodeId,
    pub member: MemberNumber,
    pub name: MemberName,
    /// The hub's clock at acceptance.
    pub time: Timestamp,
    pub operation: HistoryOperation,
    /// Where the node stood then, or the name that was removed.
    pub path: Vec<u8>,
    /// Where it stood before, for a rename.
    pub from: Option<Vec<u8>>,
    /// The content that the op gave the node; None where it left it alone, as a rename does, for what has no content, and
    /// for a removal.
    pub manifest: Option<Manifest>,
    /// The version after the op; that of a removed node where its last name went.
    pub version: Version,
    /// What the content was made of, where nobody wrote it as it is. Versions of a merge are this node's.
    pub came_from: Option<Origin>,
}

/// The answer to [`super::ContentRequest::History`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    pub records: Vec<HistoryRecord>,
    /// Older lines follow: ask again, before the last record's place.
    pub more: bool,
}

/// A node that stood at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub node: NodeId,
    /// Its last change there; None while it is there.
    pub until: Option<Sequence>,
    /// What took over its content, where it vanished into another node.
    pub successor: Option<Successor>,
}

/// The answer to [`super::ContentRequest::Holders`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderPage {
    pub holders: Vec<Holder>,
    /// Earlier ones follow: ask again, before the last one's last change.
    pub more: bool,
}

/// The answer to [`super::ContentRequest::Log`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    pub entries: Vec<LogEntry>,
    /// Later entries follow: ask again, after the last one's sequence.
    pub more: bool,
}

impl HistoryRecord {
    /// The tag as the notation has it: `0` for a removal; None for what brings no content.
    pub fn md5_text(&self) -> Option<String> {
        match self.operation {
            HistoryOperation::Removed => Some("0".to_owned()),
            _ => self.manifest.as_ref().map(|manifest| manifest.md5.to_string()),
        }
    }
}
