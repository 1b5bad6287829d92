//! Move: renames, replacements, exchanges, and the cycles they must not make.

use super::*;
use crate::model::{Moved, Place, Version};

fn top(name: &str) -> Place {
    at(node(0), name)
}

#[test]
fn a_move_keeps_the_node_and_all_below_it() {
    let before = [dir(1, 0, "d"), dir(2, 0, "e"), file(3, 1, "f"), rename(1, top("d"), at(node(2), "d2"))];
    let tree = tree(before);
    assert_eq!(lookup(&tree, "e/d2/f"), Some(node(3)));
    assert_eq!(lookup(&tree, "d"), None);
    assert_eq!(state(&tree, 3), Some((1, 3)));
    for parent in [0, 2] {
        assert_eq!(tree.node(node(parent)).unwrap().mtime, NOW);
    }
}

#[test]
fn only_a_file_remembers_where_it_was_moved_from() {
    let tree =
        tree([dir(1, 0, "d"), file(2, 0, "f"), rename(1, top("d"), top("e")), rename(2, top("f"), top("g"))]);
    assert_eq!(tree.node(node(1)).unwrap().moved, None);
    assert_eq!(tree.node(node(2)).unwrap().moved, Some(Moved { from: top("f"), by: ANNE }));
}

#[test]
fn a_name_is_moved_and_the_others_stay() {
    let tree = tree([file(1, 0, "a"), link(1, top("b")), rename(1, top("a"), top("c"))]);
    assert_eq!(
        (lookup(&tree, "a"), lookup(&tree, "b"), lookup(&tree, "c")),
        (None, Some(node(1)), Some(node(1)))
    );
}

#[test]
fn a_move_replaces_what_it_expected() {
    let cases: Vec<(&str, Vec<Verb>, (u64, u64))> = vec![
        ("an empty directory by a directory", vec![dir(1, 0, "from"), dir(2, 0, "to")], (2, 0)),
        ("a symlink by a file", vec![file(1, 0, "from"), symlink(2, 0, "to")], (2, 1)),
        ("a file by a symlink", vec![symlink(1, 0, "from"), file(2, 0, "to")], (2, 1)),
    ];
    for (name, before, over) in cases {
        let mut tree = tree(before);
        step(&mut tree, ANNE, rename_over(1, top("from"), top("to"), over)).unwrap();
        assert_eq!((lookup(&tree, "from"), lookup(&tree, "to")), (None, Some(node(1))), "{name}");
        let tombstone = tree.tombstone(node(2)).unwrap();
        assert_eq!((tombstone.place, tombstone.successor), (top("to"), None), "{name}");
    }
}

#[test]
fn a_replaced_file_with_another_name_lives_on_under_it() {
    let before = [file(1, 0, "from"), file(2, 0, "to"), link(2, top("other"))];
    // The version is not checked: the content stays reachable.
    let tree = tree(before.into_iter().chain([rename_over(1, top("from"), top("to"), (2, 77))]));
    assert_eq!((lookup(&tree, "to"), lookup(&tree, "other")), (Some(node(1)), Some(node(2))));
    assert_eq!((state(&tree, 1), state(&tree, 2)), (Some((1, 1)), Some((1, 2))));
}

#[test]
fn an_exchange_swaps_two_places() {
    let cases: Vec<(&str, Vec<Verb>)> = vec![
        ("two files", vec![file(1, 8, "a"), file(2, 9, "b")]),
        ("a directory with content and a file", vec![dir(1, 8, "a"), file(3, 1, "in"), file(2, 9, "b")]),
        (
            "two directories with content",
            vec![dir(1, 8, "a"), file(3, 1, "in"), dir(2, 9, "b"), file(4, 2, "in")],
        ),
    ];
    for (name, before) in cases {
        let parents = [dir(8, 0, "p"), dir(9, 0, "q")];
        let swap = exchange(1, at(node(8), "a"), at(node(9), "b"), 2);
        let tree = tree(parents.into_iter().chain(before).chain([swap]));
        assert_eq!((lookup(&tree, "p/a"), lookup(&tree, "q/b")), (Some(node(2)), Some(node(1))), "{name}");
        assert!(tree.tombstones.is_empty(), "{name}");
    }
}

#[test]
fn an_exchange_within_one_directory_leaves_versions_alone() {
    let tree = tree([file(1, 0, "a"), file(2, 0, "b"), exchange(1, top("a"), top("b"), 2)]);
    assert_eq!((lookup(&tree, "a"), lookup(&tree, "b")), (Some(node(2)), Some(node(1))));
    assert_eq!((state(&tree, 1), state(&tree, 2)), (Some((1, 1)), Some((1, 2))));
}

#[test]
fn no_move_makes_a_directory_its_own_ancestor() {
    let deep = || vec![dir(1, 0, "a"), dir(2, 1, "b"), dir(3, 2, "c")];
    let cycle = |counter| Rejection::Cycle(node(counter));
    check_refused(vec![
        ("into itself", deep(), rename(1, top("a"), at(node(1), "x")), cycle(1)),
        ("into its child", deep(), rename(1, top("a"), at(node(2), "x")), cycle(1)),
        ("into a grandchild", deep(), rename(1, top("a"), at(node(3), "x")), cycle(1)),
        ("exchanged with its child", deep(), exchange(1, top("a"), at(node(1), "b"), 2), cycle(1)),
        ("exchanged with its grandparent", deep(), exchange(3, at(node(2), "c"), top("a"), 1), cycle(1)),
    ]);
}

#[test]
fn a_move_is_refused_where_it_does_not_fit() {
    let two = || vec![file(1, 0, "a"), file(2, 0, "b")];
    let mixed = || vec![file(1, 0, "a"), dir(2, 0, "d"), file(3, 2, "in")];
    check_refused(vec![
        ("nothing", vec![], rename(1, top("a"), top("b")), Rejection::Missing(node(1))),
        ("moved already", two(), rename(1, top("z"), top("y")), Rejection::NotThere(node(1))),
        (
            "an unexpected node in the way",
            two(),
            rename(1, top("a"), top("b")),
            Rejection::NameTaken(node(2)),
        ),
        (
            "the expected node is not there",
            two(),
            rename_over(1, top("a"), top("c"), (2, 1)),
            Rejection::NotThere(node(2)),
        ),
        (
            "the expected node is gone",
            two(),
            rename_over(1, top("a"), top("c"), (5, 1)),
            Rejection::Missing(node(5)),
        ),
        (
            "the expected node has other content",
            two(),
            rename_over(1, top("a"), top("b"), (2, 4)),
            Rejection::Stale { node: node(2), now: Version(1) },
        ),
        (
            "a directory by a file",
            mixed(),
            rename_over(1, top("a"), top("d"), (2, 0)),
            Rejection::IsDirectory(node(2)),
        ),
        (
            "a file by a directory",
            mixed(),
            rename_over(2, top("d"), top("a"), (1, 1)),
            Rejection::NotDirectory(node(1)),
        ),
        (
            "a directory with something in it",
            mixed().into_iter().chain([dir(4, 0, "e")]).collect(),
            rename_over(4, top("e"), top("d"), (2, 0)),
            Rejection::NotEmpty(node(2)),
        ),
        (
            "a directory over its parent",
            vec![dir(1, 0, "a"), dir(2, 1, "b")],
            rename_over(2, at(node(1), "b"), top("a"), (1, 0)),
            Rejection::NotEmpty(node(1)),
        ),
        ("to no directory", two(), rename(1, top("a"), at(node(7), "x")), Rejection::Missing(node(7))),
        ("into a file", two(), rename(1, top("a"), at(node(2), "x")), Rejection::NotDirectory(node(2))),
        ("the root", vec![dir(1, 0, "a")], rename(0, top("a"), top("b")), Rejection::NotThere(node(0))),
        ("exchange with nothing", two(), exchange(1, top("a"), top("c"), 2), Rejection::NotThere(node(2))),
        ("to where it is", two(), rename(1, top("a"), top("a")), Rejection::NameTaken(node(1))),
    ]);
}

#[test]
fn a_move_never_replaces_or_exchanges_the_node_it_moves() {
    let itself = Rejection::Limit("a move replaces the node it moves");
    let linked = || vec![file(1, 0, "a"), link(1, top("b"))];
    check_refused(vec![
        (
            "a file by itself",
            vec![file(1, 0, "a")],
            rename_over(1, top("a"), top("a"), (1, 1)),
            itself.clone(),
        ),
        (
            "a directory by itself",
            vec![dir(1, 0, "a")],
            rename_over(1, top("a"), top("a"), (1, 0)),
            itself.clone(),
        ),
        (
            "one name of a file by another",
            linked(),
            rename_over(1, top("a"), top("b"), (1, 1)),
            itself.clone(),
        ),
        ("two names of a file exchanged", linked(), exchange(1, top("a"), top("b"), 1), itself),
    ]);
}
