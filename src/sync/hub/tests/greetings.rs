//! Hellos: numbers, secrets, and where a member goes on from.

use super::*;

fn position(bench: &Bench) -> Option<Position> {
    let head = bench.hub.head(&bench.kv)?;
    bench.hub.entry_at(&bench.kv, head).map(|entry| Position { sequence: head, chain: entry.chain })
}

#[test]
fn an_unknown_device_is_told_nothing_but_that() {
    let mut bench = Bench::new();
    let refusal = bench.greet(9, &first_hello("eve")).unwrap_err();
    assert_eq!(refusal, Refusal::unknown());
    let foreign = Hello { format: WIRE_FORMAT + 1, ..first_hello("eve") };
    assert_eq!(bench.greet(9, &foreign).unwrap_err().reason, RefuseReason::Format);
}

#[test]
fn a_newcomer_to_an_empty_space_starts_with_nothing_and_a_later_one_with_a_snapshot() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada");
    assert_eq!((ada.start, ada.head, ada.accepted), (Start::Tail, None, CommitNumber(0)));
    bench.accepted(ada.member, 1, vec![make_empty(node(ada.member, 2), "a")]);
    let bob = bench.join(2, Role::Reader, "bob");
    assert_eq!(bob.start, Start::Snapshot { position: position(&bench), departs: false });
    assert_ne!(bob.member, ada.member);
    let frozen = bench.hub.snapshot(&bench.kv);
    assert_eq!(frozen.position, position(&bench));
    let rows: Vec<_> = frozen.rows.map(|(key, _)| decode_row_key(&key).unwrap()).collect();
    assert!(rows.contains(&Row::Node(NodeId::ROOT)) && rows.contains(&Row::Node(node(ada.member, 2))));
}

#[test]
fn a_welcome_that_was_lost_does_not_cost_a_member_its_number() {
    let mut bench = Bench::new();
    let first = bench.join(1, Role::Writer, "ada");
    for _ in 0..3 {
        let lost = bench.greet(1, &hello_after(&first, None)).unwrap();
        assert_eq!(lost.member, first.member);
    }
    let second = bench.greet(1, &hello_after(&first, None)).unwrap();
    let third = bench.greet(1, &hello_after(&second, None)).unwrap();
    assert_eq!(third.member, first.member);
    // The newer secret was shown: the older one is spent.
    assert_ne!(bench.greet(1, &hello_after(&first, None)).unwrap().member, first.member);
}

#[test]
fn of_a_state_and_its_copy_only_one_keeps_the_number() {
    let mut bench = Bench::new();
    let shared = bench.join(1, Role::Writer, "ada");
    bench.accepted(shared.member, 1, vec![make_empty(node(shared.member, 2), "a")]);
    let at = position(&bench);
    let original = bench.greet(1, &hello_after(&shared, at)).unwrap();
    assert_eq!((original.member, original.start), (shared.member, Start::Tail));
    bench.accepted(shared.member, 2, vec![make_empty(node(shared.member, 3), "b")]);
    let copy = bench.greet(1, &hello_after(&shared, at)).unwrap();
    assert_ne!(copy.member, shared.member);
    assert_eq!(copy.accepted, CommitNumber(0));
    assert_eq!(copy.start, Start::Snapshot { position: position(&bench), departs: false });
    assert_eq!(bench.greet(1, &hello_after(&original, at)).unwrap().member, shared.member);
}

#[test]
fn a_state_that_gets_another_number_is_told_whether_its_sealed_commit_was_taken() {
    let mut bench = Bench::new();
    let shared = bench.join(1, Role::Writer, "ada");
    let commit = sealed(1, vec![make_empty(node(shared.member, 2), "a")]).commit;
    let names = |commit: &Commit| Some((shared.member, commit.number, commit_digest(commit)));
    let hello = Hello { sealed: names(&commit), ..hello_after(&shared, None) };
    assert!(!bench.greet(1, &hello).unwrap().has_sealed, "it has not come");
    bench.accepted(shared.member, 1, commit.ops.clone());
    let copy = bench.greet(1, &hello).unwrap();
    assert!(copy.member != shared.member && copy.has_sealed);
    let other = Commit { ops: vec![make_empty(node(shared.member, 2), "b")], ..commit };
    let hello = Hello { sealed: names(&other), ..hello };
    assert!(!bench.greet(1, &hello).unwrap().has_sealed, "the number went to other work");
}

#[test]
fn who_wants_the_tree_whole_gets_it() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada");
    bench.accepted(ada.member, 1, vec![make_empty(node(ada.member, 2), "a")]);
    let at = position(&bench);
    let whole = bench.greet(1, &Hello { whole: true, ..hello_after(&ada, at) }).unwrap();
    assert_eq!((whole.member, whole.start), (ada.member, Start::Snapshot { position: at, departs: false }));
}

#[test]
fn a_copy_that_comes_first_takes_the_number_and_the_original_gets_another() {
    let mut bench = Bench::new();
    let shared = bench.join(1, Role::Writer, "ada");
    let original = bench.greet(1, &hello_after(&shared, None)).unwrap();
    let copy = bench.greet(1, &hello_after(&shared, None)).unwrap();
    let original_again = bench.greet(1, &hello_after(&original, None)).unwrap();
    assert_eq!(copy.member, shared.member);
    assert_ne!(original_again.member, shared.member);
    assert_eq!(original_again.start, Start::Tail);
}

#[test]
fn a_state_shown_by_another_device_is_a_copy() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada");
    bench.enrol(2, Role::Writer, "bob");
    assert_ne!(bench.greet(2, &hello_after(&ada, None)).unwrap().member, ada.member);
}

#[test]
fn a_position_that_is_not_in_this_log_leads_to_a_snapshot() {
    let mut bench = Bench::new();
    let mut ada = bench.join(1, Role::Writer, "ada");
    bench.accepted(ada.member, 1, vec![make_empty(node(ada.member, 2), "a")]);
    let here = position(&bench).unwrap();
    let snapshot = Start::Snapshot { position: Some(here), departs: true };
    let other_chain = Position { chain: Chain([1; 32]), ..here };
    let beyond = Position { sequence: Sequence(9), ..here };
    let newcomer = Start::Snapshot { position: Some(here), departs: false };
    for (at, start) in
        [(Some(here), Start::Tail), (Some(other_chain), snapshot), (Some(beyond), snapshot), (None, newcomer)]
    {
        ada = bench.greet(1, &hello_after(&ada, at)).unwrap();
        assert_eq!((ada.member, ada.start), (MemberNumber(1), start), "{at:?}");
    }
    let other_space = Hello {
        member: Some((SpaceId([8; 16]), ada.member, ada.incarnation)),
        ..hello_after(&ada, Some(here))
    };
    let elsewhere = bench.greet(1, &other_space).unwrap();
    assert_ne!(elsewhere.member, ada.member);
    assert_eq!(elsewhere.start, newcomer);
}

#[test]
fn a_member_of_a_hub_without_history_takes_the_empty_snapshot() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada");
    let gone = Position { sequence: Sequence(3), chain: Chain([1; 32]) };
    let welcome = bench.greet(1, &hello_after(&ada, Some(gone))).unwrap();
    assert_eq!(welcome.start, Start::Snapshot { position: None, departs: true });
}

#[test]
fn what_a_member_says_of_its_progress_is_kept_and_never_beyond_the_head() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada");
    let applied = |bench: &Bench| bench.hub.members(&bench.kv)[0].applied;
    bench.run(|hub, txn| hub.applied(txn, ada.member, Sequence(4)));
    assert_eq!(applied(&bench), None);
    bench.accepted(ada.member, 1, vec![make_empty(node(ada.member, 2), "a")]);
    bench.run(|hub, txn| hub.applied(txn, ada.member, Sequence(4)));
    assert_eq!(applied(&bench), Some(Sequence(0)));
}

#[test]
fn a_device_that_says_hello_for_ever_gets_its_unused_numbers_again() {
    let mut bench = Bench::new();
    let bob = bench.join(2, Role::Writer, "bob");
    bench.enrol(1, Role::Writer, "ada");
    let mut welcomes = Vec::new();
    for number in 0..64 {
        let welcome = bench.greet(1, &first_hello("ada")).unwrap();
        assert_eq!(
            welcome.name.as_str(),
            if number == 0 { "ada".into() } else { format!("ada-{}", number + 1) }
        );
        welcomes.push(welcome);
    }
    let numbers = |bench: &Bench| bench.hub.names(&bench.kv).len();
    assert_eq!(numbers(&bench), 65);
    bench.connected.extend(welcomes[1..].iter().map(|welcome| welcome.member));
    // The first has committed, so it stays what it is; all others are connected.
    bench.accepted(welcomes[0].member, 1, vec![make_empty(node(welcomes[0].member, 2), "a")]);
    let new = bench.greet(1, &first_hello("ada")).unwrap();
    assert_eq!((new.name.as_str(), numbers(&bench)), ("ada-65", 66));
    bench.connected.insert(new.member);
    bench.connected.remove(&welcomes[9].member);
    let again = bench.greet(1, &first_hello("else")).unwrap();
    assert_eq!((again.member, &again.name), (welcomes[9].member, &welcomes[9].name));
    assert_eq!(again.start, Start::Snapshot { position: position(&bench), departs: false });
    bench.connected.insert(again.member);
    assert_eq!(numbers(&bench), 66);
    // Who had the number before shows a secret that is stale now, as a copy would.
    let before = bench.greet(1, &hello_after(&welcomes[9], None)).unwrap();
    assert_ne!(before.member, welcomes[9].member);
    assert_eq!(bench.greet(1, &hello_after(&again, None)).unwrap().member, again.member);
    // Nobody else's numbers are touched.
    assert_eq!(bench.greet(2, &hello_after(&bob, None)).unwrap().member, bob.member);
}
