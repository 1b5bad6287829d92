//! Local work replayed on new history.
use crate::model::*;
use crate::ops::*;
use std::collections::BTreeMap;
pub struct Replayer<'a> {
    pub author: MemberNumber,
    pub member_name: &'a MemberName,
    pub allocate: &'a mut dyn FnMut() -> NodeId,
}
pub struct Pending {
    pub op: Op,
    pub tag: u64,
}
pub struct Replayed {
    pub ops: Vec<Pending>,
    pub changed: bool,
    pub nodes: BTreeMap<NodeId, NodeId>,
    pub versions: BTreeMap<(NodeId, Version), (NodeId, Version)>,
    pub conflicts: Vec<Conflict>,
}
pub fn replay<T: TreeMut, O: TreeMut>(
    _tree: &mut T,
    _old: &mut O,
    _pending: impl IntoIterator<Item = Pending>,
    _r: Replayer,
) -> Replayed {
    unreachable!()
}
pub fn replay_late<T: TreeMut>(_tree: &mut T, _late: Pending, _r: Replayer) -> Replayed {
    unreachable!()
}
