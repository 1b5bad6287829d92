//! A plain model of a space: what the log says, taken at its word.
//!
//! It is made by reading accepted ops one after the other and knows nothing of how the product applies them; it judges
//! nothing either, since the hub has. What it holds is what a person would draw: names, and what is under each.

use fl0wfs::model::{Body, MemberNumber, Name, Node, NodeId, Owner, Place, Timestamp, Xattrs};
use fl0wfs::ops::{Drop, Make, Move, Tree, Verb};
use fl0wfs::sync::{Kv, RowTree};
use fl0wfs::wire::LogEntry;
use std::collections::BTreeMap;

/// What is under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub body: Body,
    pub mode: u16,
    pub owner: Owner,
    pub mtime: Timestamp,
    pub xattrs: Xattrs,
}

/// Names and things, and who last moved which file from where.
#[derive(Clone, Debug)]
pub struct Reference {
    pub names: BTreeMap<(NodeId, Name), NodeId>,
    pub things: BTreeMap<NodeId, Thing>,
    aside: BTreeMap<NodeId, (MemberNumber, Place)>,
}

impl From<Node> for Thing {
    fn from(node: Node) -> Thing {
        let Node { body, mode, owner, mtime, xattrs, .. } = node;
        Thing { body, mode, owner, mtime, xattrs }
    }
}

impl Default for Reference {
    fn default() -> Reference {
        let things = BTreeMap::from([(NodeId::ROOT, Thing::from(Node::root()))]);
        Reference { names: BTreeMap::new(), things, aside: BTreeMap::new() }
    }
}

fn key(place: &Place) -> (NodeId, Name) {
    (place.parent, place.name.clone())
}

impl Reference {
    /// Takes an accepted commit.
    pub fn take(&mut self, entry: &LogEntry) {
        for op in &entry.ops {
            match &op.verb {
                Verb::Make(make) => self.make(op.time, make),
                Verb::Put(put) => {
                    let thing = self.thing(put.node);
                    (thing.body, thing.mtime) = (Body::File(put.manifest.clone()), put.mtime);
                    if let Some(attributes) = &put.attributes {
                        (thing.mode, thing.xattrs) = (attributes.mode, attributes.xattrs.clone());
                        thing.owner = attributes.owner.unwrap_or(thing.owner);
                    }
                }
                Verb::SetMeta(set) => {
                    let thing = self.thing(set.node);
                    thing.mode = set.mode.unwrap_or(thing.mode);
                    thing.mtime = set.mtime.unwrap_or(thing.mtime);
                    thing.owner.uid = set.uid.unwrap_or(thing.owner.uid);
                    thing.owner.gid = set.gid.unwrap_or(thing.owner.gid);
                    for (name, value) in &set.xattrs {
                        match value {
                            Some(value) => thing.xattrs.insert(name.clone(), value.clone()),
                            None => thing.xattrs.remove(name),
                        };
                    }
                }
                Verb::Link(link) => {
                    self.names.insert(key(&link.place), link.node);
                    self.thing(link.place.parent).mtime = op.time;
                }
                Verb::Move(step) => self.step(entry.member, op.time, step),
                Verb::Drop(drop) => self.drop(entry.member, op.time, drop),
                Verb::Settle { .. } | Verb::Record(_) => {}
            }
        }
    }

    fn thing(&mut self, id: NodeId) -> &mut Thing {
        self.things.get_mut(&id).expect("the log names what is there")
    }

    fn links(&self, id: NodeId) -> usize {
        self.names.values().filter(|node| **node == id).count()
    }

    fn is_single_file(&self, id: NodeId) -> bool {
        self.links(id) == 1 && matches!(self.things.get(&id), Some(Thing { body: Body::File(_), .. }))
    }

    fn make(&mut self, time: Timestamp, make: &Make) {
        let owner = make.owner.unwrap_or(self.thing(make.place.parent).owner);
        let Make { body, mode, mtime, xattrs, .. } = make.clone();
        self.names.insert(key(&make.place), make.node);
        self.things.insert(make.node, Thing { body, mode, owner, mtime, xattrs });
        self.aside.remove(&make.node);
        self.thing(make.place.parent).mtime = time;
    }

    fn step(&mut self, author: MemberNumber, time: Timestamp, step: &Move) {
        let replaced = step.replaces.map(|replaced| replaced.node);
        let saves = |other| !step.exchange && self.is_single_file(step.node) && self.is_single_file(other);
        let saved = replaced.filter(|other| saves(*other));
        self.names.remove(&key(&step.from));
        match (replaced, saved) {
            // A save by rename: the file under the name goes on, as what the newcomer is.
            (_, Some(existing)) => {
                let newcomer = self.end(step.node);
                let owner = if step.keeps_owner { self.thing(existing).owner } else { newcomer.owner };
                self.things.insert(existing, Thing { owner, ..newcomer });
            }
            (Some(other), None) if step.exchange => {
                self.names.insert(key(&step.from), other);
                self.names.insert(key(&step.to), step.node);
                self.note_aside(other, author, &step.to);
                self.note_aside(step.node, author, &step.from);
            }
            (replaced, None) => {
                self.names.insert(key(&step.to), step.node);
                self.note_aside(step.node, author, &step.from);
                if let Some(replaced) = replaced.filter(|replaced| self.links(*replaced) == 0) {
                    self.end(replaced);
                }
            }
        }
        self.thing(step.from.parent).mtime = time;
        self.thing(step.to.parent).mtime = time;
    }

    fn note_aside(&mut self, id: NodeId, author: MemberNumber, from: &Place) {
        self.aside.insert(id, (author, from.clone()));
    }

    fn drop(&mut self, author: MemberNumber, time: Timestamp, drop: &Drop) {
        self.names.remove(&key(&drop.place));
        if self.links(drop.node) == 0 {
            match self.newcomer_to(author, drop.node) {
                // A save by backup: the file that was moved aside goes on, as what was made in its place.
                Some((place, newcomer)) => {
                    let thing = self.end(newcomer);
                    self.names.insert(key(&place), drop.node);
                    self.things.insert(drop.node, thing);
                    self.aside.remove(&drop.node);
                }
                None => drop_thing(self.end(drop.node)),
            }
        }
        self.thing(drop.place.parent).mtime = time;
    }

    fn newcomer_to(&self, author: MemberNumber, id: NodeId) -> Option<(Place, NodeId)> {
        let (_, place) = self.aside.get(&id).filter(|(by, _)| *by == author)?;
        let is_file = matches!(self.things[&id].body, Body::File(_));
        let newcomer = *self.names.get(&key(place)).filter(|_| is_file)?;
        let is_new = newcomer.member == author && (id.member != author || newcomer.counter > id.counter);
        let fits = is_new && self.is_single_file(newcomer) && !self.aside.contains_key(&newcomer);
        fits.then(|| (place.clone(), newcomer))
    }

    fn end(&mut self, id: NodeId) -> Thing {
        self.aside.remove(&id);
        self.things.remove(&id).expect("what ends was there")
    }

    /// What a stored tree shows, in the same form.
    pub fn of_tree<K: Kv + ?Sized>(tree: &RowTree<K>) -> Reference {
        let mut all = Reference { things: BTreeMap::new(), ..Reference::default() };
        let mut todo = vec![NodeId::ROOT];
        while let Some(id) = todo.pop() {
            let Some(node) = tree.node(id) else { continue };
            if node.is_directory() {
                for (name, child) in tree.list(id, 0) {
                    all.names.insert((id, name), child);
                    todo.push(child);
                }
            }
            all.things.insert(id, node.into());
        }
        all
    }

    /// The first difference to another one, for people.
    pub fn difference(&self, other: &Reference) -> Option<String> {
        let names = self.names.keys().chain(other.names.keys());
        for name in names {
            let (here, there) = (self.names.get(name), other.names.get(name));
            if here != there {
                return Some(format!("{} in {} is {here:?}, and {there:?} there", name.1, name.0));
            }
        }
        for id in self.things.keys().chain(other.things.keys()) {
            let (here, there) = (self.things.get(id), other.things.get(id));
            if here != there {
                return Some(format!("node {id} is {here:?}, and {there:?} there"));
            }
        }
        None
    }
}

fn drop_thing(_: Thing) {}
