//! Rebase tested with a small hub: a log, and members that work on a view of their own.

mod deeds;
mod laws;
mod rows;
mod rows_contents;
mod rows_copies;
mod rows_exchanges;
mod rows_held;
mod rows_merges;
mod rows_names;
mod rows_saves;
mod space;
mod user;
