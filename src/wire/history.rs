//! History as a member asks for it: lines of a file's log, newest first.

use crate::model::{Md5Tag, MemberName, MemberNumber, NodeId, Sequence, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// Most lines of one answer.
pub const HISTORY_RECORDS_MAX: u32 = 500;

/// What a history is asked of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryOf {
    /// Names joined by slashes, without one in front: all that stood there, removed files included.
    Path(Vec<u8>),
    Node(NodeId),
}

/// What an op did, as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryOperation {
    Made,
    /// New content, by writing or by a save that renames.
    Changed,
    /// New content that joins both sides' changes.
    Merged,
    Attributes,
    Linked,
    Renamed,
    Removed,
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecord {
    pub sequence: Sequence,
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
    /// The content's tag; None for what has no content, and for a removal.
    pub md5: Option<Md5Tag>,
    /// Bytes of content.
    pub length: u64,
    pub version: Version,
}

/// The answer to [`super::ContentRequest::History`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    pub records: Vec<HistoryRecord>,
    /// Older lines follow: ask again, before the last record's sequence.
    pub more: bool,
}

impl HistoryRecord {
    /// The tag as the notation has it: `0` for a removal; None for what never has content.
    pub fn md5_text(&self) -> Option<String> {
        match self.operation {
            HistoryOperation::Removed => Some("0".to_owned()),
            _ => self.md5.map(|md5| md5.to_string()),
        }
    }
}
