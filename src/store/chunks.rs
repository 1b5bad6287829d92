//! Chunks on disk, in the same database as the rows.
//!
//! Invariant: a chunk and its size are written and removed in one batch. Bytes are kept as given: packing,
//! naming and checking them is `content`'s. Nothing is counted here; which chunks are needed is the hub's to know.

use super::StoreError;
use super::cursor::Cursor;
use super::engine::{Engine, Purpose};
use super::reclaim::reclaim;
use super::rocks::put_rows;
use super::tuning::{CHUNK_SIZES, CHUNKS};
use crate::model::{ChunkId, SpaceId};
use crate::sync::kv::prefix_end;
use crate::sync::{Batch, WriteError};
use rocksdb::{ColumnFamily, DB};
use std::sync::Arc;

/// Chunks of all spaces, each space's apart from the others'.
#[derive(Clone)]
pub struct Chunks {
    engine: Arc<Engine>,
}

/// A chunk that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    pub id: ChunkId,
    /// Length as given to [`Chunks::put_many`].
    pub kept_bytes: u32,
}

impl Chunks {
    pub(super) fn new(engine: Arc<Engine>) -> Chunks {
        Chunks { engine }
    }

    /// Keeps a few small chunks, all or none, as long as there is room for rows. They survive the death of this
    /// process at once, and the loss of power with the next commit that does. Keeping one twice costs its bytes
    /// twice until the next compaction.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is kept then.
    pub fn put_many(&self, space: SpaceId, chunks: &[(ChunkId, Vec<u8>)]) -> Result<(), WriteError> {
        self.put(Purpose::Keep, space, chunks, &Batch::new())
    }

    /// Keeps chunks as [`Chunks::put_many`] does, and rows with them, but leaves to rows alone the room that they
    /// may need.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is kept then.
    pub fn put_content(
        &self,
        space: SpaceId,
        chunks: &[(ChunkId, Vec<u8>)],
        rows: &Batch,
    ) -> Result<(), WriteError> {
        self.put(Purpose::Content, space, chunks, rows)
    }

    fn put(
        &self,
        purpose: Purpose,
        space: SpaceId,
        chunks: &[(ChunkId, Vec<u8>)],
        rows: &Batch,
    ) -> Result<(), WriteError> {
        self.engine.write(purpose, false, &|db, batch| {
            put_rows(batch, rows);
            for (id, bytes) in chunks {
                let key = key(space, *id);
                batch.put_cf(family(db, CHUNKS), key, bytes);
                batch.put_cf(family(db, CHUNK_SIZES), key, (bytes.len() as u32).to_be_bytes());
            }
        })
    }

    /// Reads a chunk.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] where the device does not give it back; others may still have it.
    pub fn get(&self, space: SpaceId, id: ChunkId) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.read(|db| db.get_cf(family(db, CHUNKS), key(space, id)))
    }

    /// Tells whether a chunk is kept, without reading it.
    ///
    /// # Panics
    /// Where the device does not give back what was written.
    pub fn has(&self, space: SpaceId, id: ChunkId) -> bool {
        self.kept_bytes(space, id).is_some()
    }

    /// The length of a kept chunk.
    ///
    /// # Panics
    /// Where the device does not give back what was written.
    pub fn kept_bytes(&self, space: SpaceId, id: ChunkId) -> Option<u32> {
        let size = self.engine.read(|db| db.get_cf(family(db, CHUNK_SIZES), key(space, id)));
        self.engine.or_panic(size).map(|size| size_from(&size))
    }

    /// Every chunk of a space in order of id, as they were when the iterator was made.
    pub fn list(&self, space: SpaceId) -> impl Iterator<Item = ChunkRow> + use<> {
        let cursor = Cursor::new(&self.engine, CHUNK_SIZES, &space.0, &prefix_end_of(space));
        cursor.filter_map(|(key, size)| {
            let id = key.get(16..)?.try_into().ok()?;
            Some(ChunkRow { id: ChunkId(id), kept_bytes: size_from(&size) })
        })
    }

    /// Forgets chunks, all or none; those not kept are passed over.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is forgotten then.
    pub fn remove(&self, space: SpaceId, ids: &[ChunkId]) -> Result<(), WriteError> {
        self.engine.write(Purpose::Remove, false, &|db, batch| {
            for id in ids {
                let key = key(space, *id);
                batch.delete_cf(family(db, CHUNKS), key);
                batch.delete_cf(family(db, CHUNK_SIZES), key);
            }
        })
    }

    /// Forgets all chunks of a space, and gives their room back as [`Chunks::give_back_room`] does.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is forgotten then.
    pub fn remove_space(&self, space: SpaceId) -> Result<(), WriteError> {
        let (from, to) = (space.0.to_vec(), prefix_end_of(space));
        self.engine.write(Purpose::Remove, true, &|db, batch| {
            batch.delete_range_cf(family(db, CHUNKS), &from, &to);
            batch.delete_range_cf(family(db, CHUNK_SIZES), &from, &to);
        })?;
        // They are gone; that their room stays taken for want of room to move others is no failure of removing.
        match self.give_back_room() {
            Err(WriteError::Full) => Ok(()),
            result => result,
        }
    }

    /// Gives the room of removed chunks back; for after many were removed. It reads and writes a good part of
    /// what is kept, and may take minutes.
    ///
    /// # Errors
    /// [`WriteError::Full`] where even moving a tenth of the chunks needs more room than there is.
    pub fn give_back_room(&self) -> Result<(), WriteError> {
        reclaim(&self.engine)
    }
}

pub(super) fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).expect("opened with its column families")
}

fn key(space: SpaceId, id: ChunkId) -> [u8; 48] {
    let mut key = [0; 48];
    key[..16].copy_from_slice(&space.0);
    key[16..].copy_from_slice(&id.0);
    key
}

/// Where the keys of the spaces after this one begin.
fn prefix_end_of(space: SpaceId) -> Vec<u8> {
    // One 0xff more than a key has bytes sorts after every key of the last space there can be.
    if space.0 == [u8::MAX; 16] { vec![u8::MAX; 49] } else { prefix_end(&space.0) }
}

fn size_from(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}
