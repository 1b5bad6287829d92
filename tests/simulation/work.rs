//! Random work of a member, biased to collisions: few names, few directories.

use super::actor::Actor;
use super::network::Chance;
use fl0wfs::model::{Body, Manifest, Name, NodeId, Owner, Place, Timestamp};
use fl0wfs::ops::{Drop, Link, Move, Replaced, SetMeta, Tree, Verb};
use fl0wfs::sync::member::Ino;

const NAMES: [&str; 5] = ["a", "b", "c", "d.txt", "e"];

/// Does one thing an application might do.
pub fn act(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    match chance.below(14) {
        0..=2 => make(actor, chance, now, Body::File(Manifest::empty())),
        3 => make(actor, chance, now, Body::Directory),
        4..=5 => edit(actor, chance, now),
        6 => remove(actor, chance, now),
        7..=8 => rename(actor, chance, now, chance_of(4)),
        9 => link(actor, chance, now),
        10 => set_meta(actor, chance, now),
        11 => make(actor, chance, now, Body::Symlink(b"target".to_vec())),
        12 => save_by_backup(actor, chance, now),
        _ => open_or_close(actor, chance, now),
    }
}

fn chance_of(many: usize) -> impl FnOnce(&mut Chance) -> bool {
    move |chance| chance.one_in(many)
}

fn name(chance: &mut Chance) -> Name {
    Name::new(NAMES[chance.below(NAMES.len())]).unwrap()
}

/// A directory of the view, the root more often than others.
fn directory(actor: &Actor, chance: &mut Chance) -> NodeId {
    let mut at = NodeId::ROOT;
    for _ in 0..chance.below(3) {
        let view = actor.replica.view();
        let inside: Vec<NodeId> = view
            .list(at, 0)
            .map(|(_, node)| node)
            .filter(|node| view.node(*node).is_some_and(|row| row.is_directory()))
            .collect();
        if inside.is_empty() {
            break;
        }
        at = inside[chance.below(inside.len())];
    }
    at
}

fn place(actor: &Actor, chance: &mut Chance) -> Place {
    Place { parent: directory(actor, chance), name: name(chance) }
}

/// Something that exists, and where.
fn existing(actor: &Actor, chance: &mut Chance) -> Option<(NodeId, Place)> {
    let parent = directory(actor, chance);
    let entries: Vec<(Name, NodeId)> = actor.replica.view().list(parent, 0).collect();
    if entries.is_empty() {
        return None;
    }
    let (name, node) = entries[chance.below(entries.len())].clone();
    Some((node, Place { parent, name }))
}

fn is_file(actor: &Actor, node: NodeId) -> bool {
    actor.replica.view().node(node).is_some_and(|row| row.manifest().is_some())
}

fn bytes(chance: &mut Chance) -> Vec<u8> {
    match chance.below(10) {
        0 => Vec::new(),
        // Too large to ride inside its op.
        1 => {
            let mut long = vec![7; 80_000];
            long[..8].copy_from_slice(&(chance.next() % 20).to_le_bytes());
            long
        }
        _ => format!("text {}", chance.below(40)).into_bytes(),
    }
}

fn make(actor: &mut Actor, chance: &mut Chance, now: Timestamp, body: Body) {
    let place = place(actor, chance);
    let is_file = matches!(body, Body::File(_));
    let made = actor.replica.make(now, place, body, 0o644, Some(Owner::default()));
    let Ok((ino, effects)) = made else { return };
    actor.follow(effects);
    if is_file {
        let bytes = bytes(chance);
        actor.write(now, ino, bytes);
    }
}

fn edit(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    let Some((node, _)) = existing(actor, chance).filter(|(node, _)| is_file(actor, *node)) else { return };
    let ino = actor.replica.ino_of(node).unwrap();
    let bytes = bytes(chance);
    actor.write(now, ino, bytes);
}

/// Opens a file and writes to it, or closes one; remote work may come in between.
fn open_or_close(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    if let Some(ino) = actor.open.pop() {
        if actor.replica.is_dirty(ino) {
            actor.capture(now, ino);
        }
        let effects = actor.replica.closed(ino);
        actor.follow(effects);
        return;
    }
    let Some((node, _)) = existing(actor, chance).filter(|(node, _)| is_file(actor, *node)) else { return };
    let ino = actor.replica.ino_of(node).unwrap();
    actor.replica.opened(ino);
    actor.open.push(ino);
    if chance.one_in(2) {
        let bytes = bytes(chance);
        actor.begin_write(ino, bytes);
    }
}

/// Names change only after content written before them is captured.
fn settle(actor: &mut Actor, node: NodeId, now: Timestamp) {
    let ino: Ino = actor.replica.ino_of(node).unwrap();
    if actor.replica.is_dirty(ino) {
        actor.capture(now, ino);
    }
}

fn remove(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    let Some((node, place)) = existing(actor, chance) else { return };
    drop_name(actor, node, place, now);
}

fn drop_name(actor: &mut Actor, node: NodeId, place: Place, now: Timestamp) {
    settle(actor, node, now);
    let Some(row) = actor.replica.view().node(node) else { return };
    let ino = actor.replica.ino_of(node).unwrap();
    actor.gone(ino);
    let drop = Drop { node, place, version: row.version };
    let dropped = actor.replica.submit(now, Verb::Drop(drop));
    actor.done(dropped);
}

fn rename(
    actor: &mut Actor,
    chance: &mut Chance,
    now: Timestamp,
    exchange: impl FnOnce(&mut Chance) -> bool,
) {
    let Some((node, from)) = existing(actor, chance) else { return };
    let to = place(actor, chance);
    let under = actor.replica.view().child(to.parent, &to.name);
    if under == Some(node) {
        return;
    }
    settle(actor, node, now);
    if let Some(under) = under {
        settle(actor, under, now);
    }
    let version = |id| actor.replica.view().node(id).map(|row| row.version);
    let replaces = under.and_then(|node| Some(Replaced { node, version: version(node)? }));
    let exchange = replaces.is_some() && exchange(chance);
    let moved = actor
        .replica
        .submit(now, Verb::Move(Move { node, from, to, replaces, exchange, keeps_owner: false }));
    actor.done(moved);
}

fn link(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    let Some((node, _)) = existing(actor, chance) else { return };
    settle(actor, node, now);
    let place = place(actor, chance);
    let linked = actor.replica.submit(now, Verb::Link(Link { node, place }));
    actor.done(linked);
}

fn set_meta(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    let Some((node, _)) = existing(actor, chance) else { return };
    let mode = Some(0o600 + chance.below(64) as u16);
    let xattrs = vec![(b"user.n".to_vec(), Some(vec![chance.below(4) as u8]))];
    let set = SetMeta { node, mode, uid: None, gid: None, mtime: Some(now), xattrs };
    let set = actor.replica.submit(now, Verb::SetMeta(set));
    actor.done(set);
}

/// What vim does: the file aside, a new one under its name, the old one unlinked.
fn save_by_backup(actor: &mut Actor, chance: &mut Chance, now: Timestamp) {
    let Some((node, from)) = existing(actor, chance).filter(|(node, _)| is_file(actor, *node)) else {
        return;
    };
    settle(actor, node, now);
    let to = Place { parent: from.parent, name: Name::new(format!("{}~", from.name)).unwrap() };
    let aside = Move {
        node,
        from: from.clone(),
        to: to.clone(),
        replaces: None,
        exchange: false,
        keeps_owner: false,
    };
    if actor.replica.submit(now, Verb::Move(aside)).is_err() {
        return;
    }
    let body = Body::File(Manifest::empty());
    let Ok((ino, effects)) = actor.replica.make(now, from, body, 0o644, Some(Owner::default())) else {
        return;
    };
    actor.follow(effects);
    let bytes = bytes(chance);
    actor.write(now, ino, bytes);
    drop_name(actor, node, to, now);
}
