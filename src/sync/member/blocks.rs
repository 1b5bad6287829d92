//! The room that backing files take, where the manifest of what they hold does not tell: it knows long holes alone, and of
//! a long content none.
//!
//! What is noted counts for as long as the file holds the content that it was noted for.

use super::inodes::holds_as_backing;
use super::keys;
use super::records::{Ino, Inode};
use super::state::{Replica, Work};
use crate::model::{Manifest, Node, NodeId};
use crate::ops::Tree;
use crate::sync::kv::{Kv, Store};
use crate::wire::{decode, encode};

fn read(value: &[u8]) -> u64 {
    decode("blocks", value).expect("records of ours decode")
}

impl<S: Store> Replica<S> {
    /// The room that an inode's backing file takes, in 512 bytes; None where its row's manifest tells, or there is none.
    pub(super) fn blocks_of(&self, ino: Ino, inode: &Inode, row: &Node) -> Option<u64> {
        // The file of an unlinked name and one that is written are asked themselves.
        inode.backing?.content?;
        let noted = self.store.get(&keys::blocks(ino))?;
        row.manifest().filter(|manifest| holds_as_backing(inode, manifest)).map(|_| read(&noted))
    }
}

impl<S: Store> Work<'_, S> {
    /// Notes the room that an inode's backing file takes with this content; None where nobody has looked.
    pub fn note_blocks(&mut self, ino: Ino, manifest: &Manifest, blocks: Option<u64>) {
        match blocks.filter(|blocks| *blocks != manifest.blocks()) {
            Some(blocks) => self.txn.put(keys::blocks(ino), encode(&blocks)),
            None => self.forget_blocks(ino),
        }
    }

    /// As [`Work::note_blocks`], for the file that a node's inode has just got.
    pub fn note_blocks_of(&mut self, node: NodeId, blocks: Option<u64>) {
        let row = self.view().node(node);
        if let (Some(ino), Some(manifest)) = (self.known_ino_of(node), row.as_ref().and_then(Node::manifest))
        {
            self.note_blocks(ino, manifest, blocks);
        }
    }

    /// The file is another, or holds something else.
    pub fn forget_blocks(&mut self, ino: Ino) {
        // What is not there is not removed: the store would remember that.
        if self.noted_blocks(ino).is_some() {
            self.txn.remove(keys::blocks(ino));
        }
    }

    pub fn noted_blocks(&self, ino: Ino) -> Option<u64> {
        self.txn.get(&keys::blocks(ino)).map(|value| read(&value))
    }
}
