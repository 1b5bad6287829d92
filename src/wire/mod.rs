//! Bytes of messages and records.
//!
//! Invariant: `decode(encode(x)) == x`, and decoding any bytes ends in a value or a [`Malformed`], within
//! the given limit of memory. Every encoding in the product is made here and nowhere else; golden bytes in
//! the tests below hold it still. This layer gives no meaning to what it encodes.

mod budget;
mod codec;
mod history;
mod key;
mod message;
mod record;

#[cfg(test)]
mod tests;

pub use codec::{Malformed, decode, decode_rest, decode_within, encode};
pub use history::{
    HISTORY_RECORDS_MAX, HOLDERS_MAX, HistoryOf, HistoryOperation, HistoryPage, HistoryRecord, Holder,
    HolderPage, LOG_ENTRIES_MAX, LogPage, OpPlace,
};
pub use key::{Row, RowKey, Rows, check_row, decode_row_key};
pub use message::{
    Answer, ContentReply, ContentRequest, Enrol, FromHub, FromMember, Hello, Inline, Opening, Position,
    RefuseReason, Start, Visit, Welcome,
};
pub use record::{Commit, LogEntry, SealedCommit, chain_next, commit_digest};

/// Number of the wire encoding; both sides of a connection must speak the same.
pub const WIRE_FORMAT: u16 = 4;
/// Number of the store encoding.
pub const STORE_FORMAT: u16 = 2;
/// The largest frame on any stream, in bytes without its length prefix.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a member says takes this much memory at most, beside its bytes. What others are told of it may take more, by the small
/// content that is put back in, and must still decode there.
pub const MESSAGE_MEMORY_MAX: usize = 2 * FRAME_BYTES_MAX;
/// And no byte of it stands for more than this: an op has 6 at least.
pub const MEMORY_PER_BYTE_MAX: usize = 64;
/// A commit is sealed at this many ops,
pub const COMMIT_OPS_MAX: usize = 1_000;
/// or at this many encoded bytes.
pub const COMMIT_BYTES_MAX: usize = 1024 * 1024;
