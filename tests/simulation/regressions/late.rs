//! Content that was being written while others changed or removed the file.

use super::{Space, place};
use fl0wfs::model::{Body, Manifest, NodeId};
use fl0wfs::ops::{Drop, Tree, Verb};

#[test]
fn a_content_that_comes_late_leaves_the_accepted_one_its_inode() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    let theirs = space.make_file(0, "file", b"old");
    space.talk();
    space.fetch(1);
    let node = space.node(1, "file");
    let ours = space.members[1].replica.known_ino_of(node).expect("its content has come");
    space.members[1].replica.opened(ours);
    assert!(space.members[1].write_anew(ours, b"ours".to_vec()));
    assert!(space.members[0].write_anew(theirs, b"theirs".to_vec()));
    space.members[0].capture(space.now, theirs);
    space.talk();
    space.fetch(1);
    let accepted = space.members[1].replica.known_ino_of(node);
    assert_ne!(accepted, Some(ours), "what is being written is cut off");
    space.members[1].capture(space.now, ours);
    assert_eq!(space.members[1].replica.known_ino_of(node), accepted);
    let bytes = accepted.and_then(|ino| space.members[1].read(ino));
    assert_eq!(bytes.as_deref(), Some(&b"theirs"[..]), "nothing has to be fetched again");
}

#[test]
fn a_content_that_comes_late_meets_a_file_that_has_had_no_flush_point() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    space.make_file(0, "file", b"old");
    space.talk();
    space.fetch(1);
    let (node, removed) = (space.node(1, "file"), place("file"));
    let ours = space.members[1].replica.known_ino_of(node).expect("its content has come");
    space.members[1].replica.opened(ours);
    assert!(space.members[1].write_anew(ours, b"ours".to_vec()));
    let version = space.members[0].replica.view().node(node).expect("it is there").version;
    assert!(space.members[0].submit(1, Verb::Drop(Drop { node, place: removed, version })));
    space.talk();
    let newcomer = space.make(1, "file", Body::File(Manifest::empty()));
    space.members[1].capture(space.now, ours);
    let sound = |space: &Space| {
        let sound = crate::checks::prefix_and_own_work(&space.members[1], &space.hub.history);
        sound.unwrap_or_else(|failure| panic!("{failure}"));
    };
    sound(&space);
    assert!(space.members[1].write_anew(newcomer, b"new".to_vec()));
    space.members[1].capture(space.now, newcomer);
    sound(&space);
    space.talk();
    let names = |at: usize| space.members[at].replica.view().list(NodeId::ROOT, 0).count();
    assert_eq!((names(0), names(1)), (2, 2), "the file and the copy");
}
