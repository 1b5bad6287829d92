//! What holds of every encoding: it reads back, it stays as it is, and no bytes do harm.

mod any;
mod any_history;
mod golden;
mod golden_bytes;
mod hostile;
mod keys;
mod round_trip;

use super::*;
