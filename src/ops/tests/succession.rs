//! Succession: a save by rename or by backup is the next version of the file that was saved.

use super::*;
use crate::model::{Body, MemberNumber, NodeId, Owner, Place, Successor, Version, Xattrs};

fn top(name: &str) -> Place {
    at(node(0), name)
}

/// What anyone asks after a save: who has the name, its version and content, and who took over from whom.
fn check_saved(tree: &MemoryTree, name: &str, version: u64, mark: u8) {
    assert_eq!(lookup(tree, name), Some(node(1)));
    assert_eq!(state(tree, 1), Some((version, mark)));
    assert_eq!(tree.node(node(2)), None);
    let successor = Some(Successor { node: node(1), version: Version(version) });
    assert_eq!(tree.tombstone(node(2)).unwrap().successor, successor);
    assert_eq!(resolve_successor(tree, node(2)), node(1));
    assert_eq!(tree.names.len(), 1, "no other name stays");
}

#[test]
fn a_file_renamed_over_another_is_the_next_version_of_it() {
    let save = rename_over(2, top("f.tmp"), top("f"), (1, 1));
    let tree = tree([file(1, 0, "f"), file(2, 0, "f.tmp"), save]);
    check_saved(&tree, "f", 2, 2);
    assert_eq!(tree.tombstone(node(2)).unwrap().place, top("f.tmp"));
}

#[test]
fn a_newcomer_brings_its_attributes_and_its_owner_unless_the_mount_knows_none() {
    let (old, new) = (Owner { uid: 1, gid: 1 }, Owner { uid: 2, gid: 2 });
    for keeps_owner in [false, true] {
        let mut existing = make(node(1), top("f"), Body::File(content(1)));
        existing.owner = Some(old);
        existing.xattrs = xattrs(["system.posix_acl_access", "user.old"]);
        let mut newcomer = make(node(2), top("t"), Body::File(content(2)));
        (newcomer.owner, newcomer.mode, newcomer.mtime) = (Some(new), 0o600, mtime(55));
        newcomer.xattrs = xattrs(["trusted.t", "user.new"]);
        let replaces = Some(Replaced { node: node(1), version: Version(1) });
        let save = Move { replaces, keeps_owner, ..rename_of(2, top("t"), top("f")) };
        let tree = tree([Verb::Make(existing), Verb::Make(newcomer), Verb::Move(save)]);
        let saved = tree.node(node(1)).unwrap();
        assert_eq!((saved.mode, saved.mtime), (0o600, mtime(55)));
        assert_eq!(saved.owner, if keeps_owner { old } else { new });
        let of_root = if keeps_owner { "system.posix_acl_access" } else { "trusted.t" };
        assert_eq!(saved.xattrs, xattrs([of_root, "user.new"]));
    }
}

fn xattrs<const N: usize>(names: [&str; N]) -> Xattrs {
    names.map(|name| (name.as_bytes().to_vec(), b"x".to_vec())).into()
}

#[test]
fn saves_by_rename_follow_each_other() {
    let mut tree = tree([file(1, 0, "f")]);
    for counter in 2..6 {
        step(&mut tree, ANNE, file(counter, 0, "t")).unwrap();
        step(&mut tree, ANNE, rename_over(counter, top("t"), top("f"), (1, counter - 1))).unwrap();
        assert_eq!(state(&tree, 1), Some((counter, counter as u8)));
    }
    assert!((2..6).all(|counter| resolve_successor(&tree, node(counter)) == node(1)));
}

#[test]
fn a_link_on_either_side_keeps_two_files_two() {
    let other = || top("other");
    for linked in [1, 2] {
        let before = [file(1, 0, "f"), file(2, 0, "t"), link(linked, other())];
        let tree = tree(before.into_iter().chain([rename_over(2, top("t"), top("f"), (1, 1))]));
        assert_eq!(lookup(&tree, "f"), Some(node(2)));
        assert_eq!(state(&tree, 2), Some((1, 2)));
        assert_eq!(tree.tombstone(node(1)).is_some(), linked == 2);
        assert!(tree.tombstone(node(1)).is_none_or(|tombstone| tombstone.successor.is_none()));
    }
}

/// The ops of a save by backup: moved aside, made anew, backup dropped.
fn save_by_backup() -> [Verb; 4] {
    [file(1, 0, "f"), rename(1, top("f"), top("f~")), file(2, 0, "f"), drop_name(1, top("f~"), 1)]
}

#[test]
fn a_save_by_backup_is_the_next_version_of_the_file_moved_aside() {
    let tree = tree(save_by_backup());
    check_saved(&tree, "f", 2, 2);
    assert_eq!(tree.node(node(1)).unwrap().moved, None);
}

#[test]
fn saves_by_backup_follow_each_other() {
    let mut tree = tree(save_by_backup());
    step(&mut tree, ANNE, rename(1, top("f"), top("f~"))).unwrap();
    step(&mut tree, ANNE, file(3, 0, "f")).unwrap();
    step(&mut tree, ANNE, drop_name(1, top("f~"), 2)).unwrap();
    assert_eq!((lookup(&tree, "f"), state(&tree, 1)), (Some(node(1)), Some((3, 3))));
}

#[test]
fn a_save_by_backup_follows_the_newcomers_later_content() {
    let [first, aside, anew, last] = save_by_backup();
    let tree = tree([first, aside, anew, put(2, 1, 70), last]);
    check_saved(&tree, "f", 2, 70);
}

#[test]
fn what_only_looks_like_a_save_by_backup_ends_the_file() {
    let [first, aside, anew, last] = save_by_backup();
    let step_of = |member: MemberNumber, verb: &Verb| (member, verb.clone());
    let (a, b, c, d) = (&first, &aside, &anew, &last);
    let bobs_file = Verb::Make(make(bobs(1), top("f"), Body::File(content(2))));
    let cases: Vec<(&str, Vec<(MemberNumber, Verb)>)> = vec![
        (
            "another member dropped it",
            vec![step_of(ANNE, a), step_of(ANNE, b), step_of(ANNE, c), step_of(BOB, d)],
        ),
        (
            "another member moved it",
            vec![step_of(ANNE, a), step_of(BOB, b), step_of(ANNE, c), step_of(ANNE, d)],
        ),
        (
            "another member made the newcomer",
            vec![step_of(ANNE, a), step_of(ANNE, b), (BOB, bobs_file), step_of(ANNE, d)],
        ),
        (
            "the newcomer had another name",
            vec![
                step_of(ANNE, a),
                step_of(ANNE, b),
                (ANNE, file(2, 0, "t")),
                (ANNE, rename(2, top("t"), top("f"))),
                step_of(ANNE, d),
            ],
        ),
        (
            "the newcomer has two names",
            vec![
                step_of(ANNE, a),
                step_of(ANNE, b),
                step_of(ANNE, c),
                (ANNE, link(2, top("g"))),
                step_of(ANNE, d),
            ],
        ),
        (
            "the newcomer is a directory",
            vec![step_of(ANNE, a), step_of(ANNE, b), (ANNE, dir(2, 0, "f")), step_of(ANNE, d)],
        ),
        ("nothing took the old name", vec![step_of(ANNE, a), step_of(ANNE, b), step_of(ANNE, d)]),
    ];
    for (name, steps) in cases {
        let mut tree = MemoryTree::default();
        for (author, verb) in steps {
            step(&mut tree, author, verb).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        }
        let tombstone = tree.tombstone(node(1)).unwrap_or_else(|| panic!("{name}: the file did not end"));
        assert_eq!(tombstone.successor, None, "{name}");
        assert_eq!(lookup(&tree, "f~"), None, "{name}");
    }
}

#[test]
fn a_chain_of_successors_is_followed_to_what_lives() {
    let mut tree = tree([
        file(1, 0, "f"),
        file(2, 0, "t"),
        file(3, 0, "u"),
        rename_over(3, top("u"), top("t"), (2, 1)),
        rename_over(2, top("t"), top("f"), (1, 1)),
    ]);
    assert_eq!(resolve_successor(&tree, node(3)), node(1));
    step(&mut tree, ANNE, drop_name(1, top("f"), 2)).unwrap();
    assert_eq!(resolve_successor(&tree, node(3)), node(1));
    let unknown = NodeId { member: BOB, counter: 1 };
    assert_eq!(resolve_successor(&tree, unknown), unknown);
}
