//! Commits: the five answers.

use super::*;
use crate::ops::Tree;

#[test]
fn accepted_commits_make_a_chain_of_dense_sequences_and_change_the_tree() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let judgement = bench.commit(ada, &sealed(1, vec![make_empty(node(ada, 2), "a")])).unwrap();
    let first = judgement.entry.unwrap();
    assert_eq!(
        judgement.answer,
        Answer::Accept { sequence: Sequence(0), time: bench.now, chain: first.chain }
    );
    bench.now = seconds(900);
    let second = bench.commit(ada, &sealed(2, vec![make_empty(node(ada, 3), "b")])).unwrap().entry.unwrap();
    // The clock went back; the log's time does not.
    assert_eq!((second.sequence, second.time), (Sequence(1), first.time));
    let chain = chain_next(first.chain, Sequence(1), ada, CommitNumber(2), second.time, &second.ops);
    assert_eq!(second.chain, chain);
    let entries: Vec<_> = bench.hub.entries(&bench.kv, Sequence(0)).collect();
    assert_eq!(entries, [first, second.clone()]);
    assert_eq!(bench.hub.entries(&bench.kv, Sequence(1)).collect::<Vec<_>>(), [second]);
    let name = Name::new("b").unwrap();
    let found = bench.hub.with_tree(&bench.kv, |tree| tree.child(NodeId::ROOT, &name));
    assert_eq!(found, Some(node(ada, 3)));
}

#[test]
fn a_commit_sent_twice_is_accepted_once_and_other_bytes_under_its_number_are_a_fork() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let commit = sealed(5, vec![make_empty(node(ada, 2), "a")]);
    let first = bench.answer(ada, &commit);
    bench.now = seconds(2_000);
    bench.accepted(ada, 6, vec![make_empty(node(ada, 3), "b")]);
    let again = bench.commit(ada, &commit).unwrap();
    assert_eq!((again.answer, again.entry), (first, None));
    let other = sealed(5, vec![make_empty(node(ada, 4), "c")]);
    assert_eq!(bench.answer(ada, &other), Answer::Forked);
    // Never accepted, and below what was: only a twin can have sealed it.
    assert_eq!(bench.answer(ada, &sealed(4, vec![])), Answer::Forked);
    assert_eq!(bench.hub.head(&bench.kv), Some(Sequence(1)));
}

#[test]
fn a_commit_is_still_known_after_the_right_to_write_is_gone() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let commit = sealed(1, vec![make_empty(node(ada, 2), "a")]);
    let first = bench.answer(ada, &commit);
    bench.run(|hub, txn| hub.revoke(txn, &member_name("ada")));
    assert_eq!(bench.answer(ada, &commit), first);
}

#[test]
fn after_a_rejection_commits_are_dropped_until_a_higher_round_or_a_hello() {
    let mut bench = Bench::new();
    let welcome = bench.join(1, Role::Writer, "ada");
    let ada = welcome.member;
    bench.accepted(ada, 1, vec![make_empty(node(ada, 2), "a")]);
    let stale = sealed(2, vec![make_empty(node(ada, 3), "b"), make_empty(node(ada, 4), "a")]);
    let Answer::Reject { round, detail } = bench.answer(ada, &stale) else { panic!("not rejected") };
    assert_eq!(round, Round(1));
    assert!(detail.starts_with("op 1"), "{detail}");
    let good = vec![make_empty(node(ada, 3), "b")];
    assert_eq!(bench.commit(ada, &sealed(3, good.clone())), None);
    let rebased = SealedCommit { round, ..sealed(4, good.clone()) };
    assert!(matches!(bench.answer(ada, &rebased), Answer::Accept { sequence: Sequence(1), .. }));
    // A hello fences: the rejection itself may have been lost.
    let stale = SealedCommit { round, ..sealed(5, vec![make_empty(node(ada, 5), "a")]) };
    assert!(matches!(bench.answer(ada, &stale), Answer::Reject { .. }));
    let again = bench.greet(1, &hello_after(&welcome, None)).unwrap();
    assert_eq!((again.member, again.accepted), (ada, CommitNumber(4)));
    let fresh = SealedCommit { round, ..sealed(6, vec![make_empty(node(ada, 5), "c")]) };
    assert!(matches!(bench.answer(ada, &fresh), Answer::Accept { .. }));
}

#[test]
fn a_commit_is_applied_whole_or_not_at_all() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let before = bench.kv.clone();
    let ops = vec![make_empty(node(ada, 2), "a"), put(node(ada, 2), 7, Manifest::empty())];
    assert!(matches!(bench.answer(ada, &sealed(1, ops)), Answer::Reject { .. }));
    let rows = |kv: &MemoryKv| bench.hub.snapshot(kv).rows.collect::<Vec<_>>();
    assert_eq!(rows(&bench.kv), rows(&before));
    assert_eq!(bench.hub.head(&bench.kv), None);
}

#[test]
fn readers_are_refused_and_so_are_strangers() {
    let mut bench = Bench::new();
    let reader = bench.join(1, Role::Reader, "ada").member;
    for member in [reader, MemberNumber(77)] {
        let answer = bench.answer(member, &sealed(1, vec![make_empty(node(member, 2), "a")]));
        assert!(matches!(answer, Answer::Refuse { op: None, .. }), "{answer:?}");
    }
    assert_eq!(bench.hub.head(&bench.kv), None);
}

#[test]
fn illegal_ops_are_refused_by_their_index_and_commits_beyond_the_limits_as_a_whole() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let foreign = make_empty(node(MemberNumber(9), 2), "b");
    let answer = bench.answer(ada, &sealed(1, vec![make_empty(node(ada, 2), "a"), foreign]));
    assert!(matches!(answer, Answer::Refuse { op: Some(1), .. }), "{answer:?}");
    let long_link = make(node(ada, 2), NodeId::ROOT, "l", Body::Symlink(vec![b'x'; 5_000]));
    let answer = bench.answer(ada, &sealed(1, vec![long_link]));
    assert!(matches!(answer, Answer::Refuse { op: Some(0), .. }), "{answer:?}");
    let many = (0..2_001).map(|_| chmod(NodeId::ROOT)).collect();
    let answer = bench.answer(ada, &sealed(1, many));
    assert!(matches!(answer, Answer::Refuse { op: None, .. }), "{answer:?}");
    // The number was not used up, and nothing is owed.
    bench.accepted(ada, 1, vec![make_empty(node(ada, 2), "a")]);
}

#[test]
fn a_move_that_would_make_a_cycle_is_not_accepted() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let (outer, inner) = (node(ada, 2), node(ada, 3));
    let directories =
        vec![make(outer, NodeId::ROOT, "o", Body::Directory), make(inner, outer, "i", Body::Directory)];
    bench.accepted(ada, 1, directories);
    let mut into_itself = rename(outer, "o", "x", None);
    if let Verb::Move(step) = &mut into_itself.verb {
        step.to.parent = inner;
    }
    let answer = bench.answer(ada, &sealed(2, vec![into_itself]));
    assert!(matches!(answer, Answer::Reject { detail, .. } if detail.contains("ancestor")));
}

#[test]
fn missing_chunks_are_named_each_once_before_anything_is_written() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let (manifest, chunks) = cut(b"some content");
    let ops = vec![
        make(node(ada, 2), NodeId::ROOT, "a", Body::File(manifest.clone())),
        make(node(ada, 3), NodeId::ROOT, "b", Body::File(manifest)),
    ];
    let commit = sealed(1, ops);
    let missing: Vec<ChunkId> = chunks.keys().copied().collect();
    assert_eq!(missing.len(), 1);
    assert_eq!(bench.answer(ada, &commit), Answer::Missing { chunks: missing });
    bench.held.0.borrow_mut().extend(chunks);
    // The same commit again, as it was.
    assert!(matches!(bench.answer(ada, &commit), Answer::Accept { sequence: Sequence(0), .. }));
}

/// Extents no two of which share a chunk, more than a flat manifest lists.
fn long_content() -> (Manifest, BTreeMap<ChunkId, Vec<u8>>) {
    let mut word = 1u64;
    let noise = std::iter::repeat_with(|| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as u8
    });
    let bytes: Vec<u8> = noise.take(100 * 1024 * 1024).collect();
    cut(&bytes)
}

#[test]
fn of_a_long_manifest_the_list_is_asked_for_first_and_then_what_it_lists() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let (manifest, chunks) = long_content();
    assert!(matches!(manifest.chunks, ChunkList::Tree(_)));
    let list: Vec<ChunkId> = manifest.chunk_ids().collect();
    let commit = sealed(1, vec![make(node(ada, 2), NodeId::ROOT, "a", Body::File(manifest))]);
    assert_eq!(bench.answer(ada, &commit), Answer::Missing { chunks: list.clone() });
    for id in &list {
        bench.held.0.borrow_mut().insert(*id, chunks[id].clone());
    }
    let Answer::Missing { chunks: leaves } = bench.answer(ada, &commit) else { panic!("not missing") };
    assert_eq!(leaves.len(), chunks.len() - list.len());
    bench.held.0.borrow_mut().extend(chunks);
    assert!(matches!(bench.answer(ada, &commit), Answer::Accept { .. }));
}

#[test]
fn of_lists_of_lists_the_upper_is_asked_for_first() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let entry = |kind: u8, bytes: &[u8]| {
        [&[kind][..], &chunk_id(bytes).0, &(bytes.len() as u64).to_le_bytes()].concat()
    };
    let content = b"content".to_vec();
    let lower = entry(1, &content);
    let upper = entry(2, &lower);
    let named = vec![Extent { chunk: Some(chunk_id(&upper)), length: upper.len() as u64 }];
    let manifest =
        Manifest { length: content.len() as u64, chunks: ChunkList::Tree(named), ..Manifest::empty() };
    let commit = sealed(1, vec![make(node(ada, 2), NodeId::ROOT, "a", Body::File(manifest))]);
    for lacking in [upper, lower, content] {
        let chunk = chunk_id(&lacking);
        assert_eq!(bench.answer(ada, &commit), Answer::Missing { chunks: vec![chunk] });
        bench.held.0.borrow_mut().insert(chunk, lacking);
    }
    assert!(matches!(bench.answer(ada, &commit), Answer::Accept { .. }));
}

#[test]
fn a_list_that_can_never_be_read_back_is_refused() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let junk = vec![1, 2, 3];
    let chunk = chunk_id(&junk);
    bench.held.0.borrow_mut().insert(chunk, junk);
    let extents = vec![Extent { chunk: Some(chunk), length: 3 }];
    let manifest = Manifest { length: 9, chunks: ChunkList::Tree(extents), ..Manifest::empty() };
    let answer =
        bench.answer(ada, &sealed(1, vec![make(node(ada, 2), NodeId::ROOT, "a", Body::File(manifest))]));
    assert!(matches!(answer, Answer::Refuse { op: Some(0), .. }), "{answer:?}");
}
