//! Shared files that were renamed to an ignored name and are to become unshared in a moment.
//!
//! An editor that saves by backup moves the file aside, makes a new one under its name and may remove the first, and
//! backups are what people ignore. Were the file unshared at once, its history would end with every save. So it stays
//! shared for a moment; where it then goes as the backup that it is, the file under the old name goes on with its
//! history, as after any save by backup.

use super::keys;
use super::state::{Effects, LocalError, Replica};
use super::unshared::Kept;
use crate::model::{NodeId, Timestamp};
use crate::ops::{Move, Verb};
use crate::sync::kv::{Durability, Store};
use crate::wire::decode;

impl<S: Store> Replica<S> {
    /// Renames a shared file to an ignored name.
    ///
    /// # Errors
    /// Those of [`Replica::submit`].
    pub fn rename_to_leave(&mut self, now: Timestamp, rename: Move) -> Result<Effects, LocalError> {
        self.check_writable()?;
        let renamed = self.transact(now, Durability::Process, |work| {
            let node = rename.node;
            work.take(Verb::Move(rename))?;
            work.keep(node, Kept::Leaving);
            Ok(())
        });
        renamed.map(|((), effects)| effects)
    }

    /// Files that are to become unshared.
    pub fn leaving(&self) -> Vec<NodeId> {
        let nodes = self.store().scan_prefix(&[keys::KEPT]).map(|(key, _)| keys::node_of(&key));
        nodes.filter(|node| self.kept(*node) == Some(Kept::Leaving)).collect()
    }

    /// A file goes on under other conditions than it was renamed under.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn stay_shared(&mut self, node: NodeId) -> Result<(), LocalError> {
        let stays = self.transact_now(|work| {
            work.txn.remove(keys::kept(node));
            Ok(())
        });
        stays.map(drop)
    }

    /// Tells whether a node was made here and the hub has not been told of it.
    pub fn is_untold(&self, node: NodeId) -> bool {
        let first = self.store().scan_prefix(&keys::pending_of(node)).next();
        let verb = first.and_then(|(key, _)| {
            let op = self.store().get(&keys::journal(keys::number_of(&key)))?;
            Some(decode::<crate::ops::Op>("journal op", &op).expect("ops of ours decode").verb)
        });
        self.is_embryo(node) || matches!(verb, Some(Verb::Make(_)))
    }
}
