//! A replica of the past: entries of the log go straight into the view, and nothing goes out.
//!
//! Invariant: such a replica is no member. It has no identity, never greets the hub as one, takes no local work, and
//! wants no content of its own accord: what is read is fetched when it is read.

use super::state::Replica;
use crate::model::Timestamp;
use crate::ops::TreeMut;
use crate::sync::WriteError;
use crate::sync::kv::{Durability, Store};
use crate::sync::past::{PastError, extend};
use crate::sync::rows::RowTreeMut;
use crate::wire::LogEntry;

impl<S: Store> Replica<S> {
    /// Applies entries that follow the last one, all or none.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn look_at(&mut self, entries: &[LogEntry]) -> Result<(), PastError> {
        let mut outcome = Ok(());
        let written = self.transact(Timestamp::default(), Durability::Process, |work| {
            let (prefix, position) = (work.state.slot.view_prefix(), work.state.position);
            let extended = extend(&mut work.txn, prefix, (position, entries), &mut |txn, _, changes| {
                RowTreeMut { txn, prefix }.write(changes);
            });
            match extended {
                Ok(position) => work.save_position(position),
                Err(error) => {
                    outcome = Err(error);
                    // What was gathered until then is not to be written.
                    work.txn = crate::sync::kv::Txn::new(work.txn.below());
                }
            }
            Ok(())
        });
        written.map_err(|error| PastError::Write(WriteError::Failed(error.to_string())))?;
        outcome
    }
}
