//! What is refused, and that it harms nobody else.

use super::super::connection::STRANGERS_EACH;
use super::*;
use crate::net::{CloseCode, Closed};
use tokio::task::JoinSet;

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
async fn a_stranger_of_another_format_does_not_learn_which_spaces_there_are() {
    let hub = TestHub::start().await;
    let stranger = Identity::generate();
    let mut told = Vec::new();
    for space in [space(), SpaceName::new("nowhere").unwrap()] {
        let name = MemberName::new("eve").unwrap();
        let enrol = Enrol { format: 999, space: space.clone(), token: vec![1; 32], name };
        let hello = Hello { format: 999, space, ..first_hello("eve") };
        for opening in [Opening::Enrol(enrol), Opening::Hello(hello)] {
            told.push(hub.open(&stranger, opening).await.refusal().await);
        }
    }
    assert_eq!(told[0].0, RefuseReason::Format);
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_from_one_address_do_not_take_all_connections() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let identity = Identity::load(&hub.data().join("data/identity")).unwrap();
    let (fingerprint, port) = (identity.public_key().fingerprint(), hub.address.port());
    // They say nothing, for which they have ten seconds.
    let mut strangers = JoinSet::new();
    for _ in 0..STRANGERS_EACH + 8 {
        strangers.spawn(async move {
            let dialer = Dialer::new(&Identity::generate());
            dialer.connect("127.0.0.1", port, fingerprint, PATIENCE).await.unwrap().closed().await
        });
    }
    let closed = timeout(PATIENCE, strangers.join_next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(closed, Closed::ByPeer { code: CloseCode::Stopping, .. }), "{closed:?}");
    // Who is known goes on, and room that was given up is there for others.
    still_works(&mut ada).await;
    strangers.abort_all();
    let welcomed = async {
        loop {
            let line = hub.open(&ada.identity, Opening::Hello(first_hello("ada"))).await;
            if let Some(message) = first_word(line).await {
                return message;
            }
        }
    };
    assert!(matches!(timeout(PATIENCE, welcomed).await.unwrap(), FromHub::Welcome(_)));
}

/// What the hub says first; None where it turns the connection away.
async fn first_word(mut line: Line) -> Option<FromHub> {
    line.receiver.receive_message("message of the hub").await.ok().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_few_bytes_for_much_memory_ends_only_the_connection_it_came_on() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut mallory = hub.join(Role::Writer, "mallory").await;
    let settle = Verb::Settle { node: NodeId::ROOT, member: MemberNumber(1) };
    let op = Op { time: Timestamp::default(), verb: settle };
    mallory.commit(1, vec![op; FRAME_BYTES_MAX / 6 - 10], vec![]).await;
    let (reason, detail) = mallory.line.refusal().await;
    assert_eq!(reason, RefuseReason::Malformed);
    assert!(detail.contains("memory"), "{detail}");
    still_works(&mut ada).await;
}

/// Bytes that a stream may have unread.
const STREAM_WINDOW_BYTES: usize = 2 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_that_leaves_no_room_for_the_last_words_is_cut_off_all_the_same() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut cyd = hub.join(Role::Reader, "cyd").await;
    let bob = hub.join(Role::Reader, "bob").await;
    let kept = chunk_id(b"kept");
    assert_eq!(ada.put(&[(kept, b"kept".to_vec())]).await, ContentReply::Stored);
    // Bob reads nothing any more. What is sent to him, he shares with cyd, who does.
    let welcome = [FromHub::Welcome(bob.welcome.clone()), FromHub::Members(bob.names.clone())];
    let mut sent: usize = welcome.iter().map(|message| 4 + encode(message).len()).sum();
    // So short that it is one chunk.
    const CONTENT_BYTES: usize = 15_000;
    let (mut content_bytes, mut overhead, mut number) = (CONTENT_BYTES, 0, 0);
    while content_bytes > 0 {
        number += 1;
        let bytes = noise(number as u8, content_bytes);
        let (op, inline) = small_file(&ada, 100 + number, &format!("{number:08}"), &bytes);
        ada.accepted(number, vec![op], inline).await;
        let (entry, inline) = cyd.entry().await;
        assert_eq!(inline.len(), 1);
        let frame = 4 + encode(&FromHub::Entry { entry, inline }).len();
        overhead = frame - content_bytes;
        sent += frame;
        // The last one leaves 10 bytes, too few for any last word.
        let left = STREAM_WINDOW_BYTES - sent;
        content_bytes = match left > 2 * CONTENT_BYTES {
            true => CONTENT_BYTES,
            false => left.saturating_sub(overhead + 10).min(CONTENT_BYTES),
        };
    }
    assert!(STREAM_WINDOW_BYTES - sent <= overhead + 10, "{sent}");
    assert_eq!(bob.get(vec![kept]).await, [Some(b"kept".to_vec())]);
    let member = MemberName::new("bob").unwrap();
    hub.admin(AdminRequest::Revoke { space: space(), member }).await.unwrap();
    let (mut sender, mut receiver) = bob.line.connection.open_content().await.unwrap();
    // Whether this still reaches the hub does not matter; that nothing is served does.
    let _ = sender.send_message(&ContentRequest::Get(vec![kept])).await;
    let served = timeout(PATIENCE, receiver.receive_message::<Option<Vec<u8>>>("chunk")).await.unwrap();
    assert!(!matches!(served, Ok(Some(_))), "{served:?}");
    timeout(PATIENCE, bob.line.connection.closed()).await.unwrap();
    still_works_after(&mut ada, number).await;
}

/// Another member goes on after so many commits of its own.
async fn still_works_after(member: &mut FakeMember, number: u64) {
    let (op, inline) = small_file(member, 9_000, "after", b"works");
    member.accepted(number + 1, vec![op], inline).await;
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
