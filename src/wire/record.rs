//! Records of the op log and of the journal.

use super::encode;
use crate::model::{Chain, CommitNumber, Digest, MemberNumber, Round, Sequence, Timestamp};
use crate::ops::Op;
use serde::{Deserialize, Serialize};

/// Ops applied together, all or none, as their author sealed them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub number: CommitNumber,
    pub ops: Vec<Op>,
}

/// A commit in its author's journal: durable before it is sent, never changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCommit {
    pub round: Round,
    pub commit: Commit,
}

/// A commit as stored in the op log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    pub sequence: Sequence,
    pub member: MemberNumber,
    pub number: CommitNumber,
    /// The hub's clock at acceptance.
    pub time: Timestamp,
    pub ops: Vec<Op>,
    /// Over this entry and its predecessor's chain value.
    pub chain: Chain,
}

/// What tells two commits of one number apart.
pub fn commit_digest(commit: &Commit) -> Digest {
    Digest(*blake3::hash(&encode(commit)).as_bytes())
}

/// The chain value of an entry that follows `previous` (all zeros before the first).
pub fn chain_next(
    previous: Chain,
    sequence: Sequence,
    member: MemberNumber,
    number: CommitNumber,
    time: Timestamp,
    ops: &[Op],
) -> Chain {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&previous.0);
    hasher.update(&encode(&(sequence, member, number, time, ops)));
    Chain(*hasher.finalize().as_bytes())
}
