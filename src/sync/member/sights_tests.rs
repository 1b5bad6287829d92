//! What entries of the log show: each op as what it is, and what is left out.

use super::*;
use crate::model::{
    Body, ChunkId, ChunkList, CommitNumber, Extent, Manifest, MemberName, MemberNumber, Name, Sequence,
    Timestamp, Version, Xattrs,
};
use crate::ops::{Drop, Link, Make, Put, Replaced, SetMeta};
use crate::sync::MemoryKv;
use crate::sync::member::{Makings, NoContents};
use crate::wire::{FromHub, LogEntry, chain_next};

const OTHER: MemberNumber = MemberNumber(2);
const NOW: Timestamp = Timestamp { seconds: 9, nanos: 0 };

/// A member whose log grows by what another one does.
struct Fixture {
    replica: Replica<MemoryKv>,
}

impl Fixture {
    fn new() -> Fixture {
        let mut replica = Replica::open(MemoryKv::default(), MemberName::new("a").unwrap()).unwrap();
        replica.tell_sights();
        Fixture { replica }
    }

    /// One commit of a member.
    fn entry_of(&mut self, member: MemberNumber, verbs: Vec<Verb>) -> Vec<Sight> {
        let ops: Vec<Op> = verbs.into_iter().map(|verb| Op { time: NOW, verb }).collect();
        let position = self.replica.position();
        let sequence = Sequence::after(position.map(|position| position.sequence));
        let before = position.map_or_else(Default::default, |position| position.chain);
        let number = CommitNumber::default();
        let chain = chain_next(before, sequence, member, number, NOW, &ops);
        let entry = LogEntry { sequence, member, number, time: NOW, ops, chain };
        let message = FromHub::Entry { entry, inline: Vec::new() };
        self.replica.handle(NOW, message, BTreeMap::new(), &mut NoContents).unwrap().sights
    }

    /// One commit of the other member.
    fn entry(&mut self, verbs: Vec<Verb>) -> Vec<Sight> {
        self.entry_of(OTHER, verbs)
    }

    /// Files of these numbers, named `f1`, `f2`, with an inode each.
    fn with_files(counters: &[u64]) -> Fixture {
        let mut fixture = Fixture::new();
        for counter in counters {
            fixture.entry(vec![make(*counter, &format!("f{counter}"), Body::File(content(1)))]);
            fixture.replica.ino_of(id(*counter)).unwrap();
        }
        fixture
    }

    fn ino(&self, counter: u64) -> Option<Ino> {
        self.replica.known_ino_of(id(counter))
    }

    fn file(&self, counter: u64) -> Watched {
        Watched { node: id(counter), ino: self.ino(counter), kind: Kind::File }
    }
}

fn id(counter: u64) -> NodeId {
    NodeId { member: OTHER, counter }
}

fn at(name: &str) -> Place {
    below(NodeId::ROOT, name)
}

fn below(parent: NodeId, name: &str) -> Place {
    Place { parent, name: Name::new(name).unwrap() }
}

fn spot(name: &str) -> Spot {
    Spot { directory: Ino::ROOT, name: Name::new(name).unwrap() }
}

fn content(mark: u8) -> Manifest {
    let extent = Extent { chunk: Some(ChunkId([mark; 32])), length: 1 };
    Manifest { length: 1, chunks: ChunkList::Flat(vec![extent]), ..Manifest::empty() }
}

fn make(counter: u64, name: &str, body: Body) -> Verb {
    make_at(counter, at(name), body)
}

fn make_at(counter: u64, place: Place, body: Body) -> Verb {
    let (node, mtime, xattrs) = (id(counter), NOW, Xattrs::new());
    let (owner, came_from, conflict) = (None, None, None);
    Verb::Make(Make { node, place, body, mode: 0o644, owner, mtime, xattrs, came_from, conflict })
}

fn put(counter: u64, base: u64, mark: u8) -> Verb {
    let (node, base, manifest, mtime) = (id(counter), Version(base), content(mark), NOW);
    let (attributes, came_from, conflict) = (None, None, None);
    Verb::Put(Put { node, base, manifest, mtime, attributes, came_from, conflict })
}

fn rename(counter: u64, from: &str, to: &str, replaces: Option<u64>, exchange: bool) -> Verb {
    let replaces = replaces.map(|counter| Replaced { node: id(counter), version: Version(1) });
    let (node, from, to) = (id(counter), at(from), at(to));
    Verb::Move(Move { node, from, to, replaces, exchange, keeps_owner: false })
}

fn set_mode(counter: u64, mode: u16) -> Verb {
    let (node, mode, xattrs) = (id(counter), Some(mode), Vec::new());
    Verb::SetMeta(SetMeta { node, mode, uid: None, gid: None, mtime: None, xattrs })
}

fn drop_at(counter: u64, name: &str, version: u64) -> Verb {
    Verb::Drop(Drop { node: id(counter), place: at(name), version: Version(version) })
}

#[test]
fn what_is_new_shows_with_what_it_brings_along() {
    for (body, kind, content) in [
        (Body::File(content(1)), Kind::File, Filling::Some),
        (Body::File(Manifest::empty()), Kind::File, Filling::Empty),
        (Body::Directory, Kind::Directory, Filling::None),
        (Body::Symlink(b"nowhere".to_vec()), Kind::Symlink, Filling::None),
    ] {
        let sights = Fixture::new().entry(vec![make(7, "new", body)]);
        let subject = Watched { node: id(7), ino: None, kind };
        assert_eq!(sights, [Sight::Made { spot: spot("new"), subject, content }]);
    }
}

#[test]
fn each_change_of_a_file_shows_on_the_inode_it_has() {
    let mut fixture = Fixture::with_files(&[1]);
    let subject = fixture.file(1);
    assert!(subject.ino.is_some());
    let spots = vec![spot("f1")];
    let sights = fixture.entry(vec![put(1, 1, 2), set_mode(1, 0o600)]);
    let written = Sight::Written { spots: spots.clone(), subject };
    assert_eq!(sights, [written, Sight::Touched { spots, subject }]);
    let place = at("link");
    let sights = fixture.entry(vec![Verb::Link(Link { node: id(1), place })]);
    assert_eq!(sights, [Sight::Made { spot: spot("link"), subject, content: Filling::None }]);
    let sights = fixture.entry(vec![put(1, 2, 3)]);
    assert!(matches!(&sights[..], [Sight::Written { spots, .. }] if spots.len() == 2));
    let sights = fixture.entry(vec![drop_at(1, "link", 3)]);
    assert_eq!(sights, [Sight::Removed { spot: spot("link"), subject }]);
}

#[test]
fn what_moves_shows_with_what_it_takes_the_place_of() {
    let mut fixture = Fixture::with_files(&[1, 2]);
    let (one, two) = (fixture.file(1), fixture.file(2));
    let sights = fixture.entry(vec![rename(1, "f1", "g", None, false)]);
    let moved = |from, to, replaced, exchange| {
        let (from, to) = (Some(spot(from)), Some(spot(to)));
        Sight::Moved { from, to, subject: one, replaced, exchange }
    };
    assert_eq!(sights, [moved("f1", "g", None, false)]);
    let sights = fixture.entry(vec![rename(1, "g", "f2", Some(2), true)]);
    assert_eq!(sights, [moved("g", "f2", Some(two), true)]);
}

#[test]
fn what_a_later_op_of_the_same_commit_undoes_shows_too() {
    let mut fixture = Fixture::new();
    let sights = fixture.entry(vec![
        make(1, "brief", Body::File(content(1))),
        rename(1, "brief", "other", None, false),
        drop_at(1, "other", 1),
        make(2, "brief", Body::Directory),
    ]);
    let file = Watched { node: id(1), ino: None, kind: Kind::File };
    let (from, to) = (Some(spot("brief")), Some(spot("other")));
    let directory = Watched { node: id(2), ino: None, kind: Kind::Directory };
    let expected = [
        Sight::Made { spot: spot("brief"), subject: file, content: Filling::Some },
        Sight::Moved { from, to, subject: file, replaced: None, exchange: false },
        Sight::Removed { spot: spot("other"), subject: file },
        Sight::Made { spot: spot("brief"), subject: directory, content: Filling::None },
    ];
    assert_eq!(sights, expected);
}

#[test]
fn a_save_by_rename_is_a_new_content_and_its_first_name_goes_alone() {
    let mut fixture = Fixture::with_files(&[1]);
    let subject = fixture.file(1);
    let sights = fixture
        .entry(vec![make(2, "f1.new", Body::File(content(2))), rename(2, "f1.new", "f1", Some(1), false)]);
    let newcomer = Watched { node: id(2), ino: None, kind: Kind::File };
    let expected = [
        Sight::Made { spot: spot("f1.new"), subject: newcomer, content: Filling::Some },
        Sight::Written { spots: vec![spot("f1")], subject },
        Sight::Removed { spot: spot("f1.new"), subject: newcomer },
    ];
    assert_eq!(sights, expected);
}

#[test]
fn a_save_by_backup_does_not_end_the_inode_that_goes_on() {
    let mut fixture = Fixture::with_files(&[1]);
    let subject = fixture.file(1);
    let sights = fixture.entry(vec![
        rename(1, "f1", "f1~", None, false),
        make(2, "f1", Body::File(content(2))),
        drop_at(1, "f1~", 1),
    ]);
    let [Sight::Moved { .. }, Sight::Made { .. }, Sight::Removed { spot: gone, subject: removed }] =
        &sights[..]
    else {
        panic!("{sights:?}");
    };
    assert_eq!((gone, removed.ino), (&spot("f1~"), None));
    assert!(fixture.ino(1) == subject.ino && fixture.replica.resolve(&[at("f1").name]) == Some(id(1)));
}

#[test]
fn a_directory_that_nobody_has_looked_up_hides_what_happens_in_it() {
    let mut fixture = Fixture::new();
    fixture.entry(vec![make(1, "d", Body::Directory)]);
    let in_it = |counter, name| make_at(counter, below(id(1), name), Body::File(content(1)));
    assert_eq!(fixture.entry(vec![in_it(2, "f")]), []);
    let out = Move {
        node: id(2),
        from: below(id(1), "f"),
        to: at("f"),
        replaces: None,
        exchange: false,
        keeps_owner: false,
    };
    let subject = fixture.file(2);
    let sights = fixture.entry(vec![Verb::Move(out)]);
    let (from, to) = (None, Some(spot("f")));
    assert_eq!(sights, [Sight::Moved { from, to, subject, replaced: None, exchange: false }]);
    let directory = fixture.replica.ino_of(id(1)).unwrap();
    let sights = fixture.entry(vec![in_it(3, "g")]);
    assert!(matches!(&sights[..], [Sight::Made { spot, .. }] if spot.directory == directory));
}

#[test]
fn own_work_shows_to_nobody_and_nothing_does_unless_it_is_to() {
    let mut fixture = Fixture::with_files(&[1]);
    let own = fixture.replica.identity().map_or(MemberNumber(0), |identity| identity.member);
    assert_eq!(fixture.entry_of(own, vec![put(1, 1, 2), set_mode(1, 0o600)]), []);
    assert_eq!(fixture.entry(vec![set_mode(1, 0o644)]).len(), 1);
    let silent = Replica::open(MemoryKv::default(), MemberName::new("a").unwrap()).unwrap();
    let mut silent = Fixture { replica: silent };
    assert_eq!(silent.entry(vec![make(1, "f", Body::Directory)]), []);
}

#[test]
fn where_local_work_is_replayed_what_differs_shows() {
    let mut fixture = Fixture::with_files(&[1, 2]);
    let (one, two) = (fixture.file(1), fixture.file(2));
    let makings = Makings { body: Body::Directory, mode: 0o755, owner: None, xattrs: Xattrs::new() };
    let (mine, _) = fixture.replica.make(NOW, at("d"), makings).unwrap();
    let mine = fixture.replica.inode(mine).unwrap();
    let sights = fixture.entry(vec![
        make(3, "d", Body::File(content(3))),
        put(1, 1, 2),
        drop_at(2, "f2", 1),
        make(4, "brief", Body::Directory),
        drop_at(4, "brief", 1),
    ]);
    assert!(sights.contains(&Sight::Written { spots: vec![spot("f1")], subject: one }), "{sights:?}");
    assert!(sights.contains(&Sight::Removed { spot: spot("f2"), subject: two }), "{sights:?}");
    let made = |sight: &Sight| matches!(sight, Sight::Made { spot: at, .. } if *at == spot("d"));
    let moved = |sight: &Sight| {
        let Sight::Moved { from, subject, .. } = sight else { return false };
        *from == Some(spot("d")) && subject.node == mine.node
    };
    let position = |of: &dyn Fn(&Sight) -> bool| sights.iter().position(of);
    assert!(position(&moved).unwrap() < position(&made).unwrap(), "what has the name goes first: {sights:?}");
    let brief = |sight: &Sight| sight.spots().contains(&&spot("brief"));
    assert!(!sights.iter().any(brief), "what is the same before and after is not seen: {sights:?}");
}
