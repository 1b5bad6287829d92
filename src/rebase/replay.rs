//! The state of a replay: what stands where in the new view, and what came out so far.

use super::was::{BasedOn, Succession, Was};
use super::withheld::Withheld;
use super::{Pending, Replayed, Replayer};
use crate::model::{ConflictKind, NodeId, Place, Timestamp, Version};
use crate::ops::{Op, Rejection, TreeMut, Verb, apply};
use std::collections::{BTreeMap, BTreeSet};

/// More steps from a node that is gone to what it became would mean a ring, which no history makes.
const HOPS_MAX: usize = 10_000;

/// Stands for "no version of this node": contents are counted from 1.
pub(super) const NO_VERSION: Version = Version(0);

/// A replay in progress, for callers that feed it op by op.
pub struct Rebase<'t, 'r, T, O> {
    /// The new view, as far as replayed.
    pub(super) tree: &'t mut T,
    /// The old view, as far as replayed.
    pub(super) old: &'t mut O,
    pub(super) replayer: Replayer<'r>,
    pub(super) result: Replayed,
    /// Nodes whose accepted place stays, whatever the rest of the journal says.
    pub(super) stuck: BTreeSet<NodeId>,
    /// Names of the old view that read otherwise in the new one, by the old view's node and place.
    diverted: BTreeMap<(NodeId, Place), Place>,
    /// Where nodes were that this replay moved, before it moved them first.
    pub(super) began: BTreeMap<NodeId, Place>,
    /// Nodes that this replay made or brought back.
    pub(super) made: BTreeSet<NodeId>,
    /// Those of them that nobody else has ever seen.
    pub(super) unseen: BTreeSet<NodeId>,
    /// Versions in which nodes came back with contents that this member had never seen.
    pub(super) removed_contents: BTreeMap<NodeId, Version>,
    /// Names that the other side had made when this member made them.
    pub(super) shared: BTreeSet<Place>,
    /// Files that this replay gave a content.
    pub(super) edited: BTreeSet<NodeId>,
    /// The version that each file had before this replay put the first content into it.
    pub(super) put_from: BTreeMap<NodeId, Version>,
    /// Saves by rename that the ops that came out made, and the op as it was meant did not.
    successions: Vec<Succession>,
    /// The save by rename that the current op made in the old view.
    pub(super) meant: Option<Succession>,
    /// The content in whose place the current op put another in the old view.
    pub(super) based_on: Option<BasedOn>,
    pub(super) withheld: BTreeMap<NodeId, Withheld>,
    /// The old view's node that the current op is about.
    pub(super) about: NodeId,
    /// The last name that the current op made.
    arrived: Option<Place>,
    pub(super) tag: u64,
    pub(super) time: Timestamp,
}

/// Where a content of the old view is to be found in the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub node: NodeId,
    /// [`NO_VERSION`] where the node never had it.
    pub version: Version,
}

/// Where a content stood before an op that may take it elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Before {
    content: Spot,
    /// The op's node has it: it is neither in a conflict copy nor replaced by the other side.
    with_node: bool,
    /// It is in another live node.
    in_other: bool,
}

impl Before {
    /// Where it stands after an op that took the node's content to `went`, or left it alone.
    pub fn after(self, went: Option<Spot>) -> Spot {
        match went {
            Some(spot) if self.with_node => spot,
            Some(spot) if !self.in_other => Spot { version: NO_VERSION, ..spot },
            _ => self.content,
        }
    }
}

/// What became of a name.
pub(super) enum Whereabouts {
    /// It is where this member put or saw it.
    There(Place),
    /// The other side moved it.
    Elsewhere(Place),
    /// The other side removed it; the node has other names.
    Gone,
}

impl<'t, 'r, T: TreeMut, O: TreeMut> Rebase<'t, 'r, T, O> {
    /// Begins a replay: `old` is the old base and becomes the old view, `tree` the new base and the new view.
    pub fn new(tree: &'t mut T, old: &'t mut O, replayer: Replayer<'r>) -> Self {
        Rebase {
            tree,
            old,
            replayer,
            result: Replayed::default(),
            stuck: BTreeSet::new(),
            diverted: BTreeMap::new(),
            began: BTreeMap::new(),
            made: BTreeSet::new(),
            unseen: BTreeSet::new(),
            removed_contents: BTreeMap::new(),
            shared: BTreeSet::new(),
            edited: BTreeSet::new(),
            put_from: BTreeMap::new(),
            successions: Vec::new(),
            meant: None,
            based_on: None,
            withheld: BTreeMap::new(),
            about: NodeId::ROOT,
            arrived: None,
            tag: 0,
            time: Timestamp::default(),
        }
    }

    /// States where the old base stands in the new one, before anything is replayed.
    pub fn begin_with(&mut self, stands: super::Correspondence) {
        let super::Correspondence { nodes, versions } = stands;
        (self.result.nodes, self.result.versions) = (nodes, versions);
    }

    /// Replays the journal's next op.
    pub fn step(&mut self, pending: Pending) {
        let mut was = Was::of(self.old, self.replayer.author, &pending.op);
        // What is withheld was made from an older content than the one it stands on.
        self.based_on = was.based_on.take().filter(|_| !pending.withheld);
        (self.tag, self.time, self.meant) = (pending.tag, pending.op.time, was.succession);
        (self.about, self.arrived) = (pending.op.verb.node(), None);
        let first = self.result.ops.len();
        match pending.op.verb.clone() {
            Verb::Make(make) => self.make(make, &was),
            Verb::Put(put) if pending.withheld => self.put_withheld(put),
            Verb::Put(put) => self.put(put),
            Verb::SetMeta(set) => self.set_meta(set, &was),
            Verb::Link(link) => self.link(link, &was),
            Verb::Move(rename) => self.rename(rename, &was),
            Verb::Drop(drop) => self.drop_name(drop, &was),
            Verb::Settle { node, member } => {
                let node = self.node_of(node);
                self.emit_or_record(Verb::Settle { node, member });
            }
            Verb::Record(conflict) => {
                if let Some(conflict) = self.conflict_today(Some(conflict), None) {
                    self.emit_or_record(Verb::Record(conflict));
                }
            }
        }
        let same = match pending.withheld {
            true => self.result.ops.len() == first && self.withholds_still(&pending.op),
            false => self.result.ops[first..] == [pending],
        };
        self.result.changed |= !same;
    }

    /// Ends the replay.
    pub fn finish(mut self) -> Replayed {
        let withheld = self.withheld_ops();
        self.result.ops.extend(withheld);
        for made in std::mem::take(&mut self.successions) {
            self.result.nodes.entry(made.vanished).or_insert(made.survivor);
            let carried = (made.survivor, made.version);
            self.result.versions.entry((made.vanished, made.content)).or_insert(carried);
        }
        let olds: Vec<NodeId> = self.result.nodes.keys().copied().collect();
        for old in olds {
            let new = self.node_of(old);
            self.result.nodes.insert(old, new);
        }
        let olds: Vec<(NodeId, Version)> = self.result.versions.keys().copied().collect();
        for old in olds {
            let spot = self.locate(old.0, old.1);
            self.result.versions.insert(old, (spot.node, spot.version));
        }
        self.result
    }

    /// Applies an op to the new view and adds it to what comes out.
    pub(super) fn emit(&mut self, verb: Verb) -> Result<Option<Succession>, Rejection> {
        let op = Op { time: self.time, verb };
        let changes = apply(self.tree, self.replayer.author, &op)?;
        if let Verb::Make(make) = &op.verb
            && self.tree.tombstone(make.node).is_none()
        {
            self.unseen.insert(make.node);
        }
        let succession = Succession::among(&changes);
        self.successions.extend(succession.filter(|made| self.meant != Some(*made)));
        self.tree.write(changes);
        match &op.verb {
            Verb::Make(make) => {
                self.made.insert(make.node);
                self.stuck.remove(&make.node);
                self.arrived = Some(make.place.clone());
            }
            Verb::Put(put) => {
                self.edited.insert(put.node);
                self.put_from.entry(put.node).or_insert(put.base);
            }
            Verb::Link(link) => self.arrived = Some(link.place.clone()),
            Verb::Move(rename) => {
                self.arrived = Some(rename.to.clone());
                self.note_beginning(rename.node, &rename.from);
                let other = rename.replaces.filter(|_| rename.exchange);
                other.into_iter().for_each(|other| self.note_beginning(other.node, &rename.to));
            }
            _ => {}
        }
        self.result.ops.push(Pending::new(op, self.tag));
        Ok(succession)
    }

    /// Tells whether a node came back with a content that the other side made and removed again, and still has it.
    pub(super) fn has_removed_content(&self, node: NodeId) -> bool {
        self.removed_contents.get(&node) == Some(&self.spot(node).version)
    }

    /// Keeps where a node was before this replay moved it, unless it was made in this replay.
    pub(super) fn note_beginning(&mut self, node: NodeId, place: &Place) {
        if !self.made.contains(&node) {
            self.began.entry(node).or_insert_with(|| place.clone());
        }
    }

    /// Applies an op that is expected to fit; should it not, that is recorded instead.
    pub(super) fn emit_or_record(&mut self, verb: Verb) -> Option<Succession> {
        let node = verb.node();
        match self.emit(verb) {
            Ok(succession) => succession,
            Err(rejection) => {
                if cfg!(any(test, debug_assertions)) {
                    unreachable!("an op made to fit does not: {rejection}");
                }
                self.record(ConflictKind::Dropped, node, NO_VERSION);
                None
            }
        }
    }

    /// The node of the new view that a node of the old view is; it need not be live.
    pub(super) fn node_of(&self, old: NodeId) -> NodeId {
        let mut at = self.substitute(old).unwrap_or(old);
        for _ in 0..HOPS_MAX {
            if self.tree.node(at).is_some() {
                break;
            }
            match self.became(at) {
                Some(next) => at = next.node,
                None => break,
            }
        }
        at
    }

    /// Where the content that stood at a version of the old view stands now; the node need not be live.
    pub(super) fn locate(&self, old: NodeId, version: Version) -> Spot {
        let mut at = match (self.result.versions.get(&(old, version)), self.substitute(old)) {
            (Some(&(node, version)), _) => Spot { node, version },
            (None, Some(node)) => Spot { node, version: NO_VERSION },
            (None, None) => Spot { node: old, version },
        };
        for _ in 0..HOPS_MAX {
            if self.tree.node(at.node).is_some() {
                break;
            }
            match self.became(at.node) {
                Some(next) => at = self.follow(at, next),
                None => break,
            }
        }
        at
    }

    fn follow(&self, at: Spot, next: Spot) -> Spot {
        let removed = self.tree.tombstone(at.node).map(|tombstone| tombstone.node.version);
        let carried = at.version != NO_VERSION && removed == Some(at.version.next());
        Spot { node: next.node, version: if carried { next.version } else { NO_VERSION } }
    }

    /// What a node that is not in the new view went on as.
    fn became(&self, gone: NodeId) -> Option<Spot> {
        let successor = self.tree.tombstone(gone).and_then(|tombstone| tombstone.successor);
        match successor {
            Some(successor) => Some(Spot { node: successor.node, version: successor.version }),
            None => self.substitute(gone).map(|node| Spot { node, version: NO_VERSION }),
        }
    }

    fn substitute(&self, old: NodeId) -> Option<NodeId> {
        self.result.nodes.get(&old).copied().filter(|node| *node != old)
    }

    /// States which node of the new view a node of the old view is from here on.
    pub(super) fn stands_for(&mut self, old: NodeId, new: NodeId) {
        if old == new {
            self.result.nodes.remove(&old);
        } else {
            self.result.nodes.insert(old, new);
        }
    }

    /// States where the content of a version of the old view stands.
    pub(super) fn stands_at(&mut self, old: (NodeId, Version), spot: Spot) {
        if old.1 == NO_VERSION {
            return;
        }
        if old == (spot.node, spot.version) {
            self.result.versions.remove(&old);
        } else {
            self.result.versions.insert(old, (spot.node, spot.version));
        }
    }

    /// The content a live node has now.
    pub(super) fn spot(&self, node: NodeId) -> Spot {
        Spot { node, version: self.tree.node(node).map_or(NO_VERSION, |node| node.version) }
    }

    /// Notes how a content of the old view stands to the node that an op is about.
    pub(super) fn before(&self, node: NodeId, content: Spot) -> Before {
        let live = |node| self.tree.node(node).is_some();
        let has_it = if live(node) { self.spot(node) == content } else { self.comes_back_with(content) };
        let in_other = content.node != node && live(content.node);
        Before { content, with_node: content.node == node && has_it, in_other }
    }

    /// A place of the old view in the new one; its directory need not be live.
    pub(super) fn place_of(&self, place: &Place) -> Place {
        Place { parent: self.node_of(place.parent), name: place.name.clone() }
    }

    pub(super) fn leads(&self, place: &Place, node: NodeId) -> bool {
        self.tree.child(place.parent, &place.name) == Some(node)
    }

    /// What became of the name that `old` had at `place` of the old view; `node` is what it is now.
    pub(super) fn whereabouts(&self, old: NodeId, node: NodeId, place: &Place, was: &Was) -> Whereabouts {
        let here = self.actual(old, place);
        if self.leads(&here, node) {
            return Whereabouts::There(here);
        }
        self.moved_name(old, node, place, &was.places).map_or(Whereabouts::Gone, Whereabouts::Elsewhere)
    }

    /// The new name for one of `places` of the old view that does not lead to the node any more. Several such
    /// names, and fewer new ones, leave it open which were moved and which removed: then none counts as moved.
    fn moved_name(&self, old: NodeId, node: NodeId, place: &Place, places: &[Place]) -> Option<Place> {
        let known: Vec<Place> = places.iter().map(|place| self.actual(old, place)).collect();
        let missing: Vec<&Place> = places
            .iter()
            .zip(&known)
            .filter(|(_, known)| !self.leads(known, node))
            .map(|(place, _)| place)
            .collect();
        let new: Vec<Place> =
            self.tree.places(node).into_iter().filter(|name| !known.contains(name)).collect();
        let rank = missing.iter().position(|missing| *missing == place).unwrap_or(0);
        new.get(rank).filter(|_| new.len() >= missing.len()).cloned()
    }

    fn actual(&self, old: NodeId, place: &Place) -> Place {
        let diverted = self.diverted.get(&(old, place.clone()));
        diverted.cloned().unwrap_or_else(|| self.place_of(place))
    }

    /// Notes which name of `node` is the one that `old` now has at `place` of the old view.
    pub(super) fn note_name(&mut self, old: NodeId, place: &Place, node: NodeId) {
        let key = (old, place.clone());
        self.diverted.remove(&key);
        if self.leads(&self.place_of(place), node) {
            return;
        }
        let arrived = self.arrived.clone().filter(|arrived| self.leads(arrived, node));
        let name = arrived.or_else(|| self.moved_name(old, node, place, &self.old.places(old)));
        name.map(|name| self.diverted.insert(key, name));
    }
}
