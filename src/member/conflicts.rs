//! Open conflicts of a member, wherever they are noted, and the words for them.
//!
//! Invariant: [`all`] and [`at`] know the same conflicts: those in the tree, which everybody has, and those of contents
//! that are withheld here.

use super::answer::{MemberHandler, path_in};
use super::control::{ConflictReport, ControlPath, ControlResponse, Reply};
use super::shared::MemberReplica;
use crate::model::{Conflict, ConflictKind, Manifest, Name, NodeId};
use crate::ops::{ConflictRow, Tree};
use crate::sync::member::{Question, Subject, Withheld};
use std::io;

/// Conflicts told in one answer.
const CONFLICTS_PER_ANSWER: usize = 500;

impl MemberHandler {
    pub(super) fn conflicts(&self, reply: &mut Reply) -> io::Result<ControlResponse> {
        let conflicts = all(&self.shared.volume().replica());
        for some in conflicts.chunks(CONFLICTS_PER_ANSWER) {
            reply.send(&ControlResponse::Conflicts(some.to_vec()))?;
        }
        Ok(ControlResponse::Done)
    }
}

/// An open conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    Recorded(ConflictRow),
    Withheld(Withheld),
}

impl Open {
    pub fn subject(&self) -> Subject {
        match self {
            Open::Recorded(row) => Subject::Recorded(row.conflict.node, row.conflict.member),
            Open::Withheld(withheld) => Subject::Withheld(withheld.node),
        }
    }

    pub fn question(&self) -> Question {
        match self {
            Open::Recorded(row) => Question::of(row),
            Open::Withheld(_) => Question::Content,
        }
    }

    pub fn conflict(&self) -> &Conflict {
        match self {
            Open::Recorded(row) => &row.conflict,
            Open::Withheld(withheld) => &withheld.conflict,
        }
    }

    /// The node in conflict.
    pub fn node(&self) -> NodeId {
        match self {
            Open::Recorded(row) => row.conflict.node,
            Open::Withheld(withheld) => withheld.node,
        }
    }

    /// The copy that keeps what lost.
    pub fn copy(&self) -> Option<NodeId> {
        match self {
            Open::Recorded(row) => row.copy,
            Open::Withheld(_) => None,
        }
    }

    /// What was accepted, and the work of the member that lost with the node that holds it; none where the conflict is
    /// not about two contents.
    pub fn contents(&self, replica: &MemberReplica) -> Option<(Manifest, (NodeId, Manifest))> {
        let view = replica.view();
        let of = |node| view.node(node).and_then(|row| row.manifest().cloned());
        match self {
            Open::Recorded(row) => Some((of(row.conflict.node)?, (row.copy?, of(row.copy?)?))),
            Open::Withheld(withheld) => {
                Some((withheld.remote.clone()?, (withheld.node, withheld.local.clone())))
            }
        }
    }
}

fn open(replica: &MemberReplica) -> Vec<Open> {
    let recorded = replica.view().conflicts().map(Open::Recorded).collect::<Vec<_>>().into_iter();
    recorded.chain(replica.withheld().into_iter().map(Open::Withheld)).collect()
}

/// All open conflicts.
pub fn all(replica: &MemberReplica) -> Vec<ConflictReport> {
    open(replica).iter().map(|open| report(replica, open)).collect()
}

/// The conflicts that the file at a path has, or is the copy of; None where nothing stands there.
pub fn at(replica: &MemberReplica, path: &ControlPath) -> Option<Vec<Open>> {
    let node = node_at(replica, path)?;
    let view = replica.view();
    let of_copy = view.conflict_of_copy(node).and_then(|(node, member)| view.conflict(node, member));
    let own = view.conflicts_of(node).into_iter().filter_map(|member| view.conflict(node, member));
    let withheld = replica.withheld().into_iter().filter(|withheld| withheld.node == node);
    Some(of_copy.into_iter().chain(own).map(Open::Recorded).chain(withheld.map(Open::Withheld)).collect())
}

fn node_at(replica: &MemberReplica, path: &ControlPath) -> Option<NodeId> {
    let parts = path.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let names: Result<Vec<Name>, _> = parts.map(Name::new).collect();
    replica.resolve(&names.ok()?)
}

/// A conflict as it is told.
pub fn report(replica: &MemberReplica, open: &Open) -> ConflictReport {
    let (view, conflict) = (replica.view(), open.conflict());
    let member = replica.member_name(conflict.member);
    let who = member.as_ref().map_or("a member".to_owned(), ToString::to_string);
    ConflictReport {
        path: path_in(&view, open.node()).unwrap_or_default(),
        copy: open.copy().and_then(|copy| path_in(&view, copy)),
        member,
        kind: kind(conflict.kind).to_owned(),
        what: what(conflict.kind, &who),
        base: conflict.base,
        remote: conflict.remote,
        local: open.copy().and_then(|copy| Some(view.node(copy)?.version)),
        time: conflict.time,
        held: matches!(open, Open::Withheld(_)),
    }
}

fn kind(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::PutPut => "put-put",
        ConflictKind::MakeMake => "make-make",
        ConflictKind::PutDrop => "put-drop",
        ConflictKind::DropPut => "drop-put",
        ConflictKind::MoveMove => "move-move",
        ConflictKind::Cycle => "cycle",
        ConflictKind::Dropped => "dropped",
    }
}

fn what(kind: ConflictKind, who: &str) -> String {
    match kind {
        ConflictKind::PutPut => format!("changed by {who} and by another"),
        ConflictKind::MakeMake => format!("made by {who} and by another"),
        ConflictKind::PutDrop => format!("edited by {who}, deleted by another: the edit was kept"),
        ConflictKind::DropPut => format!("deleted by {who}, edited by another: the edit was kept"),
        ConflictKind::MoveMove => format!("renamed by {who} and by another"),
        ConflictKind::Cycle => format!("a move of {who} that would have made a cycle"),
        ConflictKind::Dropped => format!("an operation of {who} that could not be done"),
    }
}
