//! fl0wfs: a directory that stays in sync.
//!
//! `fl0wfs mount remote:space DIR` gives applications a normal directory. What they write becomes
//! operations, a hub puts the operations of all members into one order, and every member's tree
//! follows that order. Without the network the directory goes on working; with it again, local work
//! is replayed on top of what happened meanwhile.
//!
//! # Code map
//!
//! Dependencies point down only; `tests/tidy.rs` reads the sources and fails on an arrow that points up.
//!
//! | module | is | layer |
//! |---|---|---|
//! | [`cli`] | arguments, messages, exit codes | top |
//! | [`member`], [`hub`] | the two processes: loops that join edges to state machines | processes |
//! | [`fuse`], [`net`], [`store`] | kernel, network, disk; none knows another | edges |
//! | [`vfs`] | filesystem semantics without a kernel | semantics |
//! | *the line* | *below it: no clock, socket, disk, thread or randomness* | |
//! | [`sync`] | state machines: what a member and a hub do with each message | core |
//! | [`rebase`] | local work replayed on new history | core |
//! | [`merge`] | three versions of a file become one, by type | core |
//! | [`wire`] | bytes of messages and records | core |
//! | [`ops`] | verbs on the tree, and what each changes | core |
//! | [`content`] | cutting, hashing, manifests | core |
//! | [`model`] | nouns | core |
//!
//! # Words
//!
//! A *space* is a shared tree with one *op log*. The *hub* orders *commits* (ops applied together) by
//! *sequence* and keeps content; a *member* mounts a space. A *node* is a file, directory, symlink or
//! special file and keeps its identity (`NodeId`) under every name; an *inode* is the kernel's number
//! for it on one mount. A *version* counts a file's contents, a *manifest* is one version's content,
//! made of *chunks*; a *tombstone* is what remains of a removed node. A member's *journal* holds ops
//! the hub has not accepted; its *position* is the last sequence applied, its *base* the tree there,
//! its *view* the base with the journal on top. A *rebase* replays the journal on a newer base; where
//! both sides touched the same thing and no rule joins them there is a *conflict*, and a *conflict
//! copy* keeps what lost. An *unshared* node is on one member alone: its name is *ignored*, or it stays
//! there for the sake of one that is. Content present on a member is *materialized*; the moment at which content
//! becomes an op is a *flush point*.

pub mod cli;
pub mod member;
pub mod hub;
pub mod fuse;
pub mod net;
pub mod store;
pub mod vfs;
pub mod sync;
pub mod rebase;
pub mod merge;
pub mod wire;
pub mod ops;
pub mod content;
pub mod model;
