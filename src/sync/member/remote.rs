//! Remote work: log entries move the base, accepted commits leave the journal, content comes in.

use super::base::{BaseKv, write_base};
use super::inodes::{holds, holds_as_backing};
use super::journal::nodes_of;
use super::keys;
use super::records::{Backing, Ino, Inode, content_of};
use super::sights::{NameChange, NodeChange, Sight, Sighting};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Digest, Manifest, MemberNumber, Node, NodeId, Timestamp};
use crate::ops::{Op, Rejection, Tree, TreeMut, Verb, apply, resolve_successor};
use crate::sync::kv::{Batch, Kv, Store, Txn};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::{LogEntry, Position, Row, RowKey, decode, decode_row_key};
use std::collections::BTreeSet;

impl<S: Store> Replica<S> {
    /// Swaps in fetched content: `file` holds what `content` names, and takes so many `blocks` of 512 bytes. Returns the
    /// file among the removed ones where the node's content is another by now.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn materialized(
        &mut self,
        node: NodeId,
        content: Digest,
        (file, blocks): (u64, Option<u64>),
    ) -> Result<Effects, LocalError> {
        let swapped = self.transact_now(|work| {
            work.txn.put(keys::meta("counters"), crate::wire::encode(&work.state.counters));
            match work.swap_in(node, content, file) {
                true => work.note_blocks_of(node, blocks),
                false => work.effects.removed_files.push(file),
            }
            work.want(node);
            Ok(())
        });
        swapped.map(|((), effects)| effects)
    }
}

impl<S: Store> Work<'_, S> {
    /// Applies a log entry to the base and, where the journal touched the same rows, replays the journal.
    /// Returns whether it did touch them.
    pub fn apply_entry(&mut self, entry: &LogEntry) -> Result<bool, Rejection> {
        let (rows, sights) = self.base_changes(entry.member, &entry.ops)?;
        if let Sighting::ByOps(all) = &mut self.sighting {
            all.extend(sights);
        }
        let ends_conflict = entry.ops.iter().any(|op| self.ends_conflict(&op.verb));
        let meant = ends_conflict || self.changes_what_pending_mean(rows.keys());
        let touched = write_base(&mut self.txn, self.state.slot, rows) || meant;
        let moves = |op: &Op| matches!(op.verb, Verb::Move(_));
        // A cycle shows in no single row: two moves always meet.
        let meets =
            touched || (entry.ops.iter().any(moves) && self.journal().iter().any(|(_, op)| moves(op)));
        self.save_position(Some(Position { sequence: entry.sequence, chain: entry.chain }));
        Ok(meets)
    }

    /// Tells whether an op may end a node that the view has a conflict about: one that only the journal knows shows in
    /// no row of the node.
    fn ends_conflict(&self, verb: &Verb) -> bool {
        let node = match verb {
            Verb::Drop(drop) => Some(drop.node),
            Verb::Move(rename) => rename.replaces.map(|replaced| replaced.node),
            _ => None,
        };
        node.is_some_and(|node| !self.view().conflicts_of(node).is_empty())
    }

    /// Tells whether rows are conflicts or names of nodes that pending ops are about. A removal ends the conflicts of its
    /// node, and how many names are left decides what an op on one of them does; neither shows in a row the op touched.
    fn changes_what_pending_mean<'k>(&self, mut row_keys: impl Iterator<Item = &'k Vec<u8>>) -> bool {
        if !self.has_pending() {
            return false;
        }
        let sealed = self.sealed().map_or(Vec::new(), |sealed| sealed.commit.ops);
        let sealed: BTreeSet<NodeId> = sealed.iter().flat_map(nodes_of).collect();
        row_keys.any(|key| match decode_row_key(&key[2..]) {
            Ok(Row::Conflict(node, _) | Row::Place(node, _)) => {
                sealed.contains(&node) || self.txn.scan_prefix(&keys::pending_of(node)).next().is_some()
            }
            _ => false,
        })
    }

    /// Counts the sealed commit among the base before a snapshot replaces it, so that the rest of the journal
    /// is replayed from a base it fits.
    pub fn move_base_by_sealed(&mut self) {
        let ops = self.sealed().map_or(Vec::new(), |sealed| sealed.commit.ops);
        let rows = self.base_changes(self.author(), &ops);
        let (rows, _) = rows.expect("what stands in front of the journal applies to its base");
        write_base(&mut self.txn, self.state.slot, rows);
    }

    /// The rows of the base that ops change, and what the ops show where that is wanted of them.
    fn base_changes(&self, author: MemberNumber, ops: &[Op]) -> Result<(Batch, Vec<Sight>), Rejection> {
        let shows = matches!(self.sighting, Sighting::ByOps(_)) && author != self.author();
        let mut sights = Vec::new();
        let base = BaseKv { kv: &self.txn, slot: self.state.slot };
        let mut above = Txn::new(&base);
        let prefix = self.state.slot.view();
        for op in ops {
            let tree = RowTree { kv: &above, prefix: &prefix };
            let changes = apply(&tree, author, op)?;
            if shows {
                sights.extend(self.sights_of(&tree, op, &changes));
            }
            RowTreeMut { txn: &mut above, prefix: &prefix }.write(changes);
        }
        Ok((above.into_batch(), sights))
    }

    /// Takes the accepted commit's ops out of the journal; the base has them now.
    pub fn forget_accepted(&mut self) {
        let Some(sealed) = self.sealed() else { return };
        self.txn.remove(keys::SEALED.to_vec());
        self.release_contents_of(&sealed.commit.ops);
        self.drop_agreed(&sealed.commit.ops);
        let author = self.author();
        self.accepted.extend(sealed.commit.ops.into_iter().map(|op| (author, op)));
    }

    /// Compares the view's rows before and after this transaction: what changed is for the kernel, and content
    /// that changed is to be fetched.
    pub fn note_changes(&mut self) {
        let prefix = self.state.slot.view();
        let changed: Vec<(Vec<u8>, Option<Vec<u8>>)> = self
            .txn
            .batch()
            .range(prefix.to_vec()..crate::sync::kv::prefix_end(&prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let (mut names, mut nodes) = (Vec::new(), Vec::new());
        for (key, value) in changed {
            let before = self.txn.get_below(&key);
            if before == value {
                continue;
            }
            let row = decode_row_key(&key[prefix.len()..]).expect("keys of ours decode");
            match &row {
                Row::Node(id) => {
                    nodes.push((*id, before.as_deref().map(read_node), value.as_deref().map(read_node)));
                }
                Row::Name(place) => {
                    let to = |value: Option<Vec<u8>>| value.map(|value| read_name(&value));
                    names.push((place.clone(), to(before), to(value)));
                }
                _ => {}
            }
            self.effects.changed.push(row);
        }
        self.note_sights(&names, &nodes);
        self.follow_content(nodes);
        self.note_places();
        self.give_up_ready();
    }

    // Order: inodes are named before they follow the content.
    fn note_sights(&mut self, names: &[NameChange], nodes: &[NodeChange]) {
        let sights = match std::mem::take(&mut self.sighting) {
            Sighting::Off => return,
            Sighting::ByRows => self.sights_by_rows(names, nodes),
            Sighting::ByOps(sights) => sights,
        };
        self.sighting = Sighting::ByRows;
        self.effects.sights.extend(sights);
    }

    /// Content follows nodes: taken over by a successor, cut off from open handles, or wanted.
    pub fn follow_content(&mut self, nodes: Vec<(NodeId, Option<Node>, Option<Node>)>) {
        self.settle_unshared(&nodes);
        for (id, before, now) in &nodes {
            now.iter().filter(|_| before.is_none()).for_each(|now| self.take_back(*id, now));
        }
        // Handles are cut off first: what is passed on must not come under them.
        for (id, before, now) in &nodes {
            now.iter().for_each(|now| self.cut_off_handles(*id, before.as_ref(), now));
        }
        for (id, _, _) in nodes.iter().filter(|(_, _, now)| now.is_none()) {
            self.pass_to_successor(*id);
        }
        for (id, before, now) in nodes {
            match now {
                None => self.lose(id),
                Some(now) => self.update_content(id, before.as_ref(), &now),
            }
        }
    }

    /// A file that had gone on as another is itself again, as a save by backup is none under another member number: the
    /// inode that went with its content comes back with it.
    fn take_back(&mut self, id: NodeId, now: &Node) {
        let before = RowTree { kv: self.txn.below(), prefix: self.state.slot.view_prefix() };
        let successor = resolve_successor(&before, id);
        let has = |node: &Node| {
            node.manifest().zip(now.manifest()).is_some_and(|(one, other)| one.same_content(other))
        };
        let stays = self.view().node(successor).as_ref().is_some_and(has);
        let known = self.known_ino_of(id).is_some();
        if successor == id || stays || known {
            return;
        }
        if let Some(ino) = self.known_ino_of(successor)
            && let Some(inode) = self.inode(ino)
            && now.manifest().is_some_and(|manifest| holds_as_backing(&inode, manifest))
        {
            self.txn.remove(keys::ino_of(successor));
            self.bind(ino, Inode { node: id, version: now.version, ..inode });
        }
    }

    fn pass_to_successor(&mut self, id: NodeId) {
        let successor = self.view().tombstone(id).and_then(|tombstone| tombstone.successor);
        let Some(successor) = successor.map(|successor| successor.node) else { return };
        let Some(ino) = self.known_ino_of(id) else { return };
        if self.is_held(ino) {
            return;
        }
        let row = self.view().node(successor);
        let fits = |inode: &Inode| {
            row.as_ref().and_then(Node::manifest).is_some_and(|m| m.length > 0 && holds(inode, m))
        };
        if let Some(inode) = self.inode(ino).filter(fits)
            && let Some(backing) = inode.backing
            && let Some(content) = backing.content
        {
            self.save_inode(ino, &Inode { backing: None, ..inode });
            let blocks = self.noted_blocks(ino);
            match self.swap_in(successor, content, backing.file) {
                true => self.note_blocks_of(successor, blocks),
                false => self.give_up_file(Some(content), backing.file),
            }
        }
    }

    fn lose(&mut self, id: NodeId) {
        self.txn.remove(keys::wanted(id));
        self.drop_pin(id);
        match self.known_ino_of(id) {
            Some(ino) if self.is_held(ino) => self.detach(ino),
            Some(ino) => self.remove_inode(ino),
            None => {}
        }
    }

    /// Leaves a held inode the content it has, where the node's is another from now on.
    fn cut_off_handles(&mut self, id: NodeId, before: Option<&Node>, now: &Node) {
        let Some(manifest) = now.manifest() else { return };
        let Some(ino) = self.known_ino_of(id) else { return };
        let Some(inode) = self.inode(ino) else { return };
        let renumbered = if before.is_none() { self.row_before(ino) } else { None };
        let old = before.or(renumbered.as_ref()).and_then(Node::manifest);
        let stays = old.is_some_and(|old| old.same_content(manifest)) || holds_as_backing(&inode, manifest);
        let dirty = self.txn.get(&keys::dirty(ino)).is_some();
        let has = |old: &Manifest| holds(&inode, old) || self.reads_in_pieces(ino, old);
        if !stays && (dirty || (self.is_held(ino) && old.is_some_and(has))) {
            self.detach(ino);
        }
    }

    /// What the inode's node was before this transaction, which may have given the node another number.
    fn row_before(&self, ino: Ino) -> Option<Node> {
        let inode: Inode = decode("inode", &self.txn.get_below(&keys::inode(ino))?).expect("it decodes");
        let key = [&self.state.slot.view()[..], &RowKey::node(inode.node)].concat();
        self.txn.get_below(&key).as_deref().map(read_node)
    }

    fn update_content(&mut self, id: NodeId, before: Option<&Node>, now: &Node) {
        let Some(manifest) = now.manifest() else {
            // In a space that was made anew the id may be that of something else; its inode and pin have gone with the file.
            self.txn.remove(keys::wanted(id));
            return;
        };
        if let Some(ino) = self.known_ino_of(id)
            && let Some(inode) = self.inode(ino)
        {
            let same = before.and_then(Node::manifest).is_some_and(|old| old.same_content(manifest));
            if same || holds_as_backing(&inode, manifest) {
                // What is being written here came from this very content, whatever its version is called now.
                self.save_inode(ino, &Inode { version: now.version, ..inode });
            } else if manifest.length == 0 {
                // Nothing will be fetched for it.
                self.give_up_backing(&inode);
                self.save_inode(ino, &Inode { backing: None, version: now.version, ..inode });
            }
        }
        let content = content_of(manifest);
        if let Some(file) = self.effects.ready.remove(&content)
            && !self.swap_in(id, content, file)
        {
            self.give_up_file(Some(content), file);
        }
        self.want(id);
    }

    /// Nothing is fetched for an empty file: what its inode has of another content goes at once.
    pub fn empty_if_row_is(&mut self, node: NodeId) {
        let row = self.view().node(node);
        let Some(manifest) = row.as_ref().and_then(Node::manifest).filter(|manifest| manifest.length == 0)
        else {
            return;
        };
        if let Some(ino) = self.known_ino_of(node)
            && let Some(inode) = self.inode(ino)
            && let Some(content) = inode.backing.and_then(|backing| backing.content)
            && content != content_of(manifest)
        {
            self.give_up_backing(&inode);
            self.save_inode(ino, &Inode { backing: None, ..inode });
        }
    }

    /// Gives a node's inode the backing file that holds its content.
    pub fn swap_in(&mut self, node: NodeId, content: Digest, file: u64) -> bool {
        let Some(row) = self.view().node(node) else { return false };
        if row.manifest().map(content_of) != Some(content) {
            return false;
        }
        let ino: Ino = self.ino_of(node);
        let Some(inode) = self.inode(ino) else { return false };
        let dirty = self.txn.get(&keys::dirty(ino)).is_some();
        if dirty || inode.backing.is_some_and(|backing| backing.content == Some(content)) {
            return false;
        }
        self.give_up_backing(&inode);
        let backing = Some(Backing { file, content: Some(content) });
        self.save_inode(ino, &Inode { backing, version: row.version, ..inode });
        self.forget_blocks(ino);
        self.note_unproven(ino);
        true
    }

    /// ctime is this mount's own: it moves when remote work changes the node.
    pub fn touch_changed(&mut self, now: Timestamp) {
        let nodes: Vec<NodeId> = self
            .effects
            .changed
            .iter()
            .filter_map(|row| match row {
                Row::Node(id) | Row::Place(id, _) => Some(*id),
                _ => None,
            })
            .collect();
        self.now = now;
        nodes.into_iter().for_each(|node| self.touch(node));
    }
}

fn read_name(value: &[u8]) -> NodeId {
    decode("name row", value).expect("rows of ours decode")
}

fn read_node(value: &[u8]) -> Node {
    decode("node row", value).expect("rows of ours decode")
}
