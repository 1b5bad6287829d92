//! The checks, one function each, and when they are called:
//!
//! | check | called |
//! |---|---|
//! | [`equal_trees`] | when nothing is left to do |
//! | [`log_means_tree`] | for each commit: the rows that it is about; when nothing is left to do: all |
//! | [`prefix_and_own_work`] | after each step in which a member's rows changed |
//! | [`nothing_unreachable`] | when nothing is left to do; while it lasts, for each content that the hub asks for |
//! | [`exactly_once`] | for each commit |
//! | [`conflict_cause`] | for each commit |
//! | [`bounded`], [`nothing_held_back`] | after each step |
//! | [`nothing_left_over`] | when nothing is left to do |
//!
//! Each has a canary: `canaries.rs` breaks something, and this very check must say so.

mod bounded;
mod conflict_cause;
mod equal_trees;
mod exactly_once;
mod prefix;
mod reachable;

pub use bounded::{bounded, nothing_held_back, nothing_left_over};
pub use conflict_cause::{conflict_cause, conflict_in, copy_in};
pub use equal_trees::equal_trees;
pub use exactly_once::exactly_once;
pub use prefix::{log_means_tree, pending, prefix_and_own_work};
pub use reachable::{all_held, lost_before_sent, nothing_unreachable, still_there};
