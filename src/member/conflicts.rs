//! Open conflicts of a member, wherever they are noted, and the words for them.
//!
//! Invariant: [`all`] and [`at`] know the same conflicts; what else comes to hold conflicts joins both here.

use super::answer::{MemberHandler, path_in};
use super::control::{ConflictReport, ControlPath, ControlResponse, Reply};
use super::shared::MemberReplica;
use crate::model::{ConflictKind, Name, NodeId};
use crate::ops::{ConflictRow, Tree};
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

/// All open conflicts.
pub fn all(replica: &MemberReplica) -> Vec<ConflictReport> {
    replica.view().conflicts().map(|row| report(replica, &row)).collect()
}

/// The conflicts that the file at a path has, or is the copy of; None where nothing stands there.
pub fn at(replica: &MemberReplica, path: &ControlPath) -> Option<Vec<ConflictRow>> {
    let node = node_at(replica, path)?;
    let view = replica.view();
    let of_copy = view.conflict_of_copy(node).and_then(|(node, member)| view.conflict(node, member));
    let own = view.conflicts_of(node).into_iter().filter_map(|member| view.conflict(node, member));
    Some(of_copy.into_iter().chain(own).collect())
}

fn node_at(replica: &MemberReplica, path: &ControlPath) -> Option<NodeId> {
    let parts = path.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let names: Result<Vec<Name>, _> = parts.map(Name::new).collect();
    replica.resolve(&names.ok()?)
}

/// A conflict as it is told.
pub fn report(replica: &MemberReplica, row: &ConflictRow) -> ConflictReport {
    let (view, conflict) = (replica.view(), &row.conflict);
    let member = replica.member_name(conflict.member);
    let who = member.as_ref().map_or("a member".to_owned(), ToString::to_string);
    ConflictReport {
        path: path_in(&view, conflict.node).unwrap_or_default(),
        copy: row.copy.and_then(|copy| path_in(&view, copy)),
        member,
        kind: kind(conflict.kind).to_owned(),
        what: what(conflict.kind, &who),
        base: conflict.base,
        remote: conflict.remote,
        local: row.copy.and_then(|copy| Some(view.node(copy)?.version)),
        time: conflict.time,
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
