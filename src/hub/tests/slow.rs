//! Members that read slower than others write.

use super::super::newcomer::SNAPSHOTS_EACH;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_read_holds_up_nobody_and_later_gets_everything_in_order() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Writer, "bob").await;
    // More than the windows of a connection and the queue together hold.
    const COMMITS: u64 = 60;
    for number in 1..=COMMITS {
        let mut ops = Vec::new();
        let mut inline = Vec::new();
        for part in 0..16 {
            let bytes = noise((number * 16 + part) as u8, 15_000 + part as usize);
            let (op, content) = small_file(&ada, number * 100 + part, &format!("f{number}-{part}"), &bytes);
            ops.push(op);
            inline.extend(content);
        }
        ada.accepted(number, ops, inline).await;
    }
    // Its own commit stands behind all that it has not read; so does the answer.
    let (op, inline) = small_file(&bob, 2, "bobs", b"bob");
    bob.commit(1, vec![op], inline).await;
    for number in 0..COMMITS {
        let (entry, inline) = bob.entry().await;
        assert_eq!((entry.sequence, inline.len()), (Sequence(number), 16));
    }
    let answer = bob.answer(1).await;
    assert!(matches!(answer, Answer::Accept { sequence: Sequence(COMMITS), .. }), "{answer:?}");
    assert_eq!(bob.until_barrier(1).await, (vec![], Some(Sequence(COMMITS))));
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_that_take_no_rows_hold_up_only_further_ones_of_their_device_and_not_for_long() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    // More rows than the windows of a connection hold.
    for number in 1..=6 {
        let ops = (0..16).map(|part| {
            let mut op = make(ada.node(number * 100 + part), &format!("f{number}-{part}"), Manifest::empty());
            if let Verb::Make(make) = &mut op.verb {
                make.xattrs.insert(b"user.large".to_vec(), noise(part as u8, 60_000));
            }
            op
        });
        ada.accepted(number, ops.collect(), vec![]).await;
    }
    let identity = hub.enrol(Role::Reader, "bob").await;
    let mut stalled = Vec::new();
    for _ in 0..SNAPSHOTS_EACH {
        stalled.push(hub.greet(&identity, first_hello("bob")).await);
    }
    let mut waiting = hub.open(&identity, Opening::Hello(first_hello("bob"))).await;
    let early =
        timeout(Duration::from_millis(100), waiting.receiver.receive_message::<FromHub>("word")).await;
    assert!(early.is_err(), "{early:?}");
    // Another device gets all of it meanwhile.
    let mut cyd = hub.join(Role::Reader, "cyd").await;
    let mut rows = 0;
    while let FromHub::SnapshotRows(some) = cyd.line.hear().await {
        rows += some.len();
    }
    assert!(rows > 6 * 16, "{rows}");
    // Who takes nothing is let go, and the turn passes on.
    for member in &stalled {
        timeout(PATIENCE, member.line.connection.closed()).await.unwrap();
    }
    assert!(matches!(waiting.hear().await, FromHub::Welcome(_)));
}
