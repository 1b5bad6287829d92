//! Contents that nothing needs are removed, and no others, while members work.

use super::*;
use crate::ops::Put;
use crate::sync::hub::Keep;

impl TestHub {
    async fn collect(&self, keep: Keep, dry_run: bool) -> GcReport {
        let request = CareRequest::Gc { space: Some(space()), keep, dry_run };
        match self.admin(AdminRequest::Care(request)).await.unwrap() {
            AdminResponse::Collected(mut reports) => reports.pop().unwrap(),
            other => panic!("nothing collected: {other:?}"),
        }
    }
}

pub fn put(node: NodeId, base: u64, manifest: Manifest) -> Op {
    let put = Put {
        node,
        base: Version(base),
        manifest,
        mtime: Timestamp::default(),
        attributes: None,
        came_from: None,
        conflict: None,
    };
    Op { time: Timestamp::default(), verb: Verb::Put(put) }
}

fn ids(chunks: &[(ChunkId, Vec<u8>)]) -> Vec<ChunkId> {
    chunks.iter().map(|(id, _)| *id).collect()
}

async fn has_all(member: &FakeMember, chunks: &[(ChunkId, Vec<u8>)]) -> bool {
    member.get(ids(chunks)).await.iter().all(Option::is_some)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_lets_go_of_is_removed_and_all_else_is_kept() {
    let mut hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let contents: Vec<_> = (0..4).map(|seed| content(&noise(seed, 300_000))).collect();
    let upload = content(&noise(9, 100_000)).1;
    let mut position = None;
    for (number, (manifest, chunks)) in (1..).zip(&contents[..3]) {
        assert_eq!(ada.put(chunks).await, ContentReply::Stored);
        let op = match number {
            1 => make(ada.node(2), "a", manifest.clone()),
            _ => put(ada.node(2), number - 1, manifest.clone()),
        };
        position = Some(ada.accepted(number, vec![op], vec![]).await);
    }
    // Uploaded, and not committed yet.
    assert_eq!(ada.put(&upload).await, ContentReply::Stored);
    let all = hub.collect(Keep::All, false).await;
    assert_eq!((all.chunks_freed, all.versions), (0, 0));
    let dry = hub.collect(Keep::Versions(2), true).await;
    let freed = hub.collect(Keep::Versions(2), false).await;
    assert_eq!((dry.chunks_freed, dry.bytes_freed), (freed.chunks_freed, freed.bytes_freed));
    assert_eq!((freed.chunks_freed, freed.versions), (contents[0].1.len() as u64, 1));
    assert!(!has_all(&ada, &contents[0].1).await);
    for chunks in [&contents[1].1, &contents[2].1, &upload] {
        assert!(has_all(&ada, chunks).await);
    }
    assert_eq!(hub.collect(Keep::Versions(2), false).await.chunks_freed, 0);
    // A stopped hub's store is collected alike.
    hub.stop().await;
    let stopped = hub.collect(Keep::Versions(1), false).await;
    assert_eq!(stopped.chunks_freed, contents[1].1.len() as u64);
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(position)).await;
    assert!(has_all(&ada, &contents[2].1).await && has_all(&ada, &upload).await);
    // What is gone can come again.
    ada.commit(4, vec![put(ada.node(2), 3, contents[0].0.clone())], vec![]).await;
    assert_eq!(ada.answer(4).await, Answer::Missing { chunks: ids(&contents[0].1) });
    ada.put(&contents[0].1).await;
    ada.accepted(4, vec![put(ada.node(2), 3, contents[0].0.clone())], vec![]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_chunk_vanishes_between_a_commits_check_and_its_acceptance() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    // Contents come and go, so that what is removed is also what is wanted again.
    let contents: Vec<_> = (0..5).map(|seed| content(&noise(seed, 40_000))).collect();
    let (mut number, mut brought, mut freed) = (0, 0, 0);
    let working = async {
        while number < 150 {
            let (manifest, chunks) = &contents[(number * number + number / 3) as usize % contents.len()];
            let op = match number {
                0 => make(ada.node(2), "a", manifest.clone()),
                _ => put(ada.node(2), number, manifest.clone()),
            };
            number += 1;
            ada.commit(number, vec![op.clone()], vec![]).await;
            let mut answer = ada.answer(number).await;
            while let Answer::Missing { chunks: missing } = &answer {
                let wanted =
                    chunks.iter().filter(|(id, _)| missing.contains(id)).cloned().collect::<Vec<_>>();
                brought += 1;
                ada.put(&wanted).await;
                ada.commit(number, vec![op.clone()], vec![]).await;
                answer = ada.answer(number).await;
            }
            assert!(matches!(answer, Answer::Accept { .. }), "{answer:?}");
            assert!(has_all(&ada, chunks).await, "commit {number} was accepted and its content is gone");
        }
    };
    let collecting = async {
        loop {
            freed += hub.collect(Keep::Versions(1), false).await.chunks_freed;
        }
    };
    tokio::select! { () = working => {} () = collecting => {} }
    assert!(
        brought > contents.len() as u64 && freed > 0,
        "{brought} uploads, {freed} freed: nothing ever met"
    );
}
