//! The allocator of both programs: each is a daemon where it mounts something.

use crate::fuse::Receiving;
use tikv_jemallocator::Jemalloc;

/// Also RocksDB's. Many threads take memory for a moment here, and the C library's allocator would keep a heap for each.
#[global_allocator]
static ALLOCATOR: Receiving<Jemalloc> = Receiving(Jemalloc);

/// What the allocator reads when the process begins: few arenas, and free pages go back within a second.
#[used]
#[unsafe(export_name = "malloc_conf")]
static ALLOCATOR_OPTIONS: &[u8] = b"narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0\0";
