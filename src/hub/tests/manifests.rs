//! What members state, what they are told and sent, message for message.

use super::*;

/// Three commits of one member, one file each, with contents that do not ride along; their positions.
async fn three_commits(ada: &mut FakeMember) -> (Vec<Position>, Vec<Vec<(ChunkId, Vec<u8>)>>) {
    let (mut positions, mut contents) = (Vec::new(), Vec::new());
    for number in 1..=3 {
        let (manifest, chunks) = content(&noise(number, 600 * 1024));
        assert_eq!(ada.put(&chunks).await, ContentReply::Stored);
        let op = make(ada.node(1 + u64::from(number)), &format!("file {number}"), manifest);
        positions.push(ada.accepted(u64::from(number), vec![op], vec![]).await);
        contents.push(chunks);
    }
    (positions, contents)
}

/// The sequences of the entries among messages that are entries and names of members.
fn sequences(heard: &[FromHub]) -> Vec<u64> {
    let sequence = |message: &FromHub| match message {
        FromHub::Entry { entry, .. } => Some(entry.sequence.0),
        FromHub::Members(_) => None,
        other => panic!("neither entry nor names: {other:?}"),
    };
    heard.iter().filter_map(sequence).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_whoever_states_a_position_hears_exactly_the_entries_after_it() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let bob = hub.join(Role::Writer, "bob").await;
    assert_eq!(
        (bob.welcome.start, bob.welcome.head),
        (Start::Tail, None),
        "an empty space has nothing to tell"
    );
    let (positions, _) = three_commits(&mut ada).await;
    let mut bob = bob;
    for (known, lacked) in [(0, vec![1, 2]), (1, vec![2]), (2, vec![])] {
        bob = hub.greet(&bob.identity, bob.hello_again(Some(positions[known]))).await;
        assert_eq!((bob.welcome.start, bob.welcome.head), (Start::Tail, Some(Sequence(2))));
        let (heard, head) = bob.until_barrier(1).await;
        assert_eq!((sequences(&heard), head), (lacked, Some(Sequence(2))));
    }
    // Whoever has nothing gets the tree, once, and no entry of the past.
    let mut cyd = hub.join(Role::Reader, "cyd").await;
    assert_eq!(cyd.welcome.start, Start::Snapshot { position: Some(positions[2]), departs: false });
    let (mut heard, _) = cyd.until_barrier(1).await;
    heard.retain(|message| !matches!(message, FromHub::SnapshotRows(_) | FromHub::SnapshotEnd));
    assert_eq!(sequences(&heard), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_the_hub_sends_the_contents_that_are_asked_for_and_no_others() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    let (_, contents) = three_commits(&mut ada).await;
    for _ in 0..3 {
        assert_eq!(bob.entry().await.1, [], "content that was not asked for came along");
    }
    let wanted = &contents[1];
    let got = bob.get(wanted.iter().map(|(id, _)| *id).collect()).await;
    assert_eq!(got, wanted.iter().map(|(_, bytes)| Some(bytes.clone())).collect::<Vec<_>>());
    assert_eq!(bob.until_barrier(1).await.0, [], "more than what was asked for came");
    // The hub asks in the same manner: for what it lacks of a commit, and for nothing it has.
    let (manifest, chunks) = content(&[noise(2, 600 * 1024), noise(9, 600 * 1024)].concat());
    let known: Vec<ChunkId> = contents.concat().iter().map(|(id, _)| *id).collect();
    let lacked: Vec<ChunkId> = chunks.iter().map(|(id, _)| *id).filter(|id| !known.contains(id)).collect();
    assert!(!lacked.is_empty() && lacked.len() < chunks.len());
    ada.commit(4, vec![make(ada.node(9), "longer", manifest)], vec![]).await;
    assert_eq!(ada.answer(4).await, Answer::Missing { chunks: lacked });
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_a_change_is_told_as_its_entry_before_its_content_to_all_others_in_order() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut others = [hub.join(Role::Writer, "bob").await, hub.join(Role::Reader, "cyd").await];
    let (positions, contents) = three_commits(&mut ada).await;
    for other in &mut others {
        for (position, chunks) in positions.iter().zip(&contents) {
            let (entry, _) = other.entry().await;
            assert_eq!((entry.sequence, entry.chain), (position.sequence, position.chain));
            let told = entry.ops[0].verb.manifest().expect("a manifest in the entry").chunk_ids();
            assert_eq!(told.collect::<Vec<_>>(), chunks.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_whoever_makes_a_change_hears_its_sequence_and_not_the_change() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Writer, "bob").await;
    three_commits(&mut ada).await;
    let (heard, _) = ada.until_barrier(1).await;
    assert_eq!(sequences(&heard), [0; 0]);
    // Nor do those who applied it make it come back.
    let (heard, head) = bob.until_barrier(1).await;
    assert_eq!((sequences(&heard), head), (vec![0, 1, 2], Some(Sequence(2))));
    bob.line.say(&FromMember::Applied { sequence: Sequence(2) }).await;
    assert_eq!(bob.until_barrier(2).await, (vec![], Some(Sequence(2))));
    assert_eq!(ada.until_barrier(2).await, (vec![], Some(Sequence(2))));
}
