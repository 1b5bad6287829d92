//! Contents that came too late: a file that is written all the time elsewhere is another one before a large content of
//! it has been put together.
//!
//! What came too late differs little from what is wanted next. It stays as a draft, and becomes that in place, by what
//! differs alone: so who follows such a file gets its news however large it is.
//! Invariant: a draft is staged, no inode leads to it, and it is gone with the next start. It holds the content its
//! manifest says; one that was being changed when something failed is dropped.

use crate::member::aside::Here;
use crate::member::assemble::Assembler;
use crate::member::content::{ContentError, Piece, Wanted, all_pieces, assemble_large, bring_pieces};
use crate::member::fetch::arrived;
use crate::member::files::{Arriving, to_io};
use crate::member::shared::Shared;
use crate::model::{ChunkId, Manifest, NodeId};
use crate::net::Connection;
use crate::ops::Tree;
use crate::store::{Staging, StoreError};
use crate::sync::member::content_of;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// Drafts that are kept at once; the oldest goes.
const DRAFTS_MAX: usize = 4;
/// Chunks of a content up to which its drafts are compared in memory: at least 4 GiB.
const PIECES_MAX: usize = 1 << 16;

struct Draft {
    node: NodeId,
    manifest: Manifest,
    staging: Staging,
}

/// What came too late last.
#[derive(Default)]
pub struct Drafts(Mutex<VecDeque<Draft>>);

impl Drafts {
    fn keep(&self, draft: Draft) {
        let mut drafts = self.0.lock();
        drafts.retain(|other| other.node != draft.node);
        drafts.push_back(draft);
        if drafts.len() > DRAFTS_MAX {
            drafts.pop_front();
        }
    }

    fn take(&self, node: NodeId) -> Option<Draft> {
        let mut drafts = self.0.lock();
        let at = drafts.iter().position(|draft| draft.node == node)?;
        drafts.remove(at)
    }

    /// Drops all, as nothing more is wanted.
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Shared {
    /// Fetches a content of more than one chunk and swaps it in, where the node still wants it.
    ///
    /// # Errors
    /// [`ContentError`].
    pub(in crate::member) async fn bring_large(
        &self,
        connection: &Connection,
        wanted: &Wanted,
    ) -> Result<(), ContentError> {
        let arriving = Arriving(self);
        let held = tokio::task::block_in_place(|| arriving.copy(wanted.node, wanted.content))?;
        if let Some(file) = held {
            tokio::task::block_in_place(|| arrived(self, wanted, file));
            return Ok(());
        }
        let begun = Instant::now();
        let draft = self.cache.drafts.take(wanted.node);
        let staging = match rework(self, connection, draft, wanted).await? {
            Some(staging) => staging,
            None => assemble_large(connection, &arriving, wanted).await?,
        };
        tokio::task::block_in_place(|| {
            if self.is_too_late(wanted) {
                let Wanted { node, manifest, .. } = wanted.clone();
                self.cache.drafts.keep(Draft { node, manifest, staging });
                self.hold_entries(begun.elapsed());
                return Ok(());
            }
            let file = arriving.finish(staging)?;
            arrived(self, wanted, file);
            self.go_on_if_all_is_here();
            Ok(())
        })
    }

    fn is_too_late(&self, wanted: &Wanted) -> bool {
        let replica = self.volume().replica();
        let row = replica.view().node(wanted.node);
        row.is_some_and(|row| row.manifest().map(content_of) != Some(wanted.content))
    }
}

/// Makes a draft hold what is wanted; none where there is no draft, or where both are too much to compare.
async fn rework(
    shared: &Shared,
    connection: &Connection,
    draft: Option<Draft>,
    wanted: &Wanted,
) -> Result<Option<Staging>, ContentError> {
    let Some(Draft { manifest, staging, .. }) = draft else { return Ok(None) };
    let arriving = Arriving(shared);
    let nearby = tokio::task::block_in_place(|| Here::of(shared, wanted.node, &wanted.manifest));
    let pieces = async |manifest| all_pieces(Some(connection), &nearby, manifest, PIECES_MAX).await;
    let (Some(had), Some(wants)) = (pieces(&manifest).await?, pieces(&wanted.manifest).await?) else {
        return Ok(None);
    };
    let change = Change::between(&had, &wants);
    tokio::task::block_in_place(|| change.clear(&staging, wanted.manifest.length)).map_err(to_io)?;
    let write = |offset, bytes: &[u8]| arriving.write(&staging, offset, bytes);
    bring_pieces(Some(connection), &nearby, &change.missing, write).await?;
    Ok(Some(staging))
}

/// What makes one content of another.
struct Change {
    gone: Vec<Piece>,
    missing: Vec<Piece>,
}

impl Change {
    fn between(had: &[Piece], wants: &[Piece]) -> Change {
        let without = |all: &[Piece], others: &[Piece]| {
            let others: HashSet<(u64, ChunkId)> =
                others.iter().map(|piece| (piece.offset, piece.chunk)).collect();
            let left = all.iter().filter(|piece| !others.contains(&(piece.offset, piece.chunk)));
            left.copied().collect()
        };
        Change { gone: without(had, wants), missing: without(wants, had) }
    }

    /// Leaves what both have.
    // Order: what goes becomes a hole before anything is written, so that what lies between the pieces reads as zeros.
    fn clear(&self, staging: &Staging, length: u64) -> Result<(), StoreError> {
        for piece in &self.gone {
            staging.punch(piece.offset, piece.length)?;
        }
        staging.set_len(length)
    }
}
