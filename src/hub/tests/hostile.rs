//! What is refused, and that it harms nobody else.

use super::*;

/// Another member goes on as if nothing had happened.
async fn still_works(member: &mut FakeMember) {
    let head = member.until_barrier(99).await.1;
    let next = head.map_or(0, |head| head.0 + 1);
    let (op, inline) = small_file(member, next + 1_000, &format!("still-{next}"), b"works");
    assert_eq!(member.accepted(next + 1, vec![op], inline).await.sequence, Sequence(next));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_nothing() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let stranger = Identity::generate();
    let unknown_device = hub.open(&stranger, Opening::Hello(first_hello("eve"))).await.refusal().await;
    let nowhere = Hello { space: SpaceName::new("nowhere").unwrap(), ..first_hello("eve") };
    let unknown_space = hub.open(&stranger, Opening::Hello(nowhere)).await.refusal().await;
    assert_eq!(unknown_device.0, RefuseReason::Unknown);
    assert_eq!(unknown_device, unknown_space);
    still_works(&mut ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn used_and_made_up_invites_are_refused() {
    let hub = TestHub::start().await;
    let invite = hub.invite(Role::Writer, 1).await;
    let first = hub.redeem(&Identity::generate(), &invite, "ada").await;
    assert!(matches!(first, FromHub::Enrolled { .. }));
    let made_up = Invite { token: crate::net::Token::generate(), ..invite.clone() };
    let elsewhere = Invite { space: SpaceName::new("nowhere").unwrap(), ..invite.clone() };
    let details: Vec<String> = {
        let mut details = Vec::new();
        for invite in [&invite, &made_up, &elsewhere] {
            match hub.redeem(&Identity::generate(), invite, "eve").await {
                FromHub::Refused { reason: RefuseReason::Invite, detail } => details.push(detail),
                other => panic!("not refused: {other:?}"),
            }
        }
        details
    };
    assert!(details[0].contains("used up"));
    assert_eq!(details[1], details[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_format_is_refused_by_its_name() {
    let hub = TestHub::start().await;
    let identity = hub.enrol(Role::Writer, "ada").await;
    let hello = Hello { format: WIRE_FORMAT + 1, ..first_hello("ada") };
    let (reason, detail) = hub.open(&identity, Opening::Hello(hello)).await.refusal().await;
    assert_eq!(reason, RefuseReason::Format);
    assert!(detail.contains("update"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_end_only_the_connection_they_came_on() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    for frame in [&b"\xff\xff\xff\xff\xff\xff"[..], &noise(3, 5_000), &[]] {
        let mut mallory = hub.join(Role::Writer, "mallory").await;
        mallory.line.sender.send(frame).await.unwrap();
        assert_eq!(mallory.line.refusal().await.0, RefuseReason::Malformed);
        still_works(&mut ada).await;
    }
    let mut mallory = hub.join(Role::Writer, "mallory").await;
    let inline = vec![Inline { chunk: ChunkId([1; 32]), bytes: b"something else".to_vec() }];
    mallory.commit(1, vec![], inline).await;
    assert_eq!(mallory.line.refusal().await.0, RefuseReason::Malformed);
    let mallory = hub.join(Role::Writer, "mallory").await;
    let (mut sender, _receiver) = mallory.line.connection.open_content().await.unwrap();
    sender.send(b"\xff\xff\xff\xff\xff").await.unwrap();
    assert_eq!(mallory.line.refusal().await.0, RefuseReason::Malformed);
    still_works(&mut ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_too_long_a_chunk_or_of_too_few_ends_the_connection() {
    let hub = TestHub::start().await;
    let long = noise(4, crate::content::CHUNK_BYTES_MAX + 1);
    for bytes in [Some(long), None] {
        let mallory = hub.join(Role::Writer, "mallory").await;
        let (mut sender, _receiver) = mallory.line.connection.open_content().await.unwrap();
        sender.send_message(&ContentRequest::Put(vec![ChunkId([1; 32])])).await.unwrap();
        if let Some(bytes) = bytes {
            sender.send(&bytes).await.unwrap();
        }
        drop(sender);
        assert_eq!(mallory.line.refusal().await.0, RefuseReason::Malformed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn illegal_commits_of_readers_and_writers_are_refused_and_the_connection_goes_on() {
    let hub = TestHub::start().await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    let (op, inline) = small_file(&bob, 2, "a", b"one");
    bob.commit(1, vec![op], inline.clone()).await;
    let answer = bob.answer(1).await;
    assert!(matches!(answer, Answer::Refuse { op: None, .. }), "{answer:?}");
    // Nor was its content kept.
    assert_eq!(bob.get(vec![inline[0].chunk]).await, [None]);
    let mut ada = hub.join(Role::Writer, "ada").await;
    let foreign = make(bob.node(3), "b", Manifest::empty());
    ada.commit(1, vec![foreign], vec![]).await;
    let answer = ada.answer(1).await;
    assert!(matches!(answer, Answer::Refuse { op: Some(0), .. }), "{answer:?}");
    still_works(&mut ada).await;
}
