//! All trees are equal when nothing is left to do, and files hold what their rows say.

use crate::failure::{Check, Checked, Failure};
use crate::hub::Hub;
use crate::member::{Member, manifest_of};
use crate::reference::Reference;
use fl0wfs::model::Body;

/// Checks the hub's tree, every member's and the plain model's against each other, what a quota counts, and every file's
/// bytes.
pub fn equal_trees(hub: &Hub, members: &[Member]) -> Checked {
    let fails = |detail: String| Err(Failure::new(Check::EqualTrees, detail));
    let told = &hub.history.reference;
    let tree = hub.sync.with_tree(&hub.disk, Reference::of_tree);
    if let Some(difference) = tree.difference(told) {
        return fails(format!("the hub's tree differs from what the log says: {difference}"));
    }
    if let Some(fault) = hub.sync.check_quota(&hub.disk) {
        return fails(fault.to_string());
    }
    for member in members {
        let view = Reference::of_tree(&member.replica.view());
        if let Some(difference) = view.difference(told) {
            return fails(format!("m{}'s tree differs from what the log says: {difference}", member.index));
        }
        files_hold_their_rows(member, &view)?;
        let standing = member.replica.quota_standing();
        let stands = standing.as_ref().map(|it| (it.told, it.pending));
        let used = hub.sync.quota(&hub.disk).map(|quota| (quota, 0));
        if stands != used {
            return fails(format!("m{}'s quota stands at {stands:?}, the hub's at {used:?}", member.index));
        }
    }
    Ok(())
}

fn files_hold_their_rows(member: &Member, view: &Reference) -> Checked {
    for (node, thing) in &view.things {
        let Body::File(manifest) = &thing.body else { continue };
        let ino = member.replica.known_ino_of(*node);
        let bytes = match ino {
            Some(ino) => member.read(ino),
            None => Some(Vec::new()),
        };
        let held = bytes.map(|bytes| manifest_of(&bytes).0);
        if !held.as_ref().is_some_and(|held| held.same_content(manifest)) {
            let detail =
                format!("m{}'s file of {node} holds {held:?}, and should {manifest:?}", member.index);
            return Err(Failure::new(Check::EqualTrees, detail));
        }
    }
    Ok(())
}
