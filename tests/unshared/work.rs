//! Random work, shared and not, on names that collide.

use super::member::Member;
use fl0wfs::model::{Body, Manifest, Name, NodeId, Owner, Place, Timestamp, Xattrs};
use fl0wfs::ops::{Drop, Link, Move, Replaced, Tree, Verb, is_within};
use fl0wfs::sync::member::{Crossing, Ino, Makings, Sharing};
use std::collections::BTreeSet;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e.txt"];

/// A small generator (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

fn names(member: &Member) -> Vec<(Place, NodeId)> {
    let tree = member.replica.tree();
    let (mut todo, mut all) = (vec![NodeId::ROOT], Vec::new());
    while let Some(parent) = todo.pop() {
        for (name, node) in tree.list(parent, 0) {
            all.push((Place { parent, name }, node));
            if tree.node(node).is_some_and(|row| row.is_directory()) {
                todo.push(node);
            }
        }
    }
    all
}

fn existing(member: &Member, chance: &mut Chance, fits: impl Fn(NodeId) -> bool) -> Option<(Place, NodeId)> {
    let all: Vec<_> = names(member).into_iter().filter(|(_, node)| fits(*node)).collect();
    (!all.is_empty()).then(|| all[chance.below(all.len())].clone())
}

fn is_directory(member: &Member, node: NodeId) -> bool {
    member.replica.tree().node(node).is_some_and(|row| row.is_directory())
}

/// A name in some directory, free or not.
fn place(member: &Member, chance: &mut Chance, fits: impl Fn(NodeId) -> bool) -> Place {
    let mut directories: Vec<NodeId> = names(member).into_iter().map(|(_, node)| node).collect();
    directories.retain(|node| is_directory(member, *node) && fits(*node));
    directories.push(NodeId::ROOT);
    let parent = directories[chance.below(directories.len())];
    Place { parent, name: Name::new(NAMES[chance.below(NAMES.len())]).unwrap() }
}

fn bytes(chance: &mut Chance) -> Vec<u8> {
    // Not text, so that nothing is merged.
    [&[0xff, 0][..], &chance.next().to_be_bytes()].concat()
}

fn replaced(member: &Member, to: &Place) -> Option<Replaced> {
    let tree = member.replica.tree();
    let node = tree.child(to.parent, &to.name)?;
    Some(Replaced { node, version: tree.node(node)?.version })
}

pub fn act(member: &mut Member, chance: &mut Chance, now: Timestamp) {
    match chance.below(20) {
        0..=1 => make(member, chance, now, false, true),
        2..=4 => make(member, chance, now, false, false),
        5..=6 => make(member, chance, now, true, true),
        7..=9 => make(member, chance, now, true, false),
        10..=12 => remove(member, chance, now),
        13 => rename(member, chance, now, false),
        14 => rename(member, chance, now, true),
        15 => share(member, chance, now),
        16 => unshare(member, chance, now),
        17 => link(member, chance, now),
        18 => edit(member, chance, now),
        _ => {
            let emptied = member.replica.emptied();
            let ended = member.replica.end_emptied(now, &emptied);
            member.done(ended);
        }
    }
    forget_gone(member);
}

/// Files whose last name went, or that became shared, are not asked for any more.
fn forget_gone(member: &mut Member) {
    let replica = &member.replica;
    let unshared = |ino: &Ino| replica.inode(*ino).is_some_and(|inode| inode.node.is_unshared());
    let gone: Vec<Ino> = member.written.keys().copied().filter(|ino| !unshared(ino)).collect();
    gone.iter().for_each(|ino| drop(member.written.remove(ino)));
}

fn make(member: &mut Member, chance: &mut Chance, now: Timestamp, unshared: bool, directory: bool) {
    let place = place(member, chance, |node| unshared || !node.is_unshared());
    let body = if directory { Body::Directory } else { Body::File(Manifest::empty()) };
    let makings = Makings { body, mode: 0o755, owner: Some(Owner::default()), xattrs: Xattrs::new() };
    let made = match unshared {
        true => member.replica.make_unshared(now, place, makings),
        false => member.replica.make(now, place, makings),
    };
    let Ok((ino, effects)) = made else { return };
    member.follow(effects);
    if !directory {
        let bytes = bytes(chance);
        member.write(ino, bytes.clone());
        match unshared {
            true => drop(member.written.insert(ino, bytes)),
            false => member.capture(now, ino),
        }
    }
}

fn settle(member: &mut Member, node: NodeId, now: Timestamp) {
    let ino = member.replica.ino_of(node).unwrap();
    member.capture(now, ino);
}

fn remove(member: &mut Member, chance: &mut Chance, now: Timestamp) {
    let Some((place, node)) = existing(member, chance, |_| true) else { return };
    settle(member, node, now);
    let version = member.replica.tree().node(node).unwrap().version;
    let dropped = member.replica.submit(now, Verb::Drop(Drop { node, place, version }));
    member.done(dropped);
}

fn rename(member: &mut Member, chance: &mut Chance, now: Timestamp, unshared: bool) {
    let Some((from, node)) = existing(member, chance, |node| node.is_unshared() == unshared) else { return };
    let to = place(member, chance, |node| unshared || !node.is_unshared());
    let replaces = replaced(member, &to);
    if replaces.is_some_and(|it| it.node == node || it.node.is_unshared() != unshared) {
        return;
    }
    settle(member, node, now);
    replaces.iter().for_each(|it| settle(member, it.node, now));
    let replaces = replaced(member, &to);
    let exchange = replaces.is_some() && chance.one_in(3);
    let rename = Move { node, from, to, replaces, exchange, keeps_owner: false };
    let renamed = member.replica.submit(now, Verb::Move(rename));
    member.done(renamed);
}

fn link(member: &mut Member, chance: &mut Chance, now: Timestamp) {
    let Some((_, node)) = existing(member, chance, |_| true) else { return };
    settle(member, node, now);
    let place = place(member, chance, |directory| node.is_unshared() || !directory.is_unshared());
    let linked = member.replica.submit(now, Verb::Link(Link { node, place }));
    member.done(linked);
}

fn edit(member: &mut Member, chance: &mut Chance, now: Timestamp) {
    let Some((_, node)) = existing(member, chance, |_| true) else { return };
    if member.replica.tree().node(node).unwrap().manifest().is_none() {
        return;
    }
    let ino = member.replica.ino_of(node).unwrap();
    let bytes = bytes(chance);
    member.write(ino, bytes.clone());
    match node.is_unshared() {
        true => drop(member.written.insert(ino, bytes)),
        false => member.capture(now, ino),
    }
}

/// The nodes below one, those of the other kind left out; and whether files have all their names there.
fn below(member: &Member, node: NodeId) -> (Vec<NodeId>, bool) {
    let tree = member.replica.tree();
    let (mut todo, mut found) = (vec![node], Vec::new());
    while let Some(at) = todo.pop() {
        found.push(at);
        let children = tree.list(at, 0).map(|(_, child)| child);
        todo.extend(children.filter(|child| child.is_unshared() == node.is_unshared()));
    }
    let complete = found.iter().all(|at| {
        is_directory(member, *at)
            || tree.places(*at).len() == found.iter().filter(|other| *other == at).count()
    });
    (found, complete)
}

fn share(member: &mut Member, chance: &mut Chance, now: Timestamp) {
    let Some((from, node)) = existing(member, chance, |node| node.is_unshared()) else { return };
    let stays = !from.parent.is_unshared() && chance.one_in(3);
    let to = if stays { from.clone() } else { place(member, chance, |node| !node.is_unshared()) };
    let (nodes, complete) = below(member, node);
    let replaces = replaced(member, &to).filter(|it| it.node != node);
    if !complete || (from != to && replaced(member, &to).is_some_and(|it| it.node == node)) {
        return;
    }
    replaces.iter().for_each(|it| settle(member, it.node, now));
    let replaces = replaced(member, &to).filter(|it| it.node != node);
    let single = |id: &NodeId| is_directory(member, *id) || member.replica.tree().places(*id).len() == 1;
    let mut nodes: BTreeSet<NodeId> =
        nodes.into_iter().filter(|id| !single(id) || !chance.one_in(4)).collect();
    nodes.insert(node);
    // What is in a directory that is left out is left out, too.
    let kept: Vec<NodeId> = nodes.iter().copied().filter(|id| !reaches(member, *id, node, &nodes)).collect();
    let several = kept.iter().any(|id| !single(id));
    nodes.retain(|id| !kept.contains(id));
    if several {
        return;
    }
    let roots = vec![Crossing { node, from, to, replaces }];
    let shared = member.replica.share(now, &Sharing { roots, nodes, keeps_owner: false });
    if let Ok((files, effects)) = shared {
        member.follow(effects);
        files.into_iter().filter(|_| !chance.one_in(5)).for_each(|ino| member.capture(now, ino));
    }
}

fn reaches(member: &Member, id: NodeId, root: NodeId, nodes: &BTreeSet<NodeId>) -> bool {
    let mut at = id;
    while at != root {
        match member.replica.tree().places(at).first() {
            Some(place) if nodes.contains(&place.parent) => at = place.parent,
            _ => return false,
        }
    }
    true
}

fn unshare(member: &mut Member, chance: &mut Chance, now: Timestamp) {
    let Some((from, node)) = existing(member, chance, |node| !node.is_unshared()) else { return };
    let to = place(member, chance, |_| true);
    let replaces = replaced(member, &to);
    let (nodes, complete) = below(member, node);
    let inside = is_within(&member.replica.tree(), to.parent, node);
    if !complete || inside || replaces.is_some_and(|it| !it.node.is_unshared()) {
        return;
    }
    let files: Vec<NodeId> = nodes.into_iter().filter(|id| !is_directory(member, *id)).collect();
    let inos: Vec<Ino> = files.into_iter().map(|id| member.replica.ino_of(id).unwrap()).collect();
    inos.iter().for_each(|ino| member.put_aside(*ino));
    let contents: Vec<(Ino, Vec<u8>)> = inos.iter().map(|ino| (*ino, member.content(*ino))).collect();
    let unshared = member.replica.unshare(now, &Crossing { node, from, to, replaces });
    if member.done(unshared) {
        member.written.extend(contents);
    }
}
