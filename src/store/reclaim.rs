//! Garbage in blob files, and how its room is given back.
//!
//! A blob file goes when nothing in it is needed any more. Chunks that are still needed keep it, so they are moved
//! into new files, the oldest tenth of all files at a time: that bounds the room it takes to make room.

use super::chunks::family;
use super::engine::{Engine, Purpose};
use super::tuning::{CHUNK_SIZES, CHUNKS};
use crate::sync::WriteError;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB};

/// Moving chunks for less than this part of garbage is not worth it.
const GARBAGE_PERCENT_MIN: u64 = 20;
/// One step empties one of so many files, and one at least.
const STEP_DIVISOR: u64 = 10;
/// Every file has been among the oldest once after so many steps.
const STEPS_MAX: usize = 12;

/// Gives back the room of chunks that were removed, where there is enough of it.
pub fn reclaim(engine: &Engine) -> Result<(), WriteError> {
    let db = engine.database();
    // Only what has reached files can be counted, and only a compaction that meets a removal counts it.
    compact(&db, CHUNK_SIZES);
    compact(&db, CHUNKS);
    for _ in 0..STEPS_MAX {
        if garbage_percent(&db) < GARBAGE_PERCENT_MIN {
            break;
        }
        let file_count = property(&db, "rocksdb.num-blob-files").max(1);
        let step = file_count.div_ceil(STEP_DIVISOR);
        // What a step moves lies beside what it was moved from until the step ends.
        let moved_bytes = property(&db, "rocksdb.live-blob-file-size") / file_count * step;
        engine.need_room(Purpose::Keep, moved_bytes)?;
        // RocksDB wants a part of all files and rounds it down.
        let part = (step as f64 + 0.5) / file_count as f64;
        set_moving(&db, true, part.min(1.0))?;
        compact(&db, CHUNKS);
        set_moving(&db, false, 0.0)?;
    }
    Ok(())
}

fn compact(db: &DB, name: &str) {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    db.compact_range_cf_opt(family(db, name), None::<&[u8]>, None::<&[u8]>, &options);
}

fn set_moving(db: &DB, moving: bool, part: f64) -> Result<(), WriteError> {
    let (moving, part) = (moving.to_string(), part.to_string());
    let options = [
        ("enable_blob_garbage_collection", moving.as_str()),
        ("blob_garbage_collection_age_cutoff", part.as_str()),
    ];
    db.set_options_cf(family(db, CHUNKS), &options).map_err(|error| WriteError::Failed(error.into_string()))
}

fn garbage_percent(db: &DB) -> u64 {
    let all = property(db, "rocksdb.live-blob-file-size").max(1);
    property(db, "rocksdb.live-blob-file-garbage-size") * 100 / all
}

fn property(db: &DB, name: &str) -> u64 {
    db.property_int_value_cf(family(db, CHUNKS), name).ok().flatten().unwrap_or(0)
}
