//! Saves by backup that others take apart.

use super::{Space, place};
use fl0wfs::model::{Body, NodeId};
use fl0wfs::ops::{ConflictRow, Drop, Link, Move, Tree, Verb};

#[test]
fn what_a_new_name_of_the_old_file_kept_from_its_place_is_a_copy_of_that_file() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    space.make_file(0, "file", b"old");
    space.talk();
    space.fetch(1);
    let node = space.node(1, "file");
    let step = |from, to| {
        let (from, to) = (place(from), place(to));
        Verb::Move(Move { node, from, to, replaces: None, exchange: false, keeps_owner: false })
    };
    assert!(space.members[1].submit(1, step("file", "file~")));
    space.make_file(1, "file", b"new");
    let version = space.members[1].replica.view().node(node).expect("it is there").version;
    assert!(space.members[1].submit(2, Verb::Drop(Drop { node, place: place("file~"), version })));
    assert_eq!(space.node(1, "file"), node, "the drop ends a save");
    assert!(space.members[1].submit(3, step("file", "other")));
    // With two names, the removal of one of them ends nothing.
    assert!(space.members[0].submit(1, Verb::Link(Link { node, place: place("other") })));
    let late = space.members[1].next_commit().expect("there is work");
    let commit = space.members[0].next_commit().expect("there is work");
    space.say(0, crate::hub::Up::Said(commit));
    space.make(0, "directory", Body::Directory);
    let commit = space.members[0].next_commit().expect("there is work");
    space.say(0, crate::hub::Up::Said(commit));
    // Both come before the answer, which is no.
    space.say(1, crate::hub::Up::Said(late));
    space.talk();
    let conflicts = |at: usize| space.members[at].replica.view().conflicts().collect::<Vec<ConflictRow>>();
    let [row] = &conflicts(0)[..] else { panic!("one conflict is expected: {:?}", conflicts(0)) };
    let copy = row.copy.expect("it has a copy");
    assert_eq!((row.conflict.node, space.node(0, "other")), (node, node));
    assert_ne!(copy, node);
    assert_eq!(space.members[0].replica.view().places(copy)[0].parent, NodeId::ROOT);
    assert_eq!(conflicts(0), conflicts(1));
}
