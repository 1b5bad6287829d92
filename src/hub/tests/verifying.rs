//! What is wrong in a store is found and named, and content is had again from members that have it.

use super::*;
use crate::content::compress;
use crate::store::{RocksStore, StateDirectory, StoreRole};
use crate::sync::hub::HubSync;

impl TestHub {
    pub(super) async fn verify(&self, repair: bool) -> Result<VerifyReport, HubError> {
        let request = CareRequest::Verify { space: Some(space()), repair };
        match self.admin(AdminRequest::Care(request)).await? {
            AdminResponse::Verified(mut reports) => Ok(reports.pop().unwrap()),
            other => panic!("nothing verified: {other:?}"),
        }
    }

    /// Works on the store of a stopped hub.
    pub(super) fn with_store<T>(&self, work: impl FnOnce(&RocksStore, HubSync) -> T) -> T {
        let directory = StateDirectory::open(&self.data().join("data")).unwrap();
        let store = RocksStore::open(&directory.database(), StoreRole::Hub).unwrap();
        let hub = HubSync::open(&store, &space()).unwrap();
        work(&store, hub)
    }

    /// Flips a bit in each of these chunks as they are kept.
    fn flip_bits(&self, chunks: &[ChunkId]) {
        self.with_store(|store, hub| {
            for chunk in chunks {
                let mut kept = store.chunks().get(hub.space(), *chunk).unwrap().unwrap();
                let middle = kept.len() / 2;
                kept[middle] ^= 0x10;
                store.chunks().put_many(hub.space(), &[(*chunk, kept)]).unwrap();
            }
        });
    }

    fn lose(&self, chunks: &[ChunkId]) {
        self.with_store(|store, hub| store.chunks().remove(hub.space(), chunks).unwrap());
    }
}

impl FakeMember {
    /// Waits until the hub wants something, brings those of `chunks` that it wants, and says so.
    async fn bring(&mut self, chunks: &[(ChunkId, Vec<u8>)]) -> ContentReply {
        loop {
            if let FromHub::Wanted { id, wanted } = self.line.hear().await {
                let named = |id: &ChunkId| wanted.iter().any(|(_, chunks)| chunks.contains(id));
                let brought: Vec<_> = chunks.iter().filter(|(id, _)| named(id)).cloned().collect();
                let reply = self.put(&brought).await;
                self.line.say(&FromMember::Looked { id }).await;
                return reply;
            }
        }
    }
}

/// A hub with one large file of two versions and one small file, and the large one's contents.
async fn filled() -> (TestHub, FakeMember, [(Manifest, Vec<(ChunkId, Vec<u8>)>); 2], Position) {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let contents = [content(&noise(1, 400_000)), content(&noise(2, 400_000))];
    for (_, chunks) in &contents {
        ada.put(chunks).await;
    }
    let (small, inline) = small_file(&ada, 3, "small", b"some bytes");
    ada.accepted(1, vec![make(ada.node(2), "large", contents[0].0.clone()), small], inline).await;
    let second = super::collecting::put(ada.node(2), 1, contents[1].0.clone());
    let position = ada.accepted(2, vec![second], vec![]).await;
    (hub, ada, contents, position)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_store_has_no_findings_running_or_not() {
    let (mut hub, _ada, contents, _) = filled().await;
    let running = hub.verify(false).await.unwrap();
    assert_eq!(running.findings, []);
    assert_eq!((running.entries, running.versions), (2, 3));
    assert_eq!(running.chunks as usize, contents[0].1.len() + contents[1].1.len() + 1);
    assert_eq!(running.bytes, 800_010);
    hub.stop().await;
    assert_eq!(hub.verify(false).await.unwrap(), running);
    let error = hub.verify(true).await.unwrap_err();
    assert!(error.to_string().contains("start the hub"), "{error}");
    assert!(!hub.data().join("data/scratch/store").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_named_by_path_version_and_chunk_and_repaired_by_who_has_the_content() {
    let (mut hub, ada, contents, position) = filled().await;
    let (flipped, lost) = (contents[0].1[1].0, contents[1].1[0].0);
    hub.stop().await;
    hub.flip_bits(&[flipped]);
    hub.lose(&[lost]);
    let findings = hub.verify(false).await.unwrap().findings;
    let seen: Vec<_> = findings
        .iter()
        .map(|finding| {
            let Finding { what, path, version, chunk, .. } = finding;
            (what.as_str(), path.as_deref().unwrap(), version.unwrap().0, chunk.unwrap())
        })
        .collect();
    let large = &b"large"[..];
    assert_eq!(seen, [("a chunk is damaged", large, 1, flipped), ("a chunk is missing", large, 2, lost)]);
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    // One that has nothing of it, and one that may only read.
    let mut bob = hub.join(Role::Writer, "bob").await;
    let mut cyd = hub.join(Role::Reader, "cyd").await;
    let (repaired, ..) =
        tokio::join!(hub.verify(true), ada.bring(&contents[0].1), bob.bring(&[]), cyd.bring(&contents[1].1),);
    let repaired = repaired.unwrap();
    assert_eq!((repaired.findings.len(), repaired.left()), (2, 0), "{:?}", repaired.findings);
    assert_eq!(hub.verify(false).await.unwrap().findings, []);
    for (_, chunks) in &contents {
        let got = ada.get(chunks.iter().map(|(id, _)| *id).collect()).await;
        assert!(got.iter().zip(chunks).all(|(got, (_, bytes))| got.as_ref() == Some(bytes)));
    }
    // What nobody wants is not taken of a reader.
    let unwanted = content(&noise(7, 20_000)).1;
    let (mut sender, mut receiver) = cyd.line.connection.open_content().await.unwrap();
    sender.send_message(&ContentRequest::Put(vec![unwanted[0].0])).await.unwrap();
    let reply = timeout(PATIENCE, receiver.receive_message::<ContentReply>("reply")).await.unwrap();
    assert_eq!(reply.ok().flatten(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_stays_a_finding_and_who_leaves_is_not_waited_for() {
    let (mut hub, ada, contents, position) = filled().await;
    hub.stop().await;
    hub.flip_bits(&[contents[1].1[0].0]);
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    let leaving = async {
        while !matches!(ada.line.hear().await, FromHub::Wanted { .. }) {}
        drop(ada);
    };
    let (report, ()) = tokio::join!(hub.verify(true), leaving);
    assert_eq!(report.unwrap().left(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_let_go_of_is_no_finding() {
    let (mut hub, ada, contents, position) = filled().await;
    let keep = crate::sync::hub::Keep::Versions(1);
    hub.admin(AdminRequest::Care(CareRequest::Gc { space: None, keep, dry_run: false })).await.unwrap();
    let report = hub.verify(false).await.unwrap();
    assert_eq!((report.findings.len(), report.versions), (0, 2));
    assert_eq!(report.chunks as usize, contents[1].1.len() + 1);
    // And a bit of a chunk that is kept in another form is still one of that chunk.
    hub.stop().await;
    hub.with_store(|store, space| {
        let (chunk, bytes) = &contents[1].1[0];
        let mut other = bytes.clone();
        other[0] ^= 1;
        store.chunks().put_many(space.space(), &[(*chunk, compress(&other))]).unwrap();
    });
    assert_eq!(hub.verify(false).await.unwrap().left(), 1);
    drop((ada, position));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_list_of_a_long_content_stops_a_collection_until_it_is_repaired() {
    let mut hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (manifest, chunks) = content(&noise(1, 96 * 1024 * 1024));
    let ChunkList::Tree(lists) = &manifest.chunks else { panic!("no lists") };
    let list = lists[0].chunk.unwrap();
    for some in chunks.chunks(64) {
        assert_eq!(ada.put(some).await, ContentReply::Stored);
    }
    let position = ada.accepted(1, vec![make(ada.node(2), "long", manifest.clone())], vec![]).await;
    let collect = |keep| AdminRequest::Care(CareRequest::Gc { space: None, keep, dry_run: false });
    let one = crate::sync::hub::Keep::Versions(1);
    match hub.admin(collect(one)).await.unwrap() {
        AdminResponse::Collected(reports) => assert_eq!(reports[0].chunks_freed, 0),
        other => panic!("nothing collected: {other:?}"),
    }
    hub.stop().await;
    hub.flip_bits(&[list]);
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    let error = hub.admin(collect(one)).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::Damaged(_))), "{error}");
    let report = hub.verify(false).await.unwrap();
    assert_eq!((report.findings.len(), report.findings[0].chunk), (1, Some(list)));
    // One that hides behind the list comes to light once that is back.
    hub.stop().await;
    let hidden = chunks[0].0;
    hub.lose(&[hidden]);
    hub.run().await;
    ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    let bringing = async {
        ada.bring(&chunks).await;
        ada.bring(&chunks).await
    };
    let (report, reply) = tokio::join!(hub.verify(true), bringing);
    assert_eq!((report.unwrap().left(), reply), (0, ContentReply::Stored));
    assert_eq!(hub.verify(false).await.unwrap().findings, []);
    assert!(hub.admin(collect(one)).await.is_ok());
}
