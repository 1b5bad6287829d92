//! Hellos, commits and fan-out.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_one_member_reaches_the_others_with_its_small_content() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    assert_eq!(bob.names.len(), 2);
    let bobs_name = FromHub::Members(vec![(bob.number(), MemberName::new("bob").unwrap())]);
    assert_eq!(ada.line.hear().await, bobs_name);

    let (op, inline) = small_file(&ada, 2, "hello.txt", b"hello");
    let position = ada.accepted(1, vec![op.clone()], inline.clone()).await;
    assert_eq!(position.sequence, Sequence(0));
    let (entry, came_along) = bob.entry().await;
    assert_eq!((entry.sequence, entry.chain), (position.sequence, position.chain));
    assert_eq!((entry.member, entry.ops, came_along), (ada.number(), vec![op], inline));
    // The author hears nothing but the answer.
    assert_eq!(ada.until_barrier(7).await, (vec![], Some(Sequence(0))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commits_of_several_members_arrive_everywhere_in_one_order() {
    let hub = TestHub::start().await;
    let mut members = Vec::new();
    for name in ["ada", "bob", "cyd"] {
        members.push(hub.join(Role::Writer, name).await);
    }
    const COMMITS: u64 = 50;
    let mut tasks = Vec::new();
    for mut member in members {
        tasks.push(tokio::spawn(async move {
            for number in 1..=COMMITS {
                let name = format!("{}-{number}", member.welcome.name);
                let (op, inline) = small_file(&member, number + 1, &name, name.as_bytes());
                member.commit(number, vec![op], inline).await;
            }
            let mut chain = Vec::new();
            while chain.len() < 3 * COMMITS as usize {
                match member.line.hear().await {
                    FromHub::Entry { entry, .. } => chain.push((entry.sequence.0, entry.chain)),
                    FromHub::Answer { answer: Answer::Accept { sequence, chain: value, .. }, .. } => {
                        chain.push((sequence.0, value));
                    }
                    FromHub::Members(_) => {}
                    other => panic!("unexpected: {other:?}"),
                }
            }
            chain
        }));
    }
    let mut chains = Vec::new();
    for task in tasks {
        chains.push(task.await.unwrap());
    }
    let sequences: Vec<u64> = chains[0].iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (0..3 * COMMITS).collect::<Vec<_>>());
    assert!(chains.iter().all(|chain| *chain == chains[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_members_log_and_content() {
    let mut hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    let first = ada.accepted(1, vec![op], inline).await;
    let (op, inline) = small_file(&ada, 3, "b", b"two");
    let second = ada.accepted(2, vec![op.clone()], inline.clone()).await;
    hub.stop().await;
    hub.run().await;
    let mut again = hub.greet(&ada.identity, ada.hello_again(Some(first))).await;
    assert_eq!((again.number(), again.welcome.accepted), (ada.number(), CommitNumber(2)));
    assert_eq!((again.welcome.start, again.welcome.head), (Start::Tail, Some(second.sequence)));
    // Its own commit, whose answer it may never have had, comes back as an entry.
    let (entry, _) = again.entry().await;
    assert_eq!((entry.number, entry.chain, entry.ops), (CommitNumber(2), second.chain, vec![op.clone()]));
    // Sent again all the same, it is not accepted a second time.
    again.commit(2, vec![op], vec![]).await;
    let answer = again.answer(2).await;
    assert!(matches!(answer, Answer::Accept { sequence, .. } if sequence == second.sequence), "{answer:?}");
    let (op, inline) = small_file(&again, 4, "c", b"three");
    assert_eq!(again.accepted(3, vec![op], inline.clone()).await.sequence, Sequence(2));
    assert_eq!(again.get(vec![inline[0].chunk]).await, [Some(b"three".to_vec())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_brings_small_content_back_and_follows_on_to_what_is_new() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    let first = ada.accepted(1, vec![op], inline).await;
    assert_eq!(bob.entry().await.0.sequence, Sequence(0));
    bob.line.connection.close(crate::net::CloseCode::Done, "");
    let (op, inline) = small_file(&ada, 3, "b", b"two");
    ada.accepted(2, vec![op], inline.clone()).await;
    let mut bob = hub.greet(&bob.identity, bob.hello_again(Some(first))).await;
    assert_eq!(bob.welcome.start, Start::Tail);
    let (entry, came_along) = bob.entry().await;
    assert_eq!((entry.sequence, came_along), (Sequence(1), inline));
    let (op, inline) = small_file(&ada, 4, "c", b"three");
    ada.accepted(3, vec![op], inline.clone()).await;
    let (entry, came_along) = bob.entry().await;
    assert_eq!((entry.sequence, came_along), (Sequence(2), inline));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_takes_a_snapshot_and_goes_on_from_there() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let ops = (2..1_002).map(|counter| make(ada.node(counter), &format!("f{counter}"), Manifest::empty()));
    let position = ada.accepted(1, ops.collect(), vec![]).await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    assert_eq!(bob.welcome.start, Start::Snapshot { position: Some(position), departs: false });
    let mut nodes = 0;
    loop {
        match bob.line.hear().await {
            FromHub::SnapshotRows(rows) => {
                let keys = rows.iter().map(|(key, _)| decode_row_key(key).unwrap());
                nodes += keys.filter(|row| matches!(row, Row::Node(_))).count();
            }
            FromHub::SnapshotEnd => break,
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(nodes, 1_001);
    let (op, inline) = small_file(&ada, 2_000, "next", b"next");
    ada.accepted(2, vec![op], inline).await;
    assert_eq!(bob.entry().await.0.sequence, Sequence(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_connection_of_a_member_replaces_the_older() {
    let hub = TestHub::start().await;
    let first = hub.join(Role::Writer, "ada").await;
    let mut second = hub.greet(&first.identity, first.hello_again(None)).await;
    assert_eq!(second.number(), first.number());
    let (reason, _) = first.line.refusal().await;
    assert_eq!(reason, RefuseReason::Replaced);
    let (op, inline) = small_file(&second, 2, "a", b"one");
    second.accepted(1, vec![op], inline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_commit_is_rejected_after_what_made_it_stale() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Writer, "bob").await;
    let (op, inline) = small_file(&ada, 2, "same", b"ada's");
    ada.accepted(1, vec![op], inline).await;
    let (op, inline) = small_file(&bob, 2, "same", b"bob's");
    bob.commit(1, vec![op], inline).await;
    assert_eq!(bob.entry().await.0.sequence, Sequence(0));
    let answer = bob.answer(1).await;
    assert!(matches!(answer, Answer::Reject { round: Round(1), .. }), "{answer:?}");
}
