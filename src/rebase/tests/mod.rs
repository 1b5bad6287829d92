//! Rebase tested with a small hub: a log, and members that work on a view of their own.

mod laws;
mod rows_contents;
mod rows_names;
mod space;
mod user;
