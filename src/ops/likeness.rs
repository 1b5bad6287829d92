//! Ops and parts of ops that make one node like another one's row.

use super::{Attributes, Make, SetMeta};
use crate::model::{Node, NodeId, Place, Timestamp, Xattrs};

impl Make {
    /// Makes `node` as `row` is.
    pub fn like(row: Node, node: NodeId, place: Place) -> Make {
        let Node { body, mode, owner, mtime, xattrs, .. } = row;
        let owner = Some(owner);
        Make { node, place, body, mode, owner, mtime, xattrs, came_from: None, conflict: None }
    }
}

impl Attributes {
    /// All of a row's.
    pub fn of(row: &Node) -> Attributes {
        Attributes { mode: row.mode, owner: Some(row.owner), xattrs: row.xattrs.clone() }
    }
}

impl SetMeta {
    /// Gives a node, which is as `now` is, other attributes, and a time where one is given; None where it has them.
    pub fn towards(
        node: NodeId,
        now: &Node,
        wanted: &Attributes,
        mtime: Option<Timestamp>,
    ) -> Option<SetMeta> {
        let set = SetMeta {
            node,
            mode: Some(wanted.mode).filter(|mode| *mode != now.mode),
            uid: wanted.owner.map(|owner| owner.uid).filter(|uid| *uid != now.owner.uid),
            gid: wanted.owner.map(|owner| owner.gid).filter(|gid| *gid != now.owner.gid),
            mtime: mtime.filter(|mtime| *mtime != now.mtime),
            xattrs: xattr_changes(&now.xattrs, &wanted.xattrs),
        };
        set.has_effect().then_some(set)
    }

    /// Tells whether it sets anything.
    pub fn has_effect(&self) -> bool {
        let plain = self.mode.is_some() || self.uid.is_some() || self.gid.is_some() || self.mtime.is_some();
        plain || !self.xattrs.is_empty()
    }
}

/// What makes the extended attributes `now` those that are wanted.
pub fn xattr_changes(now: &Xattrs, wanted: &Xattrs) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let removed = now.keys().filter(|name| !wanted.contains_key(*name)).map(|name| (name.clone(), None));
    let differing = wanted.iter().filter(|(name, value)| now.get(*name) != Some(*value));
    removed.chain(differing.map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}
