//! What settles a conflict: from the tree, the conflict's row and a person's choice to the ops that do it.
//!
//! Invariant: no op of a plan takes content out of history: what a choice drops was a version, or becomes one
//! before. The first op settles the conflict and the copy goes before new content comes, so that a replay which
//! meets yet another content finds the copy's name free and no copy to add to.
//! Nothing here reads or moves bytes, and nothing is written.

use super::records::content_of;
use crate::model::{Body, ConflictKind, Digest, Manifest, Node, NodeId, Place, Timestamp, Version};
use crate::ops::{ConflictRow, Drop, Merged, Origin, Put, Restored, Tree, Verb};
use serde::{Deserialize, Serialize};

/// Stands for a version that there is not.
const NO_VERSION: Version = Version(0);

/// What a person decides about a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The work that the conflict copy keeps takes the name.
    Ours,
    /// What holds the name stays, the copy goes.
    Theirs,
    /// Both stay, as two files.
    Both,
    /// Another content takes the name.
    Merged {
        manifest: Manifest,
        mtime: Timestamp,
        /// What the content was made of, where it was made of the two: they must still be that.
        of: Option<Seen>,
    },
    /// What one side removed stays.
    Revive,
    /// What one side removed goes after all.
    Delete,
}

/// The contents of a conflict's two sides that somebody has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub remote: Digest,
    pub local: Digest,
}

/// What a conflict is about, and so what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Two contents, one of them in a copy.
    Content,
    /// Whether something is there.
    Removal,
    /// Nothing any more: it happened.
    Notice,
}

/// Why a conflict is not settled so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the conflict is settled already")]
    Settled,
    #[error("that does not settle this conflict")]
    WrongChoice(Question),
    #[error("the directory is not empty")]
    NotEmpty,
    #[error("the content has changed meanwhile")]
    Changed,
    #[error("the conflict copy is being written")]
    BeingWritten,
    #[error("what it was changed from is not sent yet")]
    Unsent,
}

impl Question {
    pub fn of(row: &ConflictRow) -> Question {
        match (row.copy, row.conflict.kind) {
            (Some(_), _) => Question::Content,
            (None, ConflictKind::PutDrop | ConflictKind::DropPut) => Question::Removal,
            (None, _) => Question::Notice,
        }
    }

    /// Tells whether `choice` is an answer.
    pub fn takes(self, choice: &Choice) -> bool {
        match self {
            Question::Content => !matches!(choice, Choice::Revive | Choice::Delete),
            Question::Removal => matches!(choice, Choice::Revive | Choice::Delete),
            Question::Notice => matches!(choice, Choice::Theirs | Choice::Both),
        }
    }
}

/// The ops that settle the conflict of `row`, to be applied together and in order.
///
/// # Errors
/// [`Refusal`], but for [`Refusal::BeingWritten`] and [`Refusal::Unsent`].
pub fn plan(tree: &impl Tree, row: &ConflictRow, choice: &Choice) -> Result<Vec<Verb>, Refusal> {
    let (about, member) = (row.conflict.node, row.conflict.member);
    if tree.conflict(about, member).as_ref() != Some(row) {
        return Err(Refusal::Settled);
    }
    let question = Question::of(row);
    if !question.takes(choice) {
        return Err(Refusal::WrongChoice(question));
    }
    let node = tree.node(about).ok_or(Refusal::Settled)?;
    let mut verbs = vec![Verb::Settle { node: about, member }];
    let copy = row.copy.and_then(|copy| Some((copy, tree.node(copy)?)));
    match (choice, copy) {
        (Choice::Both | Choice::Revive, _) => {}
        (Choice::Delete, _) => verbs.extend(removal(tree, about, &node)?),
        (Choice::Theirs, copy) => verbs.extend(copy.and_then(|(id, copy)| drop_copy(tree, id, &copy))),
        (Choice::Ours, Some((id, copy))) => {
            verbs.extend(drop_copy(tree, id, &copy));
            let Body::File(manifest) = &copy.body else { return Err(Refusal::Settled) };
            let from = Origin::Restored(Restored { node: id, version: copy.version });
            verbs.extend(put(about, &node, manifest, copy.mtime, from));
        }
        (Choice::Merged { manifest, mtime, of }, Some((id, copy))) => {
            check_seen(*of, node.manifest(), copy.manifest())?;
            verbs.extend(drop_copy(tree, id, &copy));
            verbs.extend(put(about, &node, manifest, *mtime, merged(row, &node)));
        }
        (Choice::Ours | Choice::Merged { .. }, None) => return Err(Refusal::Settled),
    }
    Ok(verbs)
}

/// Refuses a merge of contents that are not those of the two sides any more.
pub fn check_seen(
    of: Option<Seen>,
    remote: Option<&Manifest>,
    local: Option<&Manifest>,
) -> Result<(), Refusal> {
    let same = |seen: Digest, now: Option<&Manifest>| now.map(content_of) == Some(seen);
    let unchanged = |of: Seen| same(of.remote, remote) && same(of.local, local);
    if of.is_none_or(unchanged) { Ok(()) } else { Err(Refusal::Changed) }
}

/// A file's next content; none where it has it already.
pub fn put(id: NodeId, node: &Node, manifest: &Manifest, mtime: Timestamp, from: Origin) -> Option<Verb> {
    let same = node.manifest().is_some_and(|now| now.same_content(manifest));
    let (base, manifest) = (node.version, manifest.clone());
    let (attributes, came_from, conflict) = (None, Some(from), None);
    (!same).then_some(Verb::Put(Put { node: id, base, manifest, mtime, attributes, came_from, conflict }))
}

fn merged(row: &ConflictRow, node: &Node) -> Origin {
    let base = row.conflict.base.unwrap_or(NO_VERSION);
    Origin::Merged(Merged { base, local: base.next(), remote: node.version })
}

/// Takes away the copy's first name; a name that somebody has given it since is theirs.
fn drop_copy(tree: &impl Tree, id: NodeId, copy: &Node) -> Option<Verb> {
    let place = tree.places(id).into_iter().next()?;
    Some(Verb::Drop(Drop { node: id, place, version: copy.version }))
}

fn removal(tree: &impl Tree, id: NodeId, node: &Node) -> Result<Vec<Verb>, Refusal> {
    if node.is_directory() && !tree.is_empty(id) {
        return Err(Refusal::NotEmpty);
    }
    let drop = |place: Place| Verb::Drop(Drop { node: id, place, version: node.version });
    Ok(tree.places(id).into_iter().map(drop).collect())
}

#[cfg(test)]
#[path = "resolution_tests.rs"]
mod tests;
