//! Work that waits while its hub goes back to what it was.

use super::{Space, place};
use crate::member::manifest_of;
use fl0wfs::ops::{ConflictRow, Tree};
use fl0wfs::sync::member::content_of;

#[test]
fn what_waits_upon_a_content_that_the_hub_has_lost_goes_on_top_of_the_older_one() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    let ino = space.make_file(0, "file", b"one");
    space.talk();
    let backup = space.hub.back_up();
    assert!(space.members[0].write_anew(ino, b"two".to_vec()));
    space.members[0].capture(space.now, ino);
    space.talk();
    space.fetch(1);
    space.members[1].disconnected();
    // The content that the hub is about to lose is nowhere on this member's disk from here on.
    let node = space.node(1, "file");
    let ino = space.members[1].replica.known_ino_of(node).expect("it was fetched");
    for text in [&b"three"[..], b"four"] {
        assert!(space.members[1].write_anew(ino, text.to_vec()));
        space.members[1].capture(space.now, ino);
    }
    space.hub.restore(backup);
    space.connect(1);
    space.talk();
    let (there, conflicts) = space.hub.sync.with_tree(&space.hub.disk, |tree| {
        let node = tree.child(place("file").parent, &place("file").name).and_then(|id| tree.node(id));
        (node, tree.conflicts().collect::<Vec<ConflictRow>>())
    });
    let there = there.and_then(|node| node.manifest().cloned());
    assert_eq!(there, Some(manifest_of(b"four").0));
    assert!(conflicts.is_empty(), "nobody else has written: {conflicts:?}");
    assert!(space.hub.history.logged.contains(&content_of(&manifest_of(b"three").0)));
}
