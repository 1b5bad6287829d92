//! Messages between member and hub. Each is one frame: a `u32` length, little-endian, and the encoded message.
//!
//! The control stream is the first bidirectional stream of a connection. The member opens it with an
//! [`Opening`]; after a [`Welcome`] it carries [`FromMember`] one way and [`FromHub`] the other. Content
//! travels on bidirectional streams of its own, one request each: a [`ContentRequest`] frame, then one
//! frame per chunk (for uploads from the member, for downloads from the hub), then a [`ContentReply`].

use super::{HistoryOf, LogEntry, OpPlace, SealedCommit};
use crate::model::{
    Chain, ChunkId, CommitNumber, Digest, Incarnation, MemberName, MemberNumber, NodeId, Quota, Role, Round,
    Sequence, SpaceId, SpaceName, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

/// The first message of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    Enrol(Enrol),
    Hello(Hello),
    Visit(Visit),
}

/// Redeems an invite: the connection's key becomes a device of the space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// [`super::WIRE_FORMAT`].
    pub format: u16,
    pub space: SpaceName,
    pub token: Vec<u8>,
    /// The member name wished for; the hub appends a number where it is taken.
    pub name: MemberName,
}

/// Where a member stands in the op log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub sequence: Sequence,
    pub chain: Chain,
}

/// Opens a session for an enrolled device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`super::WIRE_FORMAT`].
    pub format: u16,
    pub space: SpaceName,
    /// The name wished for, should this be the state directory's first hello.
    pub name: MemberName,
    /// What the state directory knows of itself; None at its first hello.
    pub member: Option<(SpaceId, MemberNumber, Incarnation)>,
    /// None where nothing is applied yet.
    pub position: Option<Position>,
    /// The tree is wanted whole, even where that position is on the hub's log.
    pub whole: bool,
    /// The commit that waits for an answer, or that a welcome before said was taken while its snapshot has not come: by the
    /// number of the member that sealed it, its own, and [`super::commit_digest`].
    pub sealed: Option<(MemberNumber, CommitNumber, Digest)>,
}

/// Opens a conversation of an enrolled device that becomes no member by it: after a [`FromHub::Visited`] it reads by
/// content streams, and neither side says anything more on the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// [`super::WIRE_FORMAT`].
    pub format: u16,
    pub space: SpaceName,
}

/// The hub's answer to a [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub space: SpaceId,
    pub member: MemberNumber,
    pub name: MemberName,
    /// The secret to show at the next hello.
    pub incarnation: Incarnation,
    pub role: Role,
    /// The highest commit number accepted from this member; nothing sent earlier will be accepted any more.
    pub accepted: CommitNumber,
    /// The commit that the hello names is in the log.
    pub has_sealed: bool,
    /// The last sequence of the log.
    pub head: Option<Sequence>,
    pub start: Start,
}

/// How the member gets from its position to the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// The entries after its position follow.
    Tail,
    /// Rows follow, then the entries after `position`.
    Snapshot {
        position: Option<Position>,
        /// The position that the member stated is not on the hub's log: it has what the hub has lost.
        departs: bool,
    },
}

/// Content that rides along with what needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inline {
    pub chunk: ChunkId,
    pub bytes: Vec<u8>,
}

/// Control messages of a member after its welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromMember {
    Commit {
        commit: SealedCommit,
        inline: Vec<Inline>,
    },
    /// Answered by [`FromHub::Barrier`] after everything the hub had when it came.
    Barrier {
        id: u64,
    },
    /// States how far the member has come, for `hub members`.
    Applied {
        sequence: Sequence,
    },
    /// Answers [`FromHub::Wanted`] when what there is has been uploaded.
    Looked {
        id: u64,
    },
}

/// Control messages of the hub after its welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromHub {
    Welcome(Welcome),
    /// The hub will not talk to this device, or not any more.
    Refused {
        reason: RefuseReason,
        detail: String,
    },
    /// Rows of a snapshot: key and value, as [`super::RowKey`] makes them.
    SnapshotRows(Vec<(Vec<u8>, Vec<u8>)>),
    SnapshotEnd,
    /// Another member's commit, or one of this member's own after a reconnection.
    Entry {
        entry: LogEntry,
        inline: Vec<Inline>,
    },
    Answer {
        number: CommitNumber,
        answer: Answer,
    },
    Barrier {
        id: u64,
        head: Option<Sequence>,
    },
    /// The member's name in this space and its role, where they changed.
    Role(Role),
    /// Answers [`Opening::Enrol`].
    Enrolled {
        name: MemberName,
        role: Role,
        space: SpaceId,
    },
    /// Names of the space's members, all after a welcome and then each newcomer's.
    Members(Vec<(MemberNumber, MemberName)>),
    /// Answers [`Opening::Visit`].
    Visited {
        space: SpaceId,
        /// The last sequence of the log.
        head: Option<Sequence>,
    },
    /// The hub has lost these chunks of contents that the nodes have or had; whoever can brings them.
    Wanted {
        id: u64,
        wanted: Vec<(NodeId, Vec<ChunkId>)>,
    },
    /// What was held may be sent again.
    TryAgain,
    /// The space's quota, None where it has none: after a welcome, and whenever limit or use change.
    Quota(Option<Quota>),
}

/// The hub's answer to a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Accept {
        sequence: Sequence,
        time: Timestamp,
        chain: Chain,
    },
    /// Stale: rebase, and come again with this round or a higher one; the hub drops commits of lower rounds.
    Reject {
        round: Round,
        detail: String,
    },
    /// Upload these, then send the same commit again.
    Missing {
        chunks: Vec<ChunkId>,
    },
    /// Keep it and try again later.
    Wait {
        reason: String,
    },
    /// Never, as things stand. `op` is the index of the one at fault, where a single one is.
    Refuse {
        op: Option<u32>,
        reason: String,
    },
    /// The number was accepted with other bytes: this state was copied or restored.
    Forked,
    /// Give up all pending removals, and come again with this round or a higher one.
    GiveUp {
        round: Round,
        reason: String,
    },
    /// Keep it, and send it again after a [`FromHub::TryAgain`] or in another conversation: somebody has to decide.
    Held {
        reason: String,
    },
}

/// Why the hub ends a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefuseReason {
    /// Key unknown here, or no such space: an outsider is not told which.
    Unknown,
    Revoked,
    /// The invite is used up, expired or was never given.
    Invite,
    /// Another [`super::WIRE_FORMAT`].
    Format,
    Malformed,
    /// The space was removed.
    Removed,
    /// The same member connected again; this connection is the older one.
    Replaced,
}

/// The first frame of a content stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentRequest {
    /// The hub answers with one frame per chunk, in order: a [`super::FRAME_BYTES_MAX`]-bounded `Option<Vec<u8>>`.
    Get(Vec<ChunkId>),
    /// As many frames of raw chunk bytes follow.
    Put(Vec<ChunkId>),
    /// The hub answers with one frame, a [`super::HistoryPage`]: lines of ops before `before`, newest first, at most
    /// [`super::HISTORY_RECORDS_MAX`].
    History { of: HistoryOf, before: Option<OpPlace>, limit: u32 },
    /// The hub answers with one frame, a [`super::HistoryPage`]: lines of ops after `after` of the whole space, in
    /// order, at most [`super::HISTORY_RECORDS_MAX`].
    Since { after: Option<OpPlace>, limit: u32 },
    /// The hub answers with one frame, a [`super::HolderPage`]: nodes that stand or stood at a path, the one there now
    /// first; of the others those whose last change there was before `before`.
    Holders { path: Vec<u8>, before: Option<Sequence> },
    /// The hub answers with one frame, a [`super::LogPage`]: entries after a sequence, in order, at most
    /// [`super::LOG_ENTRIES_MAX`].
    Log { after: Option<Sequence>, limit: u32 },
    /// The hub answers with one frame, an `Option<Sequence>`: the last entry that was accepted no later than this.
    SequenceAt(Timestamp),
    /// The hub answers with one frame, an `Option<HistoryRecord>`: the line that made this version of a node, in a
    /// node that took over its content where it vanished into one.
    VersionOf { node: NodeId, version: Version },
}

/// The last frame of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentReply {
    Stored,
    /// The hub has no room; try again later.
    Full,
    /// A chunk's bytes do not hash to its id.
    Damaged(ChunkId),
}
