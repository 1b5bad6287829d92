//! The verbs that change names: make, link, move, drop, and the succession that two of them can shape.

use super::apply::{check_version, close_conflict, live, live_directory, open_conflict};
use super::{Change, Drop, Link, Make, Move, Rejection, Replaced, Tree, is_within};
use crate::model::{
    Body, MemberNumber, Moved, Node, NodeId, Place, Successor, Timestamp, Tombstone, Version,
    keeping_privileged,
};

pub(super) fn apply_make(
    tree: &impl Tree,
    author: MemberNumber,
    time: Timestamp,
    make: &Make,
) -> Result<Vec<Change>, Rejection> {
    let parent = live_directory(tree, make.place.parent)?;
    check_free(tree, &make.place)?;
    if tree.node(make.node).is_some() {
        return Err(Rejection::Exists(make.node));
    }
    let before = tree.tombstone(make.node);
    if before.is_none() && make.node.member != author {
        return Err(Rejection::ForeignNumber(make.node));
    }
    let version = version_made(make, before.as_ref())?;
    let node = Node {
        body: make.body.clone(),
        mode: make.mode,
        owner: make.owner.unwrap_or(parent.owner),
        mtime: make.mtime,
        xattrs: make.xattrs.clone(),
        version,
        moved: None,
    };
    let mut changes = vec![
        Change::Node(make.node, Some(node)),
        Change::Name { place: make.place.clone(), was: None, now: Some(make.node) },
        touched(make.place.parent, parent, time),
    ];
    changes.extend(before.map(|_| Change::Tombstone(make.node, None)));
    if let Some(conflict) = &make.conflict {
        changes.extend(open_conflict(tree, conflict, make.node));
    }
    Ok(changes)
}

/// The version a node begins with, or goes on with where it was removed before.
fn version_made(make: &Make, before: Option<&Tombstone>) -> Result<Version, Rejection> {
    match before {
        Some(before) if before.node.body.kind() != make.body.kind() => {
            Err(Rejection::Limit("a removed node comes back as another kind"))
        }
        _ if make.body == Body::Directory => Ok(Version::default()),
        Some(before) => Ok(before.node.version.next()),
        None => Ok(Version::FIRST),
    }
}

pub(super) fn apply_link(tree: &impl Tree, time: Timestamp, link: &Link) -> Result<Vec<Change>, Rejection> {
    let node = live(tree, link.node)?;
    if node.is_directory() {
        return Err(Rejection::IsDirectory(link.node));
    }
    let parent = live_directory(tree, link.place.parent)?;
    check_free(tree, &link.place)?;
    Ok(vec![
        Change::Name { place: link.place.clone(), was: None, now: Some(link.node) },
        // The row stays as it is, but is written: a member's journal must mark it as touched.
        Change::Node(link.node, Some(node)),
        touched(link.place.parent, parent, time),
    ])
}

pub(super) fn apply_drop(
    tree: &impl Tree,
    author: MemberNumber,
    time: Timestamp,
    drop: &Drop,
) -> Result<Vec<Change>, Rejection> {
    let node = live(tree, drop.node)?;
    check_there(tree, drop.node, &drop.place)?;
    let parent = live_directory(tree, drop.place.parent)?;
    let mut changes = vec![Change::Name { place: drop.place.clone(), was: Some(drop.node), now: None }];
    if tree.places(drop.node).len() == 1 {
        if node.is_directory() && !tree.is_empty(drop.node) {
            return Err(Rejection::NotEmpty(drop.node));
        }
        check_version(&node, drop.node, drop.version)?;
        match succession_by_drop(tree, author, drop.node, &node) {
            Some(newcomer) => changes.extend(succeed_moved_aside(tree, drop.node, node, newcomer)),
            None => changes.extend(end(tree, drop.node, node, drop.place.clone(), None)),
        }
    } else {
        // Written unchanged, as in a link.
        changes.push(Change::Node(drop.node, Some(node)));
    }
    changes.push(touched(drop.place.parent, parent, time));
    Ok(changes)
}

pub(super) fn apply_move(
    tree: &impl Tree,
    author: MemberNumber,
    time: Timestamp,
    rename: &Move,
) -> Result<Vec<Change>, Rejection> {
    let node = live(tree, rename.node)?;
    check_there(tree, rename.node, &rename.from)?;
    live_directory(tree, rename.from.parent)?;
    live_directory(tree, rename.to.parent)?;
    check_no_cycle(tree, rename.node, &node, rename.to.parent)?;
    let mut changes = match rename.replaces {
        None => {
            check_free(tree, &rename.to)?;
            relocate(author, rename, node, None)
        }
        Some(replaced) => {
            let existing = live(tree, replaced.node)?;
            check_there(tree, replaced.node, &rename.to)?;
            if rename.exchange {
                check_no_cycle(tree, replaced.node, &existing, rename.from.parent)?;
                exchange(author, rename, node, replaced.node, existing)
            } else {
                replace(tree, author, rename, node, replaced, existing)?
            }
        }
    };
    touch_parents(tree, time, [rename.from.parent, rename.to.parent], &mut changes);
    Ok(changes)
}

/// Tells whether renaming `newcomer` over `existing` makes it the next version of the existing file.
pub fn shapes_succession(tree: &impl Tree, newcomer: NodeId, existing: NodeId) -> bool {
    let single_file =
        |id| tree.node(id).is_some_and(|node: Node| node.manifest().is_some()) && tree.places(id).len() == 1;
    newcomer != existing && single_file(newcomer) && single_file(existing)
}

fn replace(
    tree: &impl Tree,
    author: MemberNumber,
    rename: &Move,
    node: Node,
    replaced: Replaced,
    existing: Node,
) -> Result<Vec<Change>, Rejection> {
    let last_name = tree.places(replaced.node).len() == 1;
    match (node.is_directory(), existing.is_directory()) {
        (true, false) => return Err(Rejection::NotDirectory(replaced.node)),
        (false, true) => return Err(Rejection::IsDirectory(replaced.node)),
        (true, true) if !tree.is_empty(replaced.node) => return Err(Rejection::NotEmpty(replaced.node)),
        _ => {}
    }
    if last_name {
        check_version(&existing, replaced.node, replaced.version)?;
    }
    if shapes_succession(tree, rename.node, replaced.node) {
        return Ok(succeed(tree, rename, node, replaced.node, existing));
    }
    let mut changes = relocate(author, rename, node, Some(replaced.node));
    if last_name {
        changes.extend(end(tree, replaced.node, existing, rename.to.clone(), None));
    }
    Ok(changes)
}

fn relocate(author: MemberNumber, rename: &Move, node: Node, was: Option<NodeId>) -> Vec<Change> {
    vec![
        Change::Name { place: rename.from.clone(), was: Some(rename.node), now: None },
        Change::Name { place: rename.to.clone(), was, now: Some(rename.node) },
        moved(rename.node, node, &rename.from, author),
    ]
}

fn exchange(author: MemberNumber, rename: &Move, node: Node, other: NodeId, other_node: Node) -> Vec<Change> {
    vec![
        Change::Name { place: rename.from.clone(), was: Some(rename.node), now: Some(other) },
        Change::Name { place: rename.to.clone(), was: Some(other), now: Some(rename.node) },
        moved(rename.node, node, &rename.from, author),
        moved(other, other_node, &rename.to, author),
    ]
}

/// A file renamed over another: the existing one lives on with the newcomer's content and attributes.
fn succeed(
    tree: &impl Tree,
    rename: &Move,
    newcomer: Node,
    existing_id: NodeId,
    existing: Node,
) -> Vec<Change> {
    let version = existing.version.next();
    let (owner, xattrs) = match rename.keeps_owner {
        true => (existing.owner, keeping_privileged(&newcomer.xattrs, &existing.xattrs)),
        false => (newcomer.owner, newcomer.xattrs.clone()),
    };
    let survivor = Node { version, moved: existing.moved, owner, xattrs, ..newcomer.clone() };
    let mut changes = vec![
        Change::Name { place: rename.from.clone(), was: Some(rename.node), now: None },
        Change::Node(existing_id, Some(survivor)),
    ];
    let successor = Successor { node: existing_id, version };
    changes.extend(end(tree, rename.node, newcomer, rename.from.clone(), Some(successor)));
    changes
}

/// The new file under the name that `node` was moved aside from, where dropping `node` ends a save by backup.
fn succession_by_drop(tree: &impl Tree, author: MemberNumber, id: NodeId, node: &Node) -> Option<NodeId> {
    let aside = node.moved.as_ref().filter(|moved| moved.by == author && node.manifest().is_some())?;
    let newcomer_id = tree.child(aside.from.parent, &aside.from.name)?;
    let newcomer = tree.node(newcomer_id)?;
    // Only a file made by the same member, under this name from the start, is the other half of the save.
    let made_there = newcomer_id.member == author && newcomer_id.counter > id_counter_floor(id, author);
    let fits = made_there && newcomer.moved.is_none() && newcomer.manifest().is_some();
    (fits && tree.places(newcomer_id).len() == 1).then_some(newcomer_id)
}

/// A member's counter only grows: a newcomer made after the file it replaces has a larger one.
fn id_counter_floor(id: NodeId, author: MemberNumber) -> u64 {
    if id.member == author { id.counter } else { 0 }
}

fn succeed_moved_aside(tree: &impl Tree, id: NodeId, node: Node, newcomer_id: NodeId) -> Vec<Change> {
    let (Some(aside), Some(newcomer)) = (&node.moved, tree.node(newcomer_id)) else { return Vec::new() };
    let version = node.version.next();
    let survivor = Node { version, moved: None, ..newcomer.clone() };
    let mut changes = vec![
        Change::Name { place: aside.from.clone(), was: Some(newcomer_id), now: Some(id) },
        Change::Node(id, Some(survivor)),
    ];
    let successor = Successor { node: id, version };
    changes.extend(end(tree, newcomer_id, newcomer, aside.from.clone(), Some(successor)));
    changes
}

/// Ends a node whose last name goes: a tombstone remains, and conflicts about it are settled.
fn end(
    tree: &impl Tree,
    id: NodeId,
    mut node: Node,
    place: Place,
    successor: Option<Successor>,
) -> Vec<Change> {
    if !node.is_directory() {
        node.version = node.version.next();
    }
    let mut changes =
        vec![Change::Node(id, None), Change::Tombstone(id, Some(Tombstone { node, place, successor }))];
    changes.extend(tree.conflicts_of(id).into_iter().filter_map(|member| close_conflict(tree, id, member)));
    if let Some((about, member)) = tree.conflict_of_copy(id) {
        changes.extend(close_conflict(tree, about, member));
    }
    changes
}

fn moved(id: NodeId, mut node: Node, from: &Place, by: MemberNumber) -> Change {
    if node.manifest().is_some() {
        node.moved = Some(Moved { from: from.clone(), by });
    }
    Change::Node(id, Some(node))
}

fn touched(id: NodeId, mut directory: Node, time: Timestamp) -> Change {
    directory.mtime = time;
    Change::Node(id, Some(directory))
}

/// Sets the parents' mtimes, on top of what the changes so far made of these rows.
fn touch_parents(tree: &impl Tree, time: Timestamp, parents: [NodeId; 2], changes: &mut Vec<Change>) {
    let distinct = if parents[0] == parents[1] { &parents[..1] } else { &parents[..] };
    for &parent in distinct {
        let changed = changes.iter_mut().find_map(|change| match change {
            Change::Node(id, Some(node)) if *id == parent => Some(node),
            _ => None,
        });
        match changed {
            Some(node) => node.mtime = time,
            None => changes.extend(tree.node(parent).map(|node| touched(parent, node, time))),
        }
    }
}

fn check_free(tree: &impl Tree, place: &Place) -> Result<(), Rejection> {
    tree.child(place.parent, &place.name).map_or(Ok(()), |taken| Err(Rejection::NameTaken(taken)))
}

fn check_there(tree: &impl Tree, id: NodeId, place: &Place) -> Result<(), Rejection> {
    let there = tree.child(place.parent, &place.name) == Some(id);
    if there { Ok(()) } else { Err(Rejection::NotThere(id)) }
}

fn check_no_cycle(tree: &impl Tree, id: NodeId, node: &Node, parent: NodeId) -> Result<(), Rejection> {
    if node.is_directory() && is_within(tree, parent, id) { Err(Rejection::Cycle(id)) } else { Ok(()) }
}
