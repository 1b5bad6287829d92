//! A file, a directory with all below it, or a whole space made what it was at a sequence.
//!
//! Nothing outside the restored place changes. What was removed comes back as the node it was; what lives elsewhere
//! now, outside, stays there, and a new node is made like it. Two manners are for directories that are there:
//! [`Manner::Missing`] brings back what is not there and leaves the rest as it is, [`Manner::Exact`] makes all of it
//! what it was, and what came since goes. A directory that is there and not empty is restored in neither unless
//! somebody says in which; a single file is put in place of the one that is there.
//!
//! Two rounds, each from the top down: the first arranges names and contents, the second removes what was not there
//! then, which may hold what the first has still to take out, and sets the directories' attributes, which both
//! rounds' ops change.

use super::frames::Frame;
use super::rows::{drop_name, set_meta};
use super::{Allocate, Steps};
use crate::model::{Name, Node, NodeId, Place};
use crate::ops::{Tree, Verb};
use crate::sync::kv::Kv;
use crate::sync::rows::RowTree;
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a directory that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// What is missing comes back; what is there stays as it is.
    Missing,
    /// All becomes what it was.
    Exact,
}

/// Why nothing is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nothing was there then")]
    NothingThere,
    #[error("it is there and not empty")]
    NotEmpty,
    #[error("it was a directory then and is a file now")]
    FileNow,
    #[error("it was a file then and is a directory now")]
    DirectoryNow,
    #[error("one of the directories above it is a file now")]
    FileAbove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Arrange,
    Finish,
}

/// Restores one place, op by op.
pub struct Restore<'p, P: Kv + ?Sized> {
    pub(super) past: RowTree<'p, P>,
    pub(super) manner: Manner,
    path: Vec<Name>,
    /// The node that was at the path.
    pub(super) root: NodeId,
    round: Round,
    frames: Vec<Frame>,
    /// Directories that are being emptied because they go.
    removing: Vec<Frame>,
    /// Nodes of the past and what stands for them, where that is another one or was made here.
    pub(super) stands: BTreeMap<NodeId, NodeId>,
    /// The other way round.
    pub(super) stood_for: BTreeMap<NodeId, NodeId>,
    /// Directories made here.
    pub(super) made: BTreeSet<NodeId>,
    pub(super) left: u64,
}

impl<'p, P: Kv + ?Sized> Restore<'p, P> {
    /// Prepares to make `path` what it was in `past`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn new<K: Kv + ?Sized>(
        past: RowTree<'p, P>,
        present: &RowTree<'_, K>,
        path: Vec<Name>,
        manner: Option<Manner>,
    ) -> Result<Restore<'p, P>, Refusal> {
        let root = path.iter().try_fold(NodeId::ROOT, |at, name| past.child(at, name));
        let root = root.ok_or(Refusal::NothingThere)?;
        let was_directory = past.node(root).is_some_and(|row| row.is_directory());
        let there = standing_at(present, &path)?;
        match there.map(|(id, row)| (row.is_directory(), id)) {
            Some((false, _)) if was_directory => return Err(Refusal::FileNow),
            Some((true, _)) if !was_directory => return Err(Refusal::DirectoryNow),
            Some((true, id)) if manner.is_none() && !present.is_empty(id) => return Err(Refusal::NotEmpty),
            _ => {}
        }
        let manner = if was_directory { manner.unwrap_or(Manner::Missing) } else { Manner::Exact };
        let mut restore = Restore {
            past,
            manner,
            path,
            root,
            round: Round::Arrange,
            frames: Vec::new(),
            removing: Vec::new(),
            stands: BTreeMap::new(),
            stood_for: BTreeMap::new(),
            made: BTreeSet::new(),
            left: 0,
        };
        restore.begin(Round::Arrange);
        Ok(restore)
    }

    /// Names that were taken, and left as they are.
    pub fn left(&self) -> u64 {
        self.left
    }

    fn begin(&mut self, round: Round) {
        let on_path = (!self.path.is_empty()).then_some(0);
        self.round = round;
        self.frames.push(Frame::new(NodeId::ROOT, NodeId::ROOT, on_path));
    }

    pub(super) fn stand_in(&self, past: NodeId) -> NodeId {
        self.stands.get(&past).copied().unwrap_or(past)
    }

    pub(super) fn let_stand(&mut self, past: NodeId, present: NodeId) {
        self.stands.insert(past, present);
        self.stood_for.insert(present, past);
    }

    fn may_try(&mut self, name: Option<&Name>) -> bool {
        self.frames.last_mut().is_some_and(|frame| frame.may_try(name))
    }

    /// The next name that a frame of the walk over the past comes to.
    fn in_hand(&self, frame: &Frame) -> Option<(Name, NodeId)> {
        match frame.on_path {
            None => frame.peek(&self.past, frame.walked),
            Some(depth) => {
                let name = &self.path[depth];
                let child = || Some((name.clone(), self.past.child(frame.walked, name)?));
                if frame.is_behind(name) { None } else { child() }
            }
        }
    }

    /// Where the walk is one level below a frame.
    fn deeper(&self, frame: &Frame) -> Option<usize> {
        frame.on_path.map(|depth| depth + 1).filter(|depth| *depth < self.path.len())
    }

    /// Goes on behind the name in hand, and below it where it is a directory that is in its place.
    fn descend<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, name: &Name, id: NodeId) {
        let Some(frame) = self.frames.last_mut() else { return };
        frame.pass(name);
        let frame = frame.clone();
        let stand = self.stand_in(id);
        let is_there = present.child(frame.target, name) == Some(stand);
        let both = [self.past.node(id), present.node(stand)];
        if is_there && both.iter().all(|row| row.as_ref().is_some_and(Node::is_directory)) {
            self.frames.push(Frame::new(id, stand, self.deeper(&frame)));
        }
    }

    fn arrange<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        allocate: Allocate<'_>,
        frame: &Frame,
    ) -> Option<Verb> {
        let is_there = present.node(frame.target).is_some_and(|row| row.is_directory());
        let Some((name, id)) = self.in_hand(frame).filter(|_| is_there) else {
            self.frames.pop();
            return None;
        };
        let place = Place { parent: frame.target, name };
        let is_above = self.deeper(frame).is_some();
        let verb = self.arrange_child(present, allocate, &place, (id, is_above));
        match verb {
            Some(verb) if self.may_try(Some(&place.name)) => Some(verb),
            _ => {
                self.descend(present, &place.name, id);
                None
            }
        }
    }

    fn finish<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, frame: &Frame) -> Option<Verb> {
        if let Some((name, id)) = self.in_hand(frame).filter(|_| !frame.second) {
            self.descend(present, &name, id);
            return None;
        }
        let exact = self.manner == Manner::Exact && frame.on_path.is_none();
        if exact && !frame.second {
            self.frames.last_mut()?.begin_second();
            return None;
        }
        if exact && let Some((name, there)) = frame.peek(present, frame.target) {
            return self.keep_or_remove(present, frame, (name, there));
        }
        self.finish_directory(present, frame, exact)
    }

    fn keep_or_remove<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        frame: &Frame,
        (name, there): (Name, NodeId),
    ) -> Option<Verb> {
        let was = self.past.child(frame.walked, &name);
        let top = self.frames.last_mut()?;
        if was.is_some_and(|was| self.stands.get(&was).copied().unwrap_or(was) == there)
            || !top.may_try(Some(&name))
        {
            top.pass(&name);
            return None;
        }
        let row = present.node(there)?;
        if row.is_directory() && !present.is_empty(there) {
            self.removing.push(Frame::new(there, there, None));
            return None;
        }
        Some(drop_name(there, Place { parent: frame.target, name }, &row))
    }

    fn finish_directory<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        frame: &Frame,
        exact: bool,
    ) -> Option<Verb> {
        let set = || {
            let (row, now) = (self.past.node(frame.walked)?, present.node(frame.target)?);
            set_meta(frame.target, &now, &row)
        };
        let set = if exact || self.made.contains(&frame.target) { set() } else { None };
        match set {
            Some(verb) if self.may_try(None) => Some(verb),
            _ => {
                self.frames.pop();
                None
            }
        }
    }

    /// The next op that empties the directories which go.
    fn empty<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>) -> Option<Verb> {
        while let Some(frame) = self.removing.last_mut() {
            let Some((name, child)) = frame.peek(present, frame.target) else {
                self.removing.pop();
                continue;
            };
            let Some(row) = present.node(child).filter(|_| frame.may_try(Some(&name))) else {
                frame.pass(&name);
                continue;
            };
            let place = Place { parent: frame.target, name };
            if !row.is_directory() || present.is_empty(child) {
                return Some(drop_name(child, place, &row));
            }
            self.removing.push(Frame::new(child, child, None));
        }
        None
    }
}

impl<P: Kv + ?Sized> Steps for Restore<'_, P> {
    fn next<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, allocate: Allocate<'_>) -> Option<Verb> {
        loop {
            if let Some(verb) = self.empty(present) {
                return Some(verb);
            }
            let verb = match (self.frames.last().cloned(), self.round) {
                (Some(frame), Round::Arrange) => self.arrange(present, allocate, &frame),
                (Some(frame), Round::Finish) => self.finish(present, &frame),
                (None, Round::Arrange) => {
                    self.begin(Round::Finish);
                    None
                }
                (None, Round::Finish) => return None,
            };
            if verb.is_some() {
                return verb;
            }
        }
    }
}

/// What stands at a path now; an error where a file is above it.
fn standing_at<K: Kv + ?Sized>(
    present: &RowTree<'_, K>,
    path: &[Name],
) -> Result<Option<(NodeId, Node)>, Refusal> {
    let mut at = present.node(NodeId::ROOT).map(|row| (NodeId::ROOT, row));
    for name in path {
        at = match at {
            None => None,
            Some((_, row)) if !row.is_directory() => return Err(Refusal::FileAbove),
            Some((parent, _)) => {
                present.child(parent, name).and_then(|child| Some((child, present.node(child)?)))
            }
        };
    }
    Ok(at)
}
