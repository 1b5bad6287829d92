//! State machines: what a member and a hub do with each message.
//!
//! Both work on an ordered key-value space behind [`Kv`]: a handler reads it through a transaction, gathers
//! its writes there, and returns what is to be sent. Whoever runs the machine commits the writes first and
//! sends afterwards. The same machines run in production, in tests and in the simulation.
//! This layer does no input or output, and keeps no time.

pub mod kv;
pub mod hub;
pub mod member;
pub mod past;
pub mod rows;

pub use kv::{Batch, Durability, Kv, MemoryKv, Pair, Store, Txn, WriteError};
pub use rows::{RowTree, RowTreeMut};
