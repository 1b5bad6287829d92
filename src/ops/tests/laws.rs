//! Laws that hold for every sequence of ops, tried on random ones.

use super::well_formed::check_well_formed;
use super::*;
use crate::model::{Body, Conflict, ConflictKind, MemberNumber, Name, NodeId, Place, Special, Version};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;

/// Numbers that choose an op once the tree is known. Most choices fit the tree, some do not.
#[derive(Clone, Debug)]
struct Choice {
    verb: u8,
    author: MemberNumber,
    what: Index,
    other: Index,
    parent: Index,
    name: u8,
    mark: u8,
    /// Out of eight, how sure the author is of what there is; below two it guesses.
    sure: u8,
}

fn a_choice() -> impl Strategy<Value = Choice> {
    let who = prop_oneof![3 => Just(ANNE), 1 => Just(BOB)];
    let fields = (0u8..13, who, any::<Index>(), any::<Index>(), any::<Index>(), 0u8..4, any::<u8>(), 0u8..8);
    fields.prop_map(|(verb, author, what, other, parent, name, mark, sure)| Choice {
        verb,
        author,
        what,
        other,
        parent,
        name,
        mark,
        sure,
    })
}

impl Choice {
    fn guesses(&self) -> bool {
        self.sure < 2
    }

    fn some_id(&self, index: Index) -> NodeId {
        match index.index(14) {
            0 => NodeId::ROOT,
            counter if counter % 3 == 0 => bobs(counter as u64),
            counter => node(counter as u64),
        }
    }

    fn directory(&self, tree: &MemoryTree) -> NodeId {
        let directories: Vec<NodeId> =
            tree.nodes.iter().filter(|(_, node)| node.is_directory()).map(|(id, _)| *id).collect();
        if self.guesses() { self.some_id(self.parent) } else { *self.parent.get(&directories) }
    }

    fn place(&self, tree: &MemoryTree) -> Place {
        let name = Name::new([b'a' + self.name]).expect("a letter is a name");
        Place { parent: self.directory(tree), name }
    }

    fn named(&self, tree: &MemoryTree, index: Index) -> (NodeId, Place) {
        let names: Vec<(&Place, &NodeId)> = tree.names.iter().collect();
        if names.is_empty() || self.guesses() {
            return (self.some_id(index), self.place(tree));
        }
        let (place, id) = index.get(&names);
        (**id, (*place).clone())
    }

    fn version(&self, tree: &MemoryTree, id: NodeId) -> Version {
        let there = tree.node(id).map(|node| node.version);
        if self.guesses() { Version(u64::from(self.mark % 4)) } else { there.unwrap_or_default() }
    }

    fn conflict(&self, about: NodeId) -> Option<Conflict> {
        let kinds =
            [ConflictKind::PutPut, ConflictKind::MakeMake, ConflictKind::PutDrop, ConflictKind::DropPut];
        let kind = kinds[usize::from(self.mark) % kinds.len()];
        let (member, base, remote) = (self.author, None, Version(1));
        (self.mark < 90).then_some(Conflict { node: about, member, kind, base, remote, time: NOW })
    }

    fn made(&self, tree: &MemoryTree) -> Make {
        let body = match self.mark % 5 {
            0 | 1 => Body::Directory,
            2 | 3 => Body::File(content(self.mark)),
            _ if self.mark > 128 => Body::Symlink(vec![b'x']),
            _ => Body::Special(Special::Fifo),
        };
        let conflict = self.conflict(self.some_id(self.other));
        Make { conflict, ..make(self.some_id(self.what), self.place(tree), body) }
    }

    fn moved(&self, tree: &MemoryTree) -> Verb {
        let (node, from) = self.named(tree, self.what);
        let (over, taken) = self.named(tree, self.other);
        let replaced = Replaced { node: over, version: self.version(tree, over) };
        let (replaces, to) =
            if self.verb.is_multiple_of(3) { (None, self.place(tree)) } else { (Some(replaced), taken) };
        Verb::Move(Move {
            node,
            from,
            to,
            replaces,
            exchange: self.verb % 3 == 1,
            keeps_owner: self.mark.is_multiple_of(2),
        })
    }

    fn op(&self, tree: &MemoryTree) -> Op {
        let (node, place) = self.named(tree, self.what);
        let version = self.version(tree, node);
        let verb = match self.verb {
            0..=3 => Verb::Make(self.made(tree)),
            4 => {
                let conflict = self.conflict(self.some_id(self.other));
                Verb::Put(Put { conflict, ..put_of(node, version.0, self.mark) })
            }
            5 => Verb::SetMeta(SetMeta { node, mode: Some(u16::from(self.mark)), ..set(0) }),
            6 => Verb::Link(Link { node, place: self.place(tree) }),
            7..=9 => self.moved(tree),
            10 | 11 => Verb::Drop(Drop { node, place, version }),
            _ if self.mark.is_multiple_of(2) => Verb::Settle { node, member: self.author },
            _ => self.conflict(node).map_or(Verb::Settle { node, member: BOB }, Verb::Record),
        };
        Op { time: mtime(i64::from(self.mark)), verb }
    }
}

/// Every node's version, removed ones included, and its content.
fn versions(tree: &MemoryTree) -> BTreeMap<NodeId, (Version, Option<Body>)> {
    let gone = tree.tombstones.iter().map(|(id, tombstone)| (*id, (tombstone.node.version, None)));
    let live = tree.nodes.iter().map(|(id, node)| (*id, (node.version, Some(node.body.clone()))));
    gone.chain(live).collect()
}

/// Versions never go back, and two contents of a node never share one.
fn check_versions(before: &MemoryTree, after: &MemoryTree) -> Result<(), TestCaseError> {
    let now = versions(after);
    for (id, (version, body)) in versions(before) {
        let Some((next, next_body)) = now.get(&id) else {
            return Err(TestCaseError::fail(format!("{id} was forgotten")));
        };
        prop_assert!(version <= *next, "{} went back to version {}", id, next.0);
        let is_directory = body == Some(Body::Directory) || *next_body == Some(Body::Directory);
        prop_assert!(body == *next_body || is_directory || version < *next, "{} kept its version", id);
    }
    Ok(())
}

/// What had content before has it still, or its end is a tombstone that tells it or who took over.
fn check_nothing_lost(before: &MemoryTree, after: &MemoryTree, op: &Op) -> Result<(), TestCaseError> {
    for id in before.nodes.keys().filter(|id| !after.nodes.contains_key(id)) {
        let tombstone = after.tombstone(*id);
        prop_assert!(tombstone.is_some(), "{} left nothing behind", id);
        let heir = tombstone.and_then(|tombstone| tombstone.successor);
        let meant = match &op.verb {
            Verb::Drop(drop) => drop.node == *id || heir.is_some(),
            Verb::Move(rename) => {
                rename.replaces.is_some_and(|replaced| replaced.node == *id) || heir.is_some()
            }
            _ => false,
        };
        prop_assert!(meant, "{} ended by {:?}", id, op.verb);
        if let Some(heir) = heir {
            let took_over = after.node(heir.node).map(|node| (node.version, node.body));
            let content = before.node(*id).map(|node| node.body);
            prop_assert_eq!(
                took_over.map(|(version, body)| (version, Some(body))),
                Some((heir.version, content))
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_sequence_of_ops_keeps_the_tree_well_formed(choices in prop::collection::vec(a_choice(), 1..120)) {
        let mut tree = MemoryTree::default();
        for choice in choices {
            let op = choice.op(&tree);
            let changes = apply(&tree, choice.author, &op);
            prop_assert_eq!(&changes, &apply(&tree, choice.author, &op));
            let Ok(changes) = changes else { continue };
            let before = tree.clone();
            tree.write(changes);
            check_well_formed(&tree).map_err(|fault| TestCaseError::fail(format!("{fault} after {op:?}")))?;
            check_versions(&before, &tree)?;
            check_nothing_lost(&before, &tree, &op)?;
        }
    }

    #[test]
    fn two_trees_that_apply_the_same_ops_are_the_same(choices in prop::collection::vec(a_choice(), 1..60)) {
        let (mut one, mut ops) = (MemoryTree::default(), Vec::new());
        for choice in choices {
            let op = choice.op(&one);
            if let Ok(changes) = apply(&one, choice.author, &op) {
                one.write(changes);
                ops.push((choice.author, op));
            }
        }
        let mut other = MemoryTree::default();
        for (author, op) in &ops {
            let changes = apply(&other, *author, op);
            prop_assert!(changes.is_ok());
            other.write(changes.unwrap_or_default());
        }
        prop_assert_eq!(one, other);
    }
}

/// Guards the laws above against trying next to nothing: every verb is accepted often enough.
#[test]
fn random_ops_are_accepted_often_enough_to_mean_something() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut accepted: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..200 {
        let choices =
            prop::collection::vec(a_choice(), 100).new_tree(&mut runner).expect("a value").current();
        let mut tree = MemoryTree::default();
        for choice in choices {
            let op = choice.op(&tree);
            let Ok(changes) = apply(&tree, choice.author, &op) else { continue };
            let nodes = tree.nodes.len();
            tree.write(changes);
            *accepted.entry(verb_name(&op.verb, nodes > tree.nodes.len())).or_default() += 1;
        }
    }
    let wanted = [
        "make",
        "put",
        "set-meta",
        "link",
        "move",
        "exchange",
        "succession or replacement",
        "end",
        "drop",
        "record",
    ];
    for verb in wanted {
        assert!(accepted.get(verb).is_some_and(|count| *count >= 40), "{verb} of {accepted:?}");
    }
}

fn verb_name(verb: &Verb, ended: bool) -> &'static str {
    match verb {
        Verb::Make(_) => "make",
        Verb::Put(_) => "put",
        Verb::SetMeta(_) => "set-meta",
        Verb::Link(_) => "link",
        Verb::Move(rename) if rename.exchange => "exchange",
        Verb::Move(_) if ended => "succession or replacement",
        Verb::Move(_) => "move",
        Verb::Drop(_) if ended => "end",
        Verb::Drop(_) => "drop",
        Verb::Settle { .. } | Verb::Record(_) => "record",
    }
}
