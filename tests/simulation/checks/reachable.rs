//! Nothing acknowledged or closed is unreachable.
//!
//! A content that a flush point took is in the log (so in the tree, in a conflict copy or in history), or was replaced or
//! removed by its own member before it was sent; and what the log names the hub has.

use crate::failure::{Check, Checked, Failure, ensure};
use crate::hub::Hub;
use crate::member::Member;
use fl0wfs::model::{Body, ChunkId, Digest};
use fl0wfs::ops::Verb;
use fl0wfs::sync::member::content_of;
use std::collections::BTreeSet;

/// Checks all that the members were given, once nothing is pending.
pub fn nothing_unreachable(hub: &Hub, members: &[Member]) -> Checked {
    for member in members {
        for (content, owed) in &member.ledger.owed {
            let logged = |content: &Digest| hub.history.logged.contains(content);
            let merged = || member.ledger.went_into(*content).iter().any(logged);
            let there = logged(content) || owed.removed || merged();
            ensure(there, Check::Reachable, || {
                format!("a content that m{} took is nowhere: {content:?}, {owed:?}", member.index)
            })?;
        }
    }
    hub.history.chunks.iter().try_for_each(|chunk| still_there(hub, *chunk))
}

/// Checks that the hub has a chunk, if its log names it.
pub fn still_there(hub: &Hub, chunk: ChunkId) -> Checked {
    let there = !hub.history.chunks.contains(&chunk) || hub.chunk(chunk).is_some();
    ensure(there, Check::Reachable, || format!("the hub lacks {chunk} of its log"))
}

/// A content that a member's pending op brings is not to be found there. One that the member itself has removed since is
/// owed to nobody, here as in [`nothing_unreachable`].
pub fn lost_before_sent(member: &Member, content: Digest) -> Checked {
    match member.ledger.owed.get(&content) {
        None => Ok(()),
        Some(owed) if owed.removed => Ok(()),
        Some(owed) => {
            let detail =
                format!("m{} has an op whose content is nowhere: {content:?}, {owed:?}", member.index);
            Err(Failure::new(Check::Reachable, detail))
        }
    }
}

/// Everything that is in a member's tree, and on its disk, or waits in its journal: what must outlive the hub's memory.
pub fn all_held(member: &Member) -> BTreeSet<Digest> {
    let view = crate::reference::Reference::of_tree(&member.replica.view());
    let mut held = BTreeSet::new();
    for (node, thing) in &view.things {
        let Body::File(manifest) = &thing.body else { continue };
        let here = member
            .replica
            .known_ino_of(*node)
            .is_some_and(|ino| member.replica.is_materialized(ino) && !member.replica.is_dirty(ino));
        if here && manifest.length > 0 {
            held.insert(content_of(manifest));
        }
    }
    held.extend(super::pending(member).filter_map(|op| brought(member, &op.verb)));
    held
}

/// The content that a pending op brings, if its bytes are here: what came from the hub may be nowhere else.
fn brought(member: &Member, verb: &Verb) -> Option<Digest> {
    let manifest = verb.manifest().filter(|manifest| manifest.length > 0)?;
    let (content, chunks) = (content_of(manifest), manifest.chunk_ids().collect::<Vec<_>>());
    member.bytes_of(verb.node(), content, &chunks).map(|_| content)
}
