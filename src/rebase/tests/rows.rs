//! How a row of the conflict table is told and tried: both ways round, as short texts.

use super::space::{BITS, Member, Space, contents_of, listing, unwanted};
use crate::model::{Conflict, MemberNumber};
use crate::ops::{MemoryTree, path_of};

/// What one member does.
pub type Deeds = fn(&mut Member);

/// A space in which both members worked from one state, and the conflicts that this made.
pub struct Met {
    pub ann: Member,
    pub bob: Member,
    pub space: Space,
    pub conflicts: Vec<Conflict>,
}

/// Runs a row: `ann` and `bob` work on what `common` left, the one of that number sends first.
pub fn meet(common: Deeds, ann: Deeds, bob: Deeds, first: MemberNumber) -> Met {
    let (mut space, mut one, mut other) = (Space::default(), Member::new(1), Member::new(2));
    common(&mut one);
    one.sync(&mut space);
    other.sync(&mut space);
    ann(&mut one);
    bob(&mut other);
    if first == other.number {
        std::mem::swap(&mut one, &mut other);
    }
    one.sync(&mut space);
    let conflicts = other.sync(&mut space).conflicts;
    one.sync(&mut space);
    assert_eq!(one.view, other.view);
    check_reachable(&space, [&one, &other]);
    let (ann, bob) = if first == MemberNumber(1) { (one, other) } else { (other, one) };
    Met { ann, bob, space, conflicts }
}

/// Whatever was written is in the log, and in the tree unless somebody removed or replaced it knowingly. What was
/// joined is in what it was joined to, as each test says.
pub fn check_reachable(space: &Space, members: [&Member; 2]) {
    let (accepted, there) = (space.contents(), contents_of(&space.head));
    let unwanted = unwanted(space, &members);
    let written = members.iter().flat_map(|member| &member.written);
    for content in written.filter(|content| **content < BITS) {
        assert!(accepted.contains(content), "content {content} never reached the log");
        let kept = there.contains(content) || unwanted.contains(content);
        assert!(kept, "content {content} is in no file");
    }
}

/// The tree as a text: `a=1; d/; a (conflict bob)=2 | PutPut`, with the conflicts met after the bar.
pub fn told(met: &Met) -> String {
    let name = |(path, content): (String, Option<u64>)| match content {
        Some(content) => format!("{path}={content}"),
        None => path,
    };
    let names: Vec<String> = listing(&met.space.head).into_iter().map(name).collect();
    let kinds: Vec<String> = met.conflicts.iter().map(|conflict| format!("{:?}", conflict.kind)).collect();
    let bar = if kinds.is_empty() { "" } else { " | " };
    format!("{}{bar}{}", names.join("; "), kinds.join(" "))
}

/// Tries a row both ways round.
pub fn row(common: Deeds, ann: Deeds, bob: Deeds, ann_first: &str, bob_first: &str) {
    assert_eq!(told(&meet(common, ann, bob, MemberNumber(1))), ann_first, "ann first");
    assert_eq!(told(&meet(common, ann, bob, MemberNumber(2))), bob_first, "bob first");
}

/// Open conflicts as `KIND PATH -> COPY`.
pub fn open(tree: &MemoryTree) -> Vec<String> {
    let path = |node| {
        let names = path_of(tree, node).expect("a conflict is about a live node");
        names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join("/")
    };
    let tell = |row: &crate::ops::ConflictRow| {
        let copy = row.copy.map_or(String::new(), |copy| format!(" -> {}", path(copy)));
        format!("{:?} {}{copy}", row.conflict.kind, path(row.conflict.node))
    };
    tree.conflicts.values().map(tell).collect()
}
