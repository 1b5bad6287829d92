//! What a look at a space has found, as it is told.

use crate::model::{ChunkId, NodeId, Sequence, SpaceName, Version};
use crate::sync::hub::{DerivedRow, Difference, DifferenceKind, LogFault, QuotaFault};
use crate::wire::Row;
use serde::{Deserialize, Serialize};

/// Findings that are listed; the rest is counted.
const FINDINGS_MAX: usize = 10_000;

/// What was looked at in one space, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    pub space: SpaceName,
    /// Log entries.
    pub entries: u64,
    /// Versions whose content has to be there.
    pub versions: u64,
    pub chunks: u64,
    /// Of content, as its files have it.
    pub bytes: u64,
    pub findings: Vec<Finding>,
    /// Findings that are not listed; none of them is repaired.
    pub unlisted: u64,
}

/// One thing that is not as it should be, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub what: String,
    pub sequence: Option<Sequence>,
    pub node: Option<NodeId>,
    pub path: Option<Vec<u8>>,
    pub version: Option<Version>,
    pub chunk: Option<ChunkId>,
    /// A member has brought what was missing or damaged.
    pub repaired: bool,
}

/// A chunk that a content lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lack {
    pub node: NodeId,
    pub version: Version,
    pub chunk: ChunkId,
    pub path: Vec<u8>,
    /// It is kept, but not as what it was.
    pub damaged: bool,
}

impl VerifyReport {
    pub(super) fn new(space: SpaceName) -> VerifyReport {
        VerifyReport { space, entries: 0, versions: 0, chunks: 0, bytes: 0, findings: vec![], unlisted: 0 }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        tracing::error!(space = %self.space, what = finding.what, chunk = ?finding.chunk, repaired = finding.repaired, "found");
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else if !finding.repaired {
            self.unlisted += 1;
        }
    }

    /// Findings that nobody has repaired.
    pub fn left(&self) -> u64 {
        self.findings.iter().filter(|finding| !finding.repaired).count() as u64 + self.unlisted
    }
}

impl Finding {
    pub(super) fn of_log(sequence: Sequence, fault: &LogFault) -> Finding {
        Finding { what: fault.to_string(), sequence: Some(sequence), ..Finding::default() }
    }

    pub(super) fn of_quota(fault: &QuotaFault) -> Finding {
        Finding { what: fault.to_string(), ..Finding::default() }
    }

    pub(super) fn of_row(difference: &Difference) -> Finding {
        let (row, node, sequence) = match &difference.row {
            DerivedRow::Line(node, sequence) => ("a line of history", Some(*node), Some(*sequence)),
            DerivedRow::Path(node, sequence) => ("a path of history", Some(*node), Some(*sequence)),
            DerivedRow::Unknown => ("a row", None, None),
            DerivedRow::Tree(row) => {
                let (row, node) = tree_row(row);
                (row, Some(node), None)
            }
        };
        let what = match difference.kind {
            DifferenceKind::Missing => format!("{row} is missing that the log makes"),
            DifferenceKind::Surplus => format!("{row} is there that the log does not make"),
            DifferenceKind::Other => format!("{row} is other than the log makes it"),
        };
        Finding { what, node, sequence, ..Finding::default() }
    }

    pub(super) fn of_chunk(lack: Lack, repaired: bool) -> Finding {
        let Lack { node, version, chunk, path, damaged } = lack;
        let what = if damaged { "a chunk is damaged" } else { "a chunk is missing" }.to_owned();
        let (node, path, version, chunk) = (Some(node), Some(path), Some(version), Some(chunk));
        Finding { what, sequence: None, node, path, version, chunk, repaired }
    }
}

fn tree_row(row: &Row) -> (&'static str, NodeId) {
    match row {
        Row::Node(node) => ("a node's row", *node),
        Row::Tombstone(node) => ("a tombstone", *node),
        Row::Name(place) => ("a name in this directory", place.parent),
        Row::Place(node, _) => ("a name of this node", *node),
        Row::Conflict(node, _) => ("a conflict", *node),
        Row::Copy(node) => ("the mark of a conflict copy", *node),
        Row::Subdirectories(node) => ("the count of subdirectories", *node),
    }
}
