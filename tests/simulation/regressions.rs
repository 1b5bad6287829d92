//! What the simulation found once, told by name: a hub and members whose messages arrive at once.

mod late;
mod restored;
mod saves;

use crate::chance::Chance;
use crate::clock::{Clock, Stamps};
use crate::failure::Failure;
use crate::hub::{Hub, hello_of};
use crate::member::Member;
use crate::runs::{note_panics, run};
use crate::world::{HubFate, World};
use fl0wfs::model::{Body, Conflict, ConflictKind, Manifest, Name, NodeId, Owner, Place, Xattrs};
use fl0wfs::ops::{Drop, Link, Move, Replaced, SetMeta, Tree, Verb};
use fl0wfs::sync::Kv;
use fl0wfs::sync::member::{Ino, Makings};

/// Runs in which the hub goes back to what it was.
const SEEDS: u64 = 40;

struct Space {
    hub: Hub,
    members: Vec<Member>,
    chance: Chance,
    now: u64,
}

impl Space {
    fn new(members: usize) -> Space {
        let stamps = Stamps::default();
        let member = |index| Member::new(index, Clock::new(0, stamps.clone()));
        let hub = Hub::new(7, members, stamps.clone());
        Space { hub, members: (0..members).map(member).collect(), chance: Chance(1), now: 1 }
    }

    fn connect(&mut self, at: usize) {
        let hello = hello_of(&mut self.members[at]);
        self.say(at, hello);
        self.talk();
    }

    /// Has all that is pending go, and all that is said arrive.
    fn talk(&mut self) {
        for at in 0..self.members.len() {
            while let Some(message) = self.members[at].next_commit() {
                self.say(at, crate::hub::Up::Said(message));
            }
        }
    }

    fn say(&mut self, at: usize, up: crate::hub::Up) {
        self.now += 1;
        let down = self.hub.take((at as u64, at), up, self.now, &mut self.chance);
        for (to, message) in down.unwrap_or_else(|failure: Failure| panic!("{failure}")) {
            let hub = &self.hub;
            self.members[to as usize].handle(self.now, message, &|chunk| hub.chunk(chunk));
        }
    }

    /// Fetches what did not come along.
    fn fetch(&mut self, at: usize) {
        for wanted in self.members[at].wanted(usize::MAX) {
            let chunks =
                wanted.chunks.iter().map(|chunk| (*chunk, self.hub.chunk(*chunk).expect("it is there")));
            let chunks = chunks.collect();
            self.members[at].arrived(&wanted, &chunks);
        }
    }

    fn make(&mut self, at: usize, name: &str, body: Body) -> Ino {
        let stamp = self.members[at].stamp(self.now);
        let makings = Makings { body, mode: 0o644, owner: Some(Owner::default()), xattrs: Xattrs::new() };
        let made = self.members[at].replica.make(stamp, place(name), makings);
        let (ino, effects) = made.expect("the name is free");
        self.members[at].follow(effects);
        ino
    }

    fn make_file(&mut self, at: usize, name: &str, bytes: &[u8]) -> Ino {
        let ino = self.make(at, name, Body::File(Manifest::empty()));
        assert!(self.members[at].write_anew(ino, bytes.to_vec()));
        self.members[at].capture(self.now, ino);
        ino
    }

    /// Too large to come along with its entry.
    fn make_long_file(&mut self, at: usize, name: &str) {
        let long: Vec<u8> = (0..70_000u32).flat_map(u32::to_le_bytes).collect();
        self.make_file(at, name, &long);
        self.hub.keep(crate::member::manifest_of(&long).1);
    }

    fn node(&self, at: usize, name: &str) -> NodeId {
        let place = place(name);
        self.members[at].replica.view().child(place.parent, &place.name).expect("the name is there")
    }
}

fn place(name: &str) -> Place {
    Place { parent: NodeId::ROOT, name: Name::new(name).expect("a good name") }
}

#[test]
fn a_member_restarted_before_its_first_work_keeps_the_roots_attributes() {
    let mut space = Space::new(2);
    space.connect(0);
    let set = SetMeta {
        node: NodeId::ROOT,
        mode: Some(0o700),
        uid: None,
        gid: None,
        mtime: None,
        xattrs: Vec::new(),
    };
    assert!(space.members[0].submit(1, Verb::SetMeta(set)));
    space.talk();
    space.connect(1);
    let mode = |space: &Space| space.members[1].replica.view().node(NodeId::ROOT).map(|root| root.mode);
    assert_eq!(mode(&space), Some(0o700));
    space.members[1].restart(2, false);
    assert_eq!(mode(&space), Some(0o700));
}

#[test]
fn a_file_that_is_open_at_the_first_welcome_keeps_its_inode() {
    let mut space = Space::new(1);
    let ino = space.make(0, "new", Body::File(Manifest::empty()));
    space.members[0].replica.opened(ino);
    space.members[0].handles.push(ino);
    assert!(space.members[0].write_anew(ino, b"text".to_vec()));
    space.connect(0);
    let node = space.node(0, "new");
    assert_ne!(node.member, Default::default(), "the hub has given a number");
    assert_eq!(space.members[0].replica.known_ino_of(node), Some(ino));
}

#[test]
fn content_that_has_not_arrived_is_still_wanted_after_a_save_by_rename() {
    let mut space = Space::new(2);
    space.connect(0);
    space.make_file(0, "old", b"old");
    space.make_long_file(0, "long");
    space.talk();
    space.connect(1);
    let (node, replaced) = (space.node(1, "long"), space.node(1, "old"));
    assert!(space.members[1].replica.wants(node));
    let version = space.members[1].replica.view().node(replaced).expect("it is there").version;
    let replaces = Some(Replaced { node: replaced, version });
    let (from, to) = (place("long"), place("old"));
    let step = Move { node, from, to, replaces, exchange: false, keeps_owner: false };
    assert!(space.members[1].submit(2, Verb::Move(step)));
    assert!(space.members[1].replica.wants(replaced));
}

#[test]
fn files_that_a_conversation_left_unused_go_with_the_next_call_that_can_tell() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    // A commit in flight holds the other's entry back, with the file that came along.
    space.make_file(1, "mine", b"mine");
    assert!(space.members[1].next_commit().is_some());
    space.make_file(0, "others", b"others");
    space.talk();
    space.members[1].disconnected();
    space.connect(1);
    space.make(1, "directory", Body::Directory);
    space.talk();
    let named: Vec<u64> = space.members[1].replica.backing_files().collect();
    assert_eq!(space.members[1].disk.files(), named);
    assert!(space.members[1].disk.scan_prefix(b"J").next().is_none());
}

#[test]
fn what_a_hub_took_is_not_sent_again_by_a_member_that_it_has_forgotten() {
    let mut space = Space::new(1);
    space.connect(0);
    let root = NodeId::ROOT;
    let set =
        SetMeta { node: root, mode: Some(0o700), uid: None, gid: None, mtime: None, xattrs: Vec::new() };
    assert!(space.members[0].submit(1, Verb::SetMeta(set)));
    let commit = space.members[0].next_commit().expect("there is work");
    let answer = space.hub.take((0, 0), crate::hub::Up::Said(commit), space.now, &mut space.chance);
    assert_eq!(answer.expect("honest work").len(), 2, "the answer and the quota that the member never hears");
    let backup = space.hub.back_up();
    let hello = hello_of(&mut space.members[0]);
    let welcome = space.hub.take((0, 0), hello, space.now, &mut space.chance).expect("it is known");
    // Of the connection no more arrives than the new secret, and the hub goes back to before it.
    let (_, welcome) = welcome.into_iter().next().expect("a welcome");
    space.members[0].handle(space.now, welcome, &|_| None);
    space.members[0].disconnected();
    space.hub.restore(backup);
    let before = space.members[0].replica.identity().map(|identity| identity.member);
    space.connect(0);
    assert_ne!(space.members[0].replica.identity().map(|identity| identity.member), before);
    assert_eq!(space.hub.history.entries.len(), 1, "the one commit");
    assert_eq!(space.members[0].replica.pending().ops, 0);
    assert_eq!(space.members[0].replica.view().node(root).map(|root| root.mode), Some(0o700));
}

#[test]
fn a_conflict_that_comes_for_a_file_removed_here_is_over() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    space.make_file(0, "file", b"text");
    space.talk();
    let (node, removed) = (space.node(1, "file"), place("file"));
    let version = space.members[1].replica.view().node(node).expect("it is there").version;
    assert!(space.members[1].submit(1, Verb::Drop(Drop { node, place: removed, version })));
    // The hub tells the other of a conflict about the file before it hears of the removal.
    let (kind, time) = (ConflictKind::DropPut, space.members[0].stamp(space.now));
    let member = space.members[0].replica.identity().expect("it is enrolled").member;
    space.members[0].clock.stamps.excuse(time);
    let conflict = Conflict { node, member, kind, base: None, remote: version, time };
    let taken = space.members[0].replica.submit(time, Verb::Record(conflict));
    assert!(space.members[0].done(taken));
    let commit = space.members[0].next_commit().expect("there is work");
    space.say(0, crate::hub::Up::Said(commit));
    assert_eq!(space.members[1].replica.view().conflicts_of(node), []);
    let sound = crate::checks::prefix_and_own_work(&space.members[1], &space.hub.history);
    sound.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn what_a_hub_took_and_lost_before_it_told_all_comes_back_from_its_author() {
    let mut space = Space::new(1);
    space.connect(0);
    let empty = space.hub.back_up();
    space.make(0, "directory", Body::Directory);
    let commit = space.members[0].next_commit().expect("there is work");
    let answer = space.hub.take((0, 0), crate::hub::Up::Said(commit), space.now, &mut space.chance);
    assert_eq!(answer.expect("honest work").len(), 2, "the answer and the quota that the member never hears");
    let hello = hello_of(&mut space.members[0]);
    let welcome = space.hub.take((0, 0), hello, space.now, &mut space.chance).expect("it is known");
    let (_, welcome) = welcome.into_iter().next().expect("a welcome");
    space.members[0].handle(space.now, welcome, &|_| None);
    assert_eq!(space.members[0].replica.pending().ops, 0, "the welcome says that it was taken");
    space.members[0].disconnected();
    space.hub.restore(empty);
    space.connect(0);
    let place = place("directory");
    let there = space.hub.sync.with_tree(&space.hub.disk, |tree| tree.child(place.parent, &place.name));
    assert!(there.is_some());
}

#[test]
fn of_two_files_with_one_content_the_synced_one_holds_it() {
    let mut space = Space::new(1);
    space.make_file(0, "one", b"same");
    let synced = space.make_file(0, "two", b"same");
    let member = &mut space.members[0];
    member.fsync(1, synced);
    let file = member.replica.inode(synced).and_then(|inode| inode.backing).map(|backing| backing.file);
    let held: Vec<u64> = member.replica.held_files().into_iter().map(|(_, file)| file).collect();
    assert_eq!(held, Vec::from_iter(file));
}

#[test]
fn what_was_sealed_before_the_loss_of_power_goes_on_as_it_was() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    space.make_file(1, "name", b"sealed");
    let sealed = space.members[1].next_commit().expect("there is work");
    space.make(0, "name", Body::Directory);
    let first = space.members[0].next_commit().expect("there is work");
    // Somebody else has the name: what was sealed goes back to the journal.
    space.say(0, crate::hub::Up::Said(first));
    space.say(1, crate::hub::Up::Said(sealed));
    assert!(space.members[1].replica.sealed().is_none());
    let Some(held) = space.members[1].replica.held_files().first().copied() else {
        panic!("the file waits with its content")
    };
    space.members[1].disk.write_file(held.1, Vec::new());
    space.members[1].restart(space.now, true);
    let brought = crate::checks::pending(&space.members[1]).find_map(|op| op.verb.manifest().cloned());
    assert_eq!(brought, Some(crate::member::manifest_of(b"sealed").0));
}

#[test]
fn a_rename_over_one_of_two_names_meets_the_removal_of_the_other() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    space.make_file(0, "one", b"text");
    let node = space.node(0, "one");
    assert!(space.members[0].submit(1, Verb::Link(Link { node, place: place("two") })));
    space.talk();
    space.fetch(1);
    space.make_file(1, "new", b"new");
    let newcomer = space.node(1, "new");
    let version = space.members[1].replica.view().node(node).expect("it is there").version;
    let replaces = Some(Replaced { node, version });
    let (from, to) = (place("new"), place("two"));
    let step = Move { node: newcomer, from, to, replaces, exchange: false, keeps_owner: false };
    assert!(space.members[1].submit(2, Verb::Move(step)));
    // With the other name gone, the rename is a save: the file goes on with the new content.
    assert!(space.members[0].submit(2, Verb::Drop(Drop { node, place: place("one"), version })));
    let commit = space.members[0].next_commit().expect("there is work");
    space.say(0, crate::hub::Up::Said(commit));
    let sound = crate::checks::prefix_and_own_work(&space.members[1], &space.hub.history);
    sound.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn content_that_has_not_arrived_is_wanted_by_the_file_that_goes_on_after_a_save_by_backup() {
    let mut space = Space::new(1);
    space.connect(0);
    space.make_file(0, "file", b"old");
    space.talk();
    let node = space.node(0, "file");
    let (from, to) = (place("file"), place("file~"));
    let aside = Move { node, from, to, replaces: None, exchange: false, keeps_owner: false };
    assert!(space.members[0].submit(1, Verb::Move(aside)));
    let ino = space.make_file(0, "file", b"new");
    space.talk();
    let newcomer = space.node(0, "file");
    // The loss of power has taken what nobody had synced; the hub has it.
    let file =
        space.members[0].replica.inode(ino).and_then(|inode| inode.backing).expect("it has content").file;
    space.members[0].disk.write_file(file, Vec::new());
    space.members[0].restart(space.now, true);
    assert!(space.members[0].replica.wants(newcomer));
    let version = space.members[0].replica.view().node(node).expect("it is there").version;
    assert!(space.members[0].submit(2, Verb::Drop(Drop { node, place: place("file~"), version })));
    assert!(space.members[0].replica.view().node(newcomer).is_none(), "the drop ends the save");
    assert_eq!(space.members[0].replica.wanted(None, 9), [node]);
}

#[test]
fn a_save_by_backup_that_ends_before_the_new_file_has_had_a_flush_point_is_the_same_for_all() {
    let mut space = Space::new(2);
    space.connect(0);
    space.connect(1);
    space.make_file(0, "file", b"old");
    space.talk();
    let node = space.node(0, "file");
    let (from, to) = (place("file"), place("file~"));
    let aside = Move { node, from, to, replaces: None, exchange: false, keeps_owner: false };
    assert!(space.members[0].submit(1, Verb::Move(aside)));
    let ino = space.make(0, "file", Body::File(Manifest::empty()));
    let version = space.members[0].replica.view().node(node).expect("it is there").version;
    assert!(space.members[0].submit(2, Verb::Drop(Drop { node, place: place("file~"), version })));
    space.talk();
    assert_eq!([space.node(0, "file"), space.node(1, "file")], [node; 2]);
    assert!(space.members[0].write_anew(ino, b"new".to_vec()));
    space.members[0].capture(2, ino);
    space.talk();
    let row = |member: &Member| member.replica.view().node(node);
    assert!(row(&space.members[0]).is_some_and(|row| row.manifest().is_some_and(|it| it.length == 3)));
    assert_eq!(row(&space.members[0]), row(&space.members[1]));
}

#[test]
fn what_was_to_be_fetched_is_not_where_an_id_is_of_something_else_in_a_space_made_anew() {
    let mut space = Space::new(3);
    space.connect(0);
    space.make_long_file(0, "long");
    space.talk();
    space.connect(1);
    let node = space.node(1, "long");
    assert!(space.members[1].replica.wants(node));
    space.members[1].disconnected();
    space.hub = Hub::new(8, 3, space.hub.history.stamps.clone());
    space.connect(2);
    space.make(2, "directory", Body::Directory);
    space.talk();
    assert_eq!(space.node(2, "directory"), node, "the id is used again");
    space.connect(1);
    assert_eq!(space.node(1, "directory"), node);
    assert!(!space.members[1].replica.wants(node));
}

fn all_pass(fate: HubFate) {
    note_panics();
    for seed in 0..SEEDS {
        if let Err(failure) = run(World::with_fate(seed, fate)) {
            panic!("seed {seed}: {failure}");
        }
    }
}

#[test]
fn a_hub_restored_from_a_backup_takes_nothing_away() {
    all_pass(HubFate::Restored);
}

#[test]
fn a_space_made_anew_gets_what_its_members_have() {
    all_pass(HubFate::MadeAnew);
}
