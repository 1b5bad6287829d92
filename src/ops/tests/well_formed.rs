//! What makes a tree well formed, checked row by row.

use crate::model::{Body, NodeId, Place, Version};
use crate::ops::{MemoryTree, Tree};
use std::collections::BTreeMap;

/// Tells the first fault of a tree, if it has one.
pub fn check_well_formed(tree: &MemoryTree) -> Result<(), String> {
    check_names(tree)?;
    check_nodes(tree)?;
    check_conflicts(tree)
}

fn ensure(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

fn check_names(tree: &MemoryTree) -> Result<(), String> {
    let mut places: BTreeMap<NodeId, Vec<Place>> = BTreeMap::new();
    for (place, id) in &tree.names {
        ensure(tree.nodes.contains_key(id), || format!("{place:?} leads to {id}, which is not there"))?;
        let parent = tree.nodes.get(&place.parent);
        ensure(parent.is_some_and(|parent| parent.is_directory()), || {
            format!("{place:?} is in no directory")
        })?;
        ensure(*id != NodeId::ROOT, || format!("{place:?} leads to the root"))?;
        places.entry(*id).or_default().push(place.clone());
    }
    for id in tree.nodes.keys().chain(tree.tombstones.keys()) {
        let named = places.get(id).cloned().unwrap_or_default();
        ensure(tree.places(*id) == named, || format!("{id} has other places than names lead to it"))?;
    }
    Ok(())
}

fn check_nodes(tree: &MemoryTree) -> Result<(), String> {
    ensure(tree.nodes.get(&NodeId::ROOT).is_some_and(|root| root.is_directory()), || "no root".to_owned())?;
    for (id, node) in &tree.nodes {
        let names = tree.places(*id).len();
        ensure(names > 0 || *id == NodeId::ROOT, || format!("{id} has no name"))?;
        ensure(names <= 1 || !node.is_directory(), || format!("directory {id} has {names} names"))?;
        ensure(!tree.tombstones.contains_key(id), || format!("{id} is both here and gone"))?;
        let counts = node.version > Version::default();
        ensure(counts != node.is_directory(), || format!("{id} has version {}", node.version.0))?;
        let may_have_moved = matches!(node.body, Body::File(_));
        ensure(may_have_moved || node.moved.is_none(), || format!("{id} is no file and remembers a move"))?;
        ensure(reaches_root(tree, *id), || format!("{id} is its own ancestor"))?;
    }
    Ok(())
}

fn reaches_root(tree: &MemoryTree, id: NodeId) -> bool {
    let mut at = id;
    for _ in 0..=tree.nodes.len() {
        if at == NodeId::ROOT {
            return true;
        }
        let Some(place) = tree.places(at).into_iter().next() else { return false };
        at = place.parent;
    }
    false
}

fn check_conflicts(tree: &MemoryTree) -> Result<(), String> {
    for ((about, member), row) in &tree.conflicts {
        let key_fits = (row.conflict.node, row.conflict.member) == (*about, *member);
        ensure(key_fits, || format!("the conflict about {about} stands under another key"))?;
        match row.copy {
            Some(copy) => {
                ensure(tree.nodes.contains_key(&copy), || format!("conflict copy {copy} is not there"))?;
                let found = tree.conflict_of_copy(copy);
                ensure(found == Some((*about, *member)), || format!("{copy} is the copy of two conflicts"))?;
            }
            None => {
                ensure(tree.nodes.contains_key(about), || {
                    format!("a conflict about {about}, which is gone")
                })?;
            }
        }
    }
    Ok(())
}
