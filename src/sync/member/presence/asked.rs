//! What is fetched: everything, or what somebody asked for.

use super::super::inodes::holds;
use super::super::keys;
use super::super::records::{Ino, Inode, content_of};
use super::super::state::{Effects, LocalError, Replica, Work};
use super::Fetching;
use crate::model::{Manifest, Node, NodeId};
use crate::ops::{Tree, Verb};
use crate::sync::kv::{Durability, Kv, Store, prefix_end};
use crate::wire::{Row, RowKey, decode_row_key};

/// Rows changed in one transaction where all are.
const ROWS_AT_ONCE: usize = 10_000;
const FETCHING: &str = "fetching";

/// How much was asked for that is not here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub files: u64,
    pub bytes: u64,
}

/// Where a file's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residence {
    pub manifest: Manifest,
    pub here: bool,
    /// None where nobody has asked for an inode, and so nothing is here.
    pub ino: Option<Ino>,
}

impl<S: Store> Replica<S> {
    /// Sets what is fetched from here on. What was wanted before under another rule is wanted no more, or now.
    ///
    /// # Errors
    /// [`LocalError::Write`]; it is set the next time then.
    pub fn set_fetching(&mut self, fetching: Fetching) -> Result<(), LocalError> {
        self.state.presence.fetching = fetching;
        let all = |value: Option<Vec<u8>>| value.is_none_or(|value| value == [0]);
        let was_all = all(self.store.get(&keys::meta(FETCHING)));
        let is_all = fetching == Fetching::All;
        if was_all == is_all {
            return Ok(());
        }
        if is_all {
            self.of_all(|work, node| work.want(node))?;
        } else {
            self.unmark_all()?;
        }
        self.transact_quietly(Durability::Process, |work| {
            work.txn.put(keys::meta(FETCHING), vec![u8::from(!is_all)]);
            Ok(())
        })
    }

    pub fn fetching(&self) -> Fetching {
        self.state.presence.fetching
    }

    /// Does something with each file of the view, in transactions of bounded size.
    fn of_all(&mut self, mut each: impl FnMut(&mut Work<'_, S>, NodeId)) -> Result<(), LocalError> {
        let mut after = [self.state.slot.view_prefix(), &RowKey::nodes()].concat();
        let end = prefix_end(&after);
        loop {
            let rows = self.store.scan(&after, &end).take(ROWS_AT_ONCE);
            let keys: Vec<Vec<u8>> = rows.map(|(key, _)| key).collect();
            let Some(last) = keys.last() else { return Ok(()) };
            after = [&last[..], &[0]].concat();
            let nodes = keys.iter().filter_map(|key| match decode_row_key(&key[2..]) {
                Ok(Row::Node(node)) => Some(node),
                _ => None,
            });
            self.transact_quietly(Durability::Process, |work| {
                nodes.for_each(|node| each(work, node));
                Ok(())
            })?;
        }
    }

    fn unmark_all(&mut self) -> Result<(), LocalError> {
        let mut after = None;
        loop {
            let nodes = self.wanted(after, ROWS_AT_ONCE);
            let Some(last) = nodes.last() else { return Ok(()) };
            after = Some(*last);
            self.transact_quietly(Durability::Process, |work| {
                nodes.iter().for_each(|node| work.want_no_more(*node));
                Ok(())
            })?;
        }
    }

    /// Has the contents of these files fetched, once each; what is here or no file is passed over.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn ask_for(&mut self, nodes: &[NodeId]) -> Result<(Asked, Effects), LocalError> {
        self.transact_now(|work| {
            let mut asked = Asked::default();
            for node in nodes {
                let Some(bytes) = work.missing(*node) else { continue };
                work.txn.put(keys::wanted(*node), Vec::new());
                work.effects.wants_content = true;
                (asked.files, asked.bytes) = (asked.files + 1, asked.bytes + bytes);
            }
            Ok(asked)
        })
    }

    /// Takes back what was asked for and has not come, but for what is pinned.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn ask_no_more(&mut self, nodes: &[NodeId]) -> Result<(), LocalError> {
        if self.state.presence.fetching == Fetching::All {
            return Ok(());
        }
        self.transact_quietly(Durability::Process, |work| {
            nodes.iter().for_each(|node| work.want_no_more(*node));
            Ok(())
        })
    }

    /// Where the content of a file of the view is; none for anything else.
    pub fn residence(&self, node: NodeId) -> Option<Residence> {
        let manifest = self.view().node(node)?.manifest()?.clone();
        let ino = self.known_ino_of(node);
        let is_here = |ino: Ino| self.is_materialized(ino);
        let here = manifest.length == 0 || ino.is_some_and(is_here);
        Some(Residence { manifest, here, ino })
    }

    /// The content that an open inode's handles are to read in pieces from here on: its node's, where that is not here and
    /// has so many bytes at least. Remote content leaves the inode alone then, as if it held the content.
    pub fn read_in_pieces(&mut self, ino: Ino, bytes_min: u64) -> Option<(NodeId, Manifest)> {
        if self.is_materialized(ino) || !self.state.open.contains_key(&ino) {
            return None;
        }
        let node = self.inode(ino)?.node;
        let manifest =
            self.view().node(node)?.manifest().filter(|manifest| manifest.length >= bytes_min)?.clone();
        self.state.presence.in_pieces.insert(ino, content_of(&manifest));
        Some((node, manifest))
    }

    /// Whether content that comes along with this op is kept: where all is fetched, below a pin, and where the file it
    /// goes to has content here.
    pub fn keeps_inline(&mut self, verb: &Verb) -> bool {
        if self.state.presence.fetching == Fetching::All {
            return true;
        }
        let kept = self.transact_now(|work| {
            let cached = |node| work.known_ino_of(node).and_then(|ino| work.inode(ino));
            let below = match verb {
                Verb::Make(make) => work.is_pinned(make.place.parent),
                _ => work.is_pinned(verb.node()),
            };
            Ok(below || cached(verb.node()).is_some_and(|inode: Inode| inode.backing.is_some()))
        });
        kept.is_ok_and(|(kept, _)| kept)
    }

    /// Inodes whose backing file is another than it was, since the last call.
    pub fn take_changed_contents(&mut self) -> Vec<Ino> {
        std::mem::take(&mut self.state.presence.changed).into_iter().collect()
    }

    /// The backing file of an inode that is no unshared node's.
    pub fn content_file(&self, ino: Ino) -> Option<u64> {
        let inode = self.inode(ino).filter(|inode| !inode.node.is_unshared())?;
        inode.backing.map(|backing| backing.file)
    }

    /// Inodes from after `after` on, with their backing files as [`Replica::content_file`] has them.
    pub fn content_files(&self, after: Option<Ino>, limit: usize) -> Vec<(Ino, Option<u64>)> {
        let from = after.map_or(vec![keys::INODE], |ino| [keys::inode(ino), vec![0]].concat());
        let rows = self.store.scan(&from, &[keys::INODE + 1]).take(limit);
        let inos = rows.map(|(key, _)| Ino(keys::number_of(&key)));
        inos.map(|ino| (ino, self.content_file(ino))).collect()
    }

    /// When contents were used last, as far as that was noted: milliseconds since 1970, for each inode.
    pub fn last_uses(&self) -> Vec<(Ino, u64)> {
        let rows = self.store.scan_prefix(&[keys::USED]);
        let number = |value: &[u8]| value.try_into().map(u64::from_be_bytes).unwrap_or_default();
        rows.map(|(key, value)| (Ino(keys::number_of(&key)), number(&value))).collect()
    }

    /// Notes when contents were used last. It may be lost with the process and nothing depends on it.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn note_uses(&mut self, uses: &[(Ino, u64)]) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Process, |work| {
            for (ino, used) in uses {
                if work.txn.get(&keys::inode(*ino)).is_some() {
                    work.txn.put(keys::used(*ino), used.to_be_bytes().to_vec());
                }
            }
            Ok(())
        })
    }
}

impl<S: Store> Work<'_, S> {
    /// Notes that a node's content is to be fetched, unless it is here or nobody wants it.
    pub fn want(&mut self, node: NodeId) {
        let missing = self.missing(node).is_some();
        let marked = self.txn.get(&keys::wanted(node)).is_some();
        if !missing && marked {
            self.txn.remove(keys::wanted(node));
        } else if missing && (marked || self.is_fetched_unasked(node)) {
            self.txn.put(keys::wanted(node), Vec::new());
            self.effects.wants_content = true;
        }
    }

    fn is_fetched_unasked(&self, node: NodeId) -> bool {
        self.state.presence.fetching == Fetching::All || self.is_pinned(node)
    }

    fn want_no_more(&mut self, node: NodeId) {
        if !self.is_pinned(node) {
            self.txn.remove(keys::wanted(node));
        }
    }

    /// The length of a file's content that is not here.
    fn missing(&self, node: NodeId) -> Option<u64> {
        let row: Node = self.view().node(node)?;
        let manifest = row.manifest().filter(|manifest| manifest.length > 0)?;
        let is_here = |ino: Ino| {
            // What is being written here takes its place.
            let dirty = self.txn.get(&keys::dirty(ino)).is_some();
            dirty || self.inode(ino).is_some_and(|inode| holds(&inode, manifest))
        };
        Some(manifest.length).filter(|_| !self.known_ino_of(node).is_some_and(is_here))
    }

    /// Whether the inode's handles read this content in pieces.
    pub fn reads_in_pieces(&self, ino: Ino, manifest: &Manifest) -> bool {
        self.state.presence.in_pieces.get(&ino) == Some(&content_of(manifest))
    }

    /// Notes that an inode's backing file may be another from now on.
    pub fn note_content(&mut self, ino: Ino) {
        if self.state.presence.fetching == Fetching::Asked {
            self.state.presence.changed.insert(ino);
        }
    }
}
