//! Chunks and history.

use super::*;
use crate::content::compress;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_was_damaged_at_the_hub_is_asked_for_and_brought_again() {
    let mut hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (bytes, mut position) = (noise(1, 10_000), None);
    let (manifest, chunks) = content(&bytes);
    let id = chunks[0].0;
    assert_eq!(ada.put(&chunks).await, ContentReply::Stored);
    let other = (chunk_id(b"other"), compress(b"other"));
    for (number, damaged) in [(1, vec![7; 100]), (2, compress(b"another")), (3, compress(&noise(2, 10_000)))]
    {
        hub.stop().await;
        {
            let path = hub.data().join("data");
            let directory = StateDirectory::open(&path).unwrap();
            let store = RocksStore::open(&directory.database(), StoreRole::Hub).unwrap();
            store.chunks().put_many(ada.welcome.space, &[(id, damaged), other.clone()]).unwrap();
        }
        hub.run().await;
        ada = hub.greet(&ada.identity, ada.hello_again(position)).await;
        assert_eq!(ada.get(vec![id, other.0]).await, [None, Some(b"other".to_vec())]);
        let op = make(ada.node(number + 1), &format!("f{number}"), manifest.clone());
        ada.commit(number, vec![op.clone()], vec![]).await;
        assert_eq!(ada.answer(number).await, Answer::Missing { chunks: vec![id] });
        if number < 3 {
            assert_eq!(ada.put(&chunks).await, ContentReply::Stored);
            position = Some(ada.accepted(number, vec![op], vec![]).await);
        } else {
            let inline = vec![Inline { chunk: id, bytes: bytes.clone() }];
            ada.accepted(number, vec![op], inline).await;
        }
        assert_eq!(ada.get(vec![id]).await, [Some(bytes.clone())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_content_that_is_as_small_as_it_says_rides_along_from_the_store() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let bob = hub.join(Role::Reader, "bob").await;
    let (op, inline) = small_file(&ada, 9, "first", b"first");
    let position = ada.accepted(1, vec![op], inline).await;
    let (identity, again) = (bob.identity.clone(), bob.hello_again(Some(position)));
    drop(bob);
    let large = noise(1, crate::content::CHUNK_BYTES_MAX);
    let large = (chunk_id(&large), large);
    assert_eq!(ada.put(std::slice::from_ref(&large)).await, ContentReply::Stored);
    let extent = Extent { chunk: Some(large.0), length: 1 };
    let lying = Manifest { length: 1, chunks: ChunkList::Flat(vec![extent]), ..Manifest::empty() };
    let (small, inline) = small_file(&ada, 3, "small", b"small");
    ada.accepted(2, vec![make(ada.node(2), "lying", lying), small], inline.clone()).await;
    let mut bob = hub.greet(&identity, again).await;
    let (entry, came_along) = bob.entry().await;
    assert_eq!((entry.sequence, came_along), (Sequence(1), inline));
}
