//! How RocksDB is set up: little memory, nothing to do when idle, few open files.

use super::StoreRole;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode,
    LogLevel, LruCacheOptions, Options,
};

/// One for all column families, index and filter blocks included.
const BLOCK_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Four shards. By default there are as many as half a MiB each allows, and what is nearly as large as its shard
/// is out again before it is asked for the second time.
const BLOCK_CACHE_SHARD_BITS: i32 = 2;
const WRITE_BUFFER_BYTES: usize = 16 * 1024 * 1024;
/// Over all column families together.
const WRITE_BUFFERS_BYTES_MAX: usize = 2 * WRITE_BUFFER_BYTES;
/// Bounds what a restart replays, and what an idle column family can keep alive of the others' log.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
const OPEN_FILES_MAX: i32 = 256;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// A filter of rows that are not on disk yet, as a part of their buffer. A name is looked up before it is made, and is
/// nowhere: to find that out by a walk through the buffer costs several times as much.
const BUFFER_FILTER_RATIO: f64 = 0.02;
/// What tells tables apart at the beginning of a key: a member's have a letter and, in trees, a slot and a tag; a hub's
/// stand behind the space they are of. Of a shorter name some of the number counts as well, which hardly changes; but where
/// that is a hash there is a hint for nearly every row, of some 300 bytes, for nothing.
const MEMBER_TABLE_BYTES: usize = 3;
const HUB_TABLE_BYTES: usize = 1 + 16 + 2;
const LOG_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Below it a value stays beside its key: a reference to it would save nothing worth having.
const BLOB_BYTES_MIN: u64 = 4 * 1024;
/// Small, so that a removed space gives its room back in small steps.
const BLOB_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// What is above this folder: rows, log entries, journals.
pub const ROWS: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
/// Format and role; apart, so that all keys of [`ROWS`] are free to whoever owns them.
pub const META: &str = "meta";
/// Chunks as their owner packed them.
pub const CHUNKS: &str = "chunks";
/// Which chunks are there and how long they are, so that asking does not read them.
pub const CHUNK_SIZES: &str = "chunk-sizes";

pub const COLUMN_FAMILIES: [&str; 4] = [ROWS, META, CHUNKS, CHUNK_SIZES];

/// The settings of one open store; kept, so that opening it again shares the cache.
pub struct Tuning {
    cache: Cache,
    role: StoreRole,
}

impl Tuning {
    pub fn new(role: StoreRole) -> Tuning {
        let mut cache = LruCacheOptions::default();
        cache.set_capacity(BLOCK_CACHE_BYTES);
        cache.set_num_shard_bits(BLOCK_CACHE_SHARD_BITS);
        Tuning { cache: Cache::new_lru_cache_opts(&cache), role }
    }

    /// Settings of the database as a whole.
    pub fn database(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX);
        options.set_max_total_wal_size(WAL_BYTES_MAX);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_max_background_jobs(2);
        // The log after a power cut ends somewhere; what is whole before that point counts, nothing after it.
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_log_level(LogLevel::Warn);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(LOG_FILE_BYTES_MAX);
        // Large sequential writes go to the disk as they come, not in one burst that a synced write waits for.
        options.set_bytes_per_sync(1024 * 1024);
        options
    }

    /// Every column family with its settings.
    pub fn column_families(&self) -> Vec<ColumnFamilyDescriptor> {
        COLUMN_FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, self.column_family(name))).into()
    }

    fn column_family(&self, name: &str) -> Options {
        let mut options = if name == ROWS { self.with_hints() } else { Options::default() };
        options.set_block_based_table_factory(&self.blocks());
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_write_buffer_number(2);
        options.set_target_file_size_base(16 * 1024 * 1024);
        options.set_max_bytes_for_level_base(64 * 1024 * 1024);
        if name == ROWS {
            options.set_memtable_prefix_bloom_ratio(BUFFER_FILTER_RATIO);
            options.set_memtable_whole_key_filtering(true);
        }
        if name == CHUNKS {
            // Chunks come compressed.
            options.set_compression_type(DBCompressionType::None);
            set_blobs(&mut options);
        } else {
            options.set_compression_type(DBCompressionType::Lz4);
        }
        options
    }

    /// Most rows of a table come in the order of their keys, which have numbers in them that only grow: where one goes in
    /// the buffer is then found from where the table's last one went, and not by a walk from the top.
    fn with_hints(&self) -> Options {
        let bytes = match self.role {
            StoreRole::Member => MEMBER_TABLE_BYTES,
            StoreRole::Hub => HUB_TABLE_BYTES,
        };
        let hints = format!("memtable_insert_with_hint_prefix_extractor=rocksdb.CappedPrefix.{bytes}");
        // The wrapper has no call for it.
        Options::default().get_options_from_string(hints).expect("RocksDB knows the option")
    }

    fn blocks(&self) -> BlockBasedOptions {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.cache);
        blocks.set_cache_index_and_filter_blocks(true);
        // In small parts: a whole filter is a few hundred KiB, which a lookup that misses the cache would read and verify.
        blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        blocks.set_partition_filters(true);
        blocks.set_pin_top_level_index_and_filter(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        blocks.set_format_version(6);
        blocks
    }
}

/// Chunk keys are hashes: each compaction would rewrite chunks of all ages, some ten times in a chunk's life.
/// In blob files a chunk is written twice (log, blob file) and compactions move its 48-byte key only. Reading is
/// slower than from a plain table (1.1 against 2.2 GiB/s measured), which no network notices.
///
/// RocksDB's own collection of garbage in blob files stays off: it moves live chunks out of the older files at
/// every compaction, garbage or not (1 GiB of new chunks wrote 4 GiB with it, 2 GiB without). A file whose chunks
/// are all gone is removed anyway; for the rest see `reclaim`.
fn set_blobs(options: &mut Options) {
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES_MIN);
    options.set_blob_file_size(BLOB_FILE_BYTES);
    options.set_blob_compression_type(DBCompressionType::None);
    options.set_enable_blob_gc(false);
}
