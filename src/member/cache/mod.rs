//! The cache: contents on this machine that the hub has too, how much room they take, and which go when room is
//! needed.
//!
//! Invariant: nothing is evicted that the replica says must stay. What is read is fetched even where the limit
//! leaves no room for it, and what was used longest ago goes as soon as it may; what is fetched without a reader
//! waits for room. Use is counted in memory and noted in the store now and then: no read writes.
//!
//! [`Index`](index::Index) counts, [`Cache`] keeps the limit, `demand` fetches what somebody waits for, `pieces` as much of it
//! as is read, `drafts` keeps what came too late, `walk` goes through trees, `commands` answers `pin`, `unpin`, `evict` and `prefetch`.

mod commands;
mod demand;
mod drafts;
mod index;
mod keeper;
mod kept_from;
mod pieces;
mod unread;
mod walk;

pub use demand::Demand;
pub use keeper::{Cache, NoRoom};
pub use kept_from::KeptFrom;
pub use pieces::PartialReader;
