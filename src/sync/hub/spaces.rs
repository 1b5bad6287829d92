//! Spaces: made, listed, removed.

use super::HubSync;
use super::keys::{self, read};
use crate::model::{Node, NodeId, SpaceId, SpaceName, Timestamp};
use crate::ops::{Change, TreeMut};
use crate::sync::kv::prefix_end;
use crate::sync::{Kv, RowTreeMut, Txn};
use crate::wire::encode;
use serde::{Deserialize, Serialize};

/// What a space is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceInfo {
    pub id: SpaceId,
    pub name: SpaceName,
    pub created: Timestamp,
}

/// Makes an empty space; `id` is random. None where the name is taken.
pub fn create_space<K: Kv + ?Sized>(
    txn: &mut Txn<K>,
    name: SpaceName,
    id: SpaceId,
    now: Timestamp,
) -> Option<SpaceInfo> {
    if find(txn, &name).is_some() {
        return None;
    }
    let machine = HubSync { space: id };
    let info = SpaceInfo { id, name, created: now };
    txn.put(keys::space_name(&info.name), encode(&id));
    txn.put(machine.keys().info(), encode(&info));
    machine.plant(txn);
    Some(info)
}

/// All spaces, by name.
pub fn list_spaces<K: Kv + ?Sized>(kv: &K) -> Vec<SpaceInfo> {
    let rows = kv.scan_prefix(&keys::space_names());
    let ids = rows.map(|(_, value)| crate::wire::decode("space row", &value).expect("rows of ours decode"));
    ids.filter_map(|space| read(kv, &HubSync { space }.keys().info())).collect()
}

/// Takes a space's name away, so that nobody finds it; [`removed_spaces`] tells what is still to be erased. None
/// where there is none. Nothing but a removal is written, for which a full device has room.
pub fn remove_space<K: Kv + ?Sized>(txn: &mut Txn<K>, name: &SpaceName) -> Option<SpaceId> {
    let space = find(txn, name)?;
    txn.remove(keys::space_name(name));
    Some(space)
}

/// Spaces without a name, and the prefix of the keys they have left.
pub fn removed_spaces<K: Kv + ?Sized>(kv: &K) -> Vec<(SpaceId, Vec<u8>)> {
    let (mut from, end) = (keys::all_spaces(), prefix_end(&keys::all_spaces()));
    let mut removed = Vec::new();
    while let Some(space) = kv.scan(&from, &end).next().and_then(|(key, _)| keys::space_of(&key)) {
        let prefix = keys::of_space(space);
        from = prefix_end(&prefix);
        if (HubSync { space }).space_info(kv).is_none() {
            removed.push((space, prefix));
        }
    }
    removed
}

pub(super) fn find<K: Kv + ?Sized>(kv: &K, name: &SpaceName) -> Option<SpaceId> {
    read(kv, &keys::space_name(name))
}

impl HubSync {
    /// Writes the tree that every space begins with.
    pub fn plant<K: Kv + ?Sized>(&self, txn: &mut Txn<K>) {
        let prefix = self.keys().tree();
        RowTreeMut { txn, prefix: &prefix }.write(vec![Change::Node(NodeId::ROOT, Some(Node::root()))]);
    }

    /// What this space is; None once it is removed.
    pub fn space_info<K: Kv + ?Sized>(&self, kv: &K) -> Option<SpaceInfo> {
        let info: SpaceInfo = read(kv, &self.keys().info())?;
        (find(kv, &info.name) == Some(self.space)).then_some(info)
    }
}
