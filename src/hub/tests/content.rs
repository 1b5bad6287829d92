//! Chunks and history.

use super::*;
use crate::hub::clock::now;
use crate::store::{RocksStore, StateDirectory, StoreRole};
use crate::sync::hub::HubSync;

#[tokio::test(flavor = "multi_thread")]
async fn content_is_asked_for_uploaded_and_had_again_by_others() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    let (manifest, chunks) = content(&noise(1, 3 * 1024 * 1024));
    let ids: Vec<ChunkId> = chunks.iter().map(|(id, _)| *id).collect();
    let op = make(ada.node(2), "large", manifest);
    ada.commit(1, vec![op.clone()], vec![]).await;
    assert_eq!(ada.answer(1).await, Answer::Missing { chunks: ids.clone() });
    assert_eq!(ada.put(&chunks).await, ContentReply::Stored);
    ada.accepted(1, vec![op], vec![]).await;
    let (_, came_along) = bob.entry().await;
    assert_eq!(came_along, []);
    let unknown = ChunkId([9; 32]);
    let mut wanted = ids;
    wanted.push(unknown);
    let mut expected: Vec<Option<Vec<u8>>> = chunks.into_iter().map(|(_, bytes)| Some(bytes)).collect();
    expected.push(None);
    assert_eq!(bob.get(wanted).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_chunk_is_leased_until_a_commit_needs_it() {
    let mut hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (manifest, chunks) = content(&noise(2, 200_000));
    let abandoned = (chunk_id(b"abandoned"), b"abandoned".to_vec());
    assert_eq!(ada.put(&chunks).await, ContentReply::Stored);
    assert_eq!(ada.put(std::slice::from_ref(&abandoned)).await, ContentReply::Stored);
    let op = make(ada.node(2), "file", manifest);
    ada.accepted(1, vec![op], vec![]).await;
    let data = hub.data().join("data");
    hub.stop().await;
    let state = StateDirectory::open(&data).unwrap();
    let store = RocksStore::open(&state.database(), StoreRole::Hub).unwrap();
    let machine = HubSync::open(&store, &space()).unwrap();
    assert!(machine.leased(&store, abandoned.0, now()));
    assert!(chunks.iter().all(|(id, _)| !machine.leased(&store, *id, now())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_not_what_it_is_named_is_not_kept() {
    let hub = TestHub::start().await;
    let ada = hub.join(Role::Writer, "ada").await;
    let named = chunk_id(b"right");
    assert_eq!(ada.put(&[(named, b"wrong".to_vec())]).await, ContentReply::Damaged(named));
    assert_eq!(ada.get(vec![named]).await, [None]);
    // Nothing but the upload has failed.
    assert_eq!(ada.put(&[(named, b"right".to_vec())]).await, ContentReply::Stored);
    assert_eq!(ada.get(vec![named]).await, [Some(b"right".to_vec())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_cannot_bring_content() {
    let hub = TestHub::start().await;
    let bob = hub.join(Role::Reader, "bob").await;
    let (mut sender, mut receiver) = bob.line.connection.open_content().await.unwrap();
    let id = chunk_id(b"bytes");
    sender.send_message(&ContentRequest::Put(vec![id])).await.unwrap();
    let reply = timeout(PATIENCE, receiver.receive_message::<ContentReply>("reply")).await.unwrap();
    assert!(matches!(reply, Ok(None)), "{reply:?}");
    assert_eq!(bob.get(vec![id]).await, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_does_not_cross_spaces() {
    let hub = TestHub::start().await;
    let ada = hub.join(Role::Writer, "ada").await;
    let id = chunk_id(b"secret");
    assert_eq!(ada.put(&[(id, b"secret".to_vec())]).await, ContentReply::Stored);
    let other = SpaceName::new("other").unwrap();
    hub.admin(AdminRequest::SpaceCreate { space: other.clone() }).await.unwrap();
    let ttl = Duration::from_secs(60);
    let request = AdminRequest::Invite { space: other.clone(), role: Role::Writer, uses: 1, ttl, host: None };
    let AdminResponse::Invite { url, .. } = hub.admin(request).await.unwrap() else { panic!("no invite") };
    let identity = Identity::generate();
    hub.redeem(&identity, &url.parse().unwrap(), "eve").await;
    let mut eve = hub.greet(&identity, Hello { space: other, ..first_hello("eve") }).await;
    assert_eq!(eve.get(vec![id]).await, [None]);
    let (manifest, _) = content(b"secret");
    let op = make(eve.node(2), "guess", manifest);
    eve.commit(1, vec![op], vec![]).await;
    assert_eq!(eve.answer(1).await, Answer::Missing { chunks: vec![id] });
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_told_over_a_content_stream() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    ada.accepted(1, vec![op], inline).await;
    let (mut sender, mut receiver) = ada.line.connection.open_content().await.unwrap();
    let of = HistoryOf::Path(b"a".to_vec());
    sender.send_message(&ContentRequest::History { of, before: None, limit: 10 }).await.unwrap();
    let page: HistoryPage =
        timeout(PATIENCE, receiver.receive_message("history")).await.unwrap().unwrap().unwrap();
    let lines: Vec<_> =
        page.records.iter().map(|line| (line.operation, line.md5_text(), line.name.as_str())).collect();
    // printf one | md5sum
    let md5 = "f97c5d29941bfb1b2fdab0874906ab82".to_owned();
    assert_eq!(lines, [(HistoryOperation::Made, Some(md5), "ada")]);
}
