//! No conflict record without a cause: somebody else's change of the same thing, accepted after the author had begun and
//! before its work came, and other bytes. What a restored hub or the loss of power leaves needs no other cause.

use crate::failure::{Check, Checked, Failure, ensure};
use crate::hub::{History, Noted};
use crate::telling;
use fl0wfs::model::{Conflict, ConflictKind, Node, NodeId};
use fl0wfs::ops::{Make, Op, Put, Verb};
use fl0wfs::wire::{LogEntry, Position};
use std::collections::BTreeSet;

/// The conflict record that an op carries or is.
pub fn conflict_in(verb: &Verb) -> Option<&Conflict> {
    match verb {
        Verb::Make(Make { conflict, .. }) | Verb::Put(Put { conflict, .. }) => conflict.as_ref(),
        Verb::Record(conflict) => Some(conflict),
        _ => None,
    }
}

/// Checks the conflicts of a new entry. `row` reads the hub's tree with the entry in it.
pub fn conflict_cause(history: &History, entry: &LogEntry, row: impl Fn(NodeId) -> Option<Node>) -> Checked {
    for op in &entry.ops {
        let Some(conflict) = conflict_in(&op.verb) else { continue };
        let no_cause = |why: &str| {
            let about = telling::about(history, conflict.node);
            let told = telling::op(op);
            let detail = format!("entry {} has a conflict, but {why} ({about}): {told}", entry.sequence);
            Err(Failure::new(Check::ConflictCause, detail))
        };
        let Some((_, stamp)) = history.stamps.of(op.time) else {
            return no_cause("nobody made it at that time");
        };
        let known = !stamp.excused && place_in(history, stamp.at).is_some();
        let Some(since) = place_in(history, stamp.seen).filter(|_| known) else { continue };
        if !has_cause(history, entry, conflict, since) {
            return no_cause(&format!("nobody changed the same thing from {since} on"));
        }
        different((history, since), entry, op.verb.manifest(), conflict, &row)?;
    }
    Ok(())
}

/// The place after a position in this log; none where it is one of a log that the hub has lost.
fn place_in(history: &History, position: Option<Position>) -> Option<usize> {
    let Some(position) = position else { return Some(0) };
    let noted = history.entries.get(position.sequence.0 as usize)?;
    (noted.chain == position.chain).then_some(position.sequence.0 as usize + 1)
}

fn has_cause(history: &History, entry: &LogEntry, conflict: &Conflict, since: usize) -> bool {
    let met = history.entries.get(since..).unwrap_or_default();
    let mut others = met.iter().filter(|noted| noted.member != entry.member);
    let same = history.stamps.same_file(conflict.node);
    let about = |noted: &Noted| noted.nodes.iter().any(|node| same.contains(node));
    match conflict.kind {
        ConflictKind::DropPut => others.any(about),
        ConflictKind::PutPut => {
            let fed = fed_from(history, entry, conflict.node);
            let was_copy = was_copy(entry, conflict.node);
            let feeds = |noted: &Noted| noted.nodes.iter().any(|node| fed.contains(node));
            others.any(|noted| feeds(noted) || (was_copy && noted.changes_names))
        }
        // A directory stays whose removal came with that of something in it, which had its own cause to stay.
        ConflictKind::Dropped if holds_what_stays(history, entry, conflict.node) => true,
        // What was in the way may be anything above or beside the node, or what was to change places with it.
        _ => others.any(|noted| noted.changes_names || about(noted)),
    }
}

/// Tells whether a directory has something in it whose removal lost in the same entry.
fn holds_what_stays(history: &History, entry: &LogEntry, directory: NodeId) -> bool {
    let conflicts = entry.ops.iter().filter_map(|op| conflict_in(&op.verb));
    let stays = conflicts.filter(|it| matches!(it.kind, ConflictKind::DropPut | ConflictKind::Dropped));
    let stays: BTreeSet<NodeId> = stays.map(|it| it.node).collect();
    let names = &history.reference.names;
    names.iter().any(|((parent, _), node)| *parent == directory && stays.contains(node))
}

/// A file, and those that it is or was a copy of: what loses on them becomes a version of the copy, and so meets what its
/// author has put into the copy meanwhile.
fn fed_from(history: &History, entry: &LogEntry, node: NodeId) -> BTreeSet<NodeId> {
    let now = entry.ops.iter().filter_map(|op| copy_in(&op.verb));
    let copies: Vec<(NodeId, NodeId)> = history.copies.iter().copied().chain(now).collect();
    let mut fed = history.stamps.same_file(node);
    let mut before = 0;
    while before < fed.len() {
        before = fed.len();
        for (copy, of) in &copies {
            if fed.contains(copy) {
                fed.extend(history.stamps.same_file(*of));
            }
        }
    }
    fed
}

/// Tells whether a file of this entry has the name of a copy without being one: what it was a copy of has been removed before
/// its author's work came.
fn was_copy(entry: &LogEntry, node: NodeId) -> bool {
    entry.ops.iter().any(|op| match &op.verb {
        Verb::Make(make) => {
            let name = String::from_utf8_lossy(make.place.name.as_bytes());
            make.node == node && make.conflict.is_none() && name.contains(" (conflict ")
        }
        _ => false,
    })
}

/// The copy that an op makes or extends, and the file that it is a copy of.
pub fn copy_in(verb: &Verb) -> Option<(NodeId, NodeId)> {
    let conflict = conflict_in(verb)?;
    Some((verb.node(), conflict.node)).filter(|(copy, of)| copy != of)
}

/// Equal bytes never conflict, as far as the author could know: a save in the same commit brings what its newcomer holds
/// when the hub takes it, and somebody else may have put the very same into that meanwhile.
fn different(
    (history, since): (&History, usize),
    entry: &LogEntry,
    lost: Option<&fl0wfs::model::Manifest>,
    conflict: &Conflict,
    row: &impl Fn(NodeId) -> Option<Node>,
) -> Checked {
    if !matches!(conflict.kind, ConflictKind::PutPut | ConflictKind::MakeMake) {
        return Ok(());
    }
    let saves = |op: &Op| match &op.verb {
        Verb::Move(step) => step.replaces.is_some_and(|over| !step.exchange && over.node == conflict.node),
        Verb::Drop(drop) => drop.node == conflict.node,
        _ => false,
    };
    let same = history.stamps.same_file(conflict.node);
    let met = history.entries.get(since..).unwrap_or_default();
    let mut others = met.iter().filter(|noted| noted.member != entry.member);
    let unknown = others.any(|noted| noted.nodes.iter().any(|node| same.contains(node)));
    if unknown && entry.ops.iter().any(saves) {
        return Ok(());
    }
    let kept = row(conflict.node).filter(|row| row.version == conflict.remote);
    let (Some(lost), Some(kept)) = (lost, kept.as_ref().and_then(Node::manifest)) else { return Ok(()) };
    ensure(!lost.same_content(kept), Check::ConflictCause, || {
        format!("entry {} has a conflict of equal contents: {conflict:?}", entry.sequence)
    })
}
