//! The entry to applying an op, and the verbs that leave names alone.

use super::limits::check_xattrs_total;
use super::names::{apply_drop, apply_link, apply_make, apply_move};
use super::{Change, ConflictRow, Op, Put, Rejection, SetMeta, Tree, Verb, check_limits};
use crate::model::{Body, Conflict, ConflictKind, MemberNumber, Node, NodeId, Version, keeping_privileged};

/// Judges `op`, made by `author`, against `tree`: the row changes it makes, or why it does not apply.
///
/// # Errors
/// A [`Rejection`]; the tree is then to stay as it is.
pub fn apply(tree: &impl Tree, author: MemberNumber, op: &Op) -> Result<Vec<Change>, Rejection> {
    check_limits(op)?;
    match &op.verb {
        Verb::Make(make) => apply_make(tree, author, op.time, make),
        Verb::Put(put) => apply_put(tree, put),
        Verb::SetMeta(set) => apply_set_meta(tree, set),
        Verb::Link(link) => apply_link(tree, op.time, link),
        Verb::Move(rename) => apply_move(tree, author, op.time, rename),
        Verb::Drop(drop) => apply_drop(tree, author, op.time, drop),
        Verb::Settle { node, member } => Ok(close_conflict(tree, *node, *member).into_iter().collect()),
        Verb::Record(conflict) if tree.node(conflict.node).is_none() => Ok(Vec::new()),
        Verb::Record(conflict) => Ok(open_conflict(tree, conflict, conflict.node)),
    }
}

/// The node that `id` stands for today: itself, or what took over its content.
pub fn resolve_successor(tree: &impl Tree, id: NodeId) -> NodeId {
    let mut at = id;
    // Invariant: a chain of successors is as short as the saves that made it, and never closes.
    while tree.node(at).is_none() {
        match tree.tombstone(at).and_then(|tombstone| tombstone.successor) {
            Some(successor) if successor.node != id => at = successor.node,
            _ => break,
        }
    }
    at
}

pub(super) fn live(tree: &impl Tree, id: NodeId) -> Result<Node, Rejection> {
    tree.node(id).ok_or(Rejection::Missing(id))
}

pub(super) fn live_directory(tree: &impl Tree, id: NodeId) -> Result<Node, Rejection> {
    let node = live(tree, id)?;
    if node.is_directory() { Ok(node) } else { Err(Rejection::NotDirectory(id)) }
}

pub(super) fn check_version(node: &Node, id: NodeId, expected: Version) -> Result<(), Rejection> {
    match node.body {
        Body::File(_) if node.version != expected => Err(Rejection::Stale { node: id, now: node.version }),
        _ => Ok(()),
    }
}

/// The changes that open a conflict carried by an op about `holder`, where its kind is one that stays open until
/// somebody settles it. Where the conflict is about another node, the holder is the copy that keeps what lost.
pub(super) fn open_conflict(tree: &impl Tree, conflict: &Conflict, holder: NodeId) -> Vec<Change> {
    let (node, member) = (conflict.node, conflict.member);
    let copy = (node != holder).then_some(holder);
    let stays = match conflict.kind {
        ConflictKind::PutPut | ConflictKind::MakeMake => copy.is_some(),
        ConflictKind::PutDrop | ConflictKind::DropPut => true,
        ConflictKind::MoveMove | ConflictKind::Cycle | ConflictKind::Dropped => false,
    };
    if !stays {
        return Vec::new();
    }
    // A file is the copy of one conflict at a time, so that its end finds the one to close.
    let before = copy.and_then(|copy| tree.conflict_of_copy(copy)).filter(|key| *key != (node, member));
    let closed = before.and_then(|(node, member)| close_conflict(tree, node, member));
    let now = Some(ConflictRow { conflict: conflict.clone(), copy });
    let opened = Change::Conflict { node, member, was: tree.conflict(node, member), now };
    closed.into_iter().chain([opened]).collect()
}

pub(super) fn close_conflict(tree: &impl Tree, node: NodeId, member: MemberNumber) -> Option<Change> {
    let was = tree.conflict(node, member)?;
    Some(Change::Conflict { node, member, was: Some(was), now: None })
}

fn apply_put(tree: &impl Tree, put: &Put) -> Result<Vec<Change>, Rejection> {
    let mut node = live(tree, put.node)?;
    if node.manifest().is_none() {
        return Err(Rejection::NotFile(put.node));
    }
    check_version(&node, put.node, put.base)?;
    node.body = Body::File(put.manifest.clone());
    node.version = node.version.next();
    node.mtime = put.mtime;
    if let Some(attributes) = &put.attributes {
        node.mode = attributes.mode;
        node.xattrs = match attributes.owner {
            Some(_) => attributes.xattrs.clone(),
            None => keeping_privileged(&attributes.xattrs, &node.xattrs),
        };
        node.owner = attributes.owner.unwrap_or(node.owner);
    }
    let mut changes = vec![Change::Node(put.node, Some(node))];
    changes.extend(put.conflict.iter().flat_map(|conflict| open_conflict(tree, conflict, put.node)));
    Ok(changes)
}

fn apply_set_meta(tree: &impl Tree, set: &SetMeta) -> Result<Vec<Change>, Rejection> {
    let mut node = live(tree, set.node)?;
    node.mode = set.mode.unwrap_or(node.mode);
    node.owner.uid = set.uid.unwrap_or(node.owner.uid);
    node.owner.gid = set.gid.unwrap_or(node.owner.gid);
    node.mtime = set.mtime.unwrap_or(node.mtime);
    for (name, value) in &set.xattrs {
        match value {
            Some(value) => node.xattrs.insert(name.clone(), value.clone()),
            None => node.xattrs.remove(name),
        };
    }
    check_xattrs_total(&node.xattrs)?;
    Ok(vec![Change::Node(set.node, Some(node))])
}
