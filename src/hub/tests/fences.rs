//! A space's owner with requests that came together.

use super::super::admin::{AdminContext, HostPort};
use super::super::batch::Flow;
use super::super::outbox::{Outbox, Step};
use super::super::owner::{Enrolment, Greeted, Greeting, Rejected, Request, Said, SessionId};
use super::super::space::{SESSIONS_EACH, Space};
use super::*;
use crate::store::{RocksStore, StoreRole};
use crate::sync::hub::{Device, HubSync, Invitation, TokenHash, create_space};
use crate::sync::{Durability, Store, Txn};
use std::sync::Arc;

const DEVICE: Device = Device([1; 32]);
const TOKEN: TokenHash = TokenHash([2; 32]);

/// A space whose owner is this test.
fn owned(store: &RocksStore) -> Space {
    let mut txn = Txn::new(store);
    create_space(&mut txn, space(), SpaceId([7; 16]), Timestamp::default()).unwrap();
    let hub = HubSync::open(&txn, &space()).unwrap();
    let expiry = Timestamp { seconds: i64::MAX, nanos: 0 };
    hub.invite(&mut txn, TOKEN, Invitation { role: Role::Writer, uses: 1, expiry });
    let batch = txn.into_batch();
    store.commit(batch, Durability::Power).unwrap();
    let host = HostPort { host: "here".into(), port: 1 };
    let fingerprint = Identity::generate().public_key().fingerprint();
    Space::new(hub, store.clone(), AdminContext { hub: fingerprint, host, scratch: Default::default() })
}

type Reply = oneshot::Receiver<Result<Greeted, Rejected>>;

fn greeting(hello: Hello, fresh: u8) -> (Request, Arc<Outbox>, Reply) {
    let (reply, answer) = oneshot::channel();
    let outbox = Arc::new(Outbox::new());
    let fresh = Incarnation([fresh; 16]);
    let greeting = Greeting { device: DEVICE, hello, fresh, outbox: outbox.clone(), reply };
    (Request::Hello(Box::new(greeting)), outbox, answer)
}

fn enrolment() -> Request {
    let name = MemberName::new("ada").unwrap();
    let enrol = Enrol { format: WIRE_FORMAT, space: space(), token: vec![], name };
    let (reply, _) = oneshot::channel();
    Request::Enrol(Box::new(Enrolment { device: DEVICE, token: TOKEN, enrol, reply }))
}

fn commit(session: SessionId, number: u64) -> Request {
    commit_of(session, number, Manifest::empty())
}

fn commit_of(session: SessionId, number: u64, manifest: Manifest) -> Request {
    let op = make(NodeId { member: session.member, counter: number + 1 }, &format!("f{number}"), manifest);
    let commit = Commit { number: CommitNumber(number), ops: vec![op] };
    let commit = SealedCommit { round: Round(0), commit };
    Request::Said { session, said: Said::Commit { commit, inline: vec![], packed: vec![] }, room: None }
}

#[tokio::test]
async fn what_an_earlier_connection_still_had_queued_behind_a_hello_is_dropped() {
    let directory = TempDir::new().unwrap();
    let store = RocksStore::open(&directory.path().join("db"), StoreRole::Hub).unwrap();
    let mut space = owned(&store);
    let (hello, old_outbox, answer) = greeting(first_hello("ada"), 1);
    assert_eq!(space.process(vec![enrolment(), hello]), Ok(Flow::On));
    let Greeted { session: old, welcome, .. } = answer.await.unwrap().unwrap();

    let member = Some((welcome.space, welcome.member, welcome.incarnation));
    let (hello, new_outbox, answer) = greeting(Hello { member, ..first_hello("ada") }, 2);
    // The first commit came before the hello and counts; the second did not.
    assert_eq!(space.process(vec![commit(old, 1), hello, commit(old, 2)]), Ok(Flow::On));
    let Greeted { session: new, welcome, .. } = answer.await.unwrap().unwrap();
    assert_eq!(
        (new.member, welcome.accepted, welcome.head),
        (old.member, CommitNumber(1), Some(Sequence(0)))
    );
    assert!(matches!(old_outbox.next(Sequence(0)).await, Step::End(_)));

    assert_eq!(space.process(vec![commit(old, 3), commit(new, 2)]), Ok(Flow::On));
    let hub = HubSync::open(&store, &super::space()).unwrap();
    let numbers: Vec<u64> = hub.entries(&store, Sequence(0)).map(|entry| entry.number.0).collect();
    assert_eq!(numbers, [1, 2]);
    assert!(matches!(new_outbox.next(Sequence(1)).await, Step::Send { is_entry: false, .. }), "the quota");
    assert!(matches!(new_outbox.next(Sequence(1)).await, Step::Send { is_entry: true, .. }));
    assert_eq!(space.process(vec![Request::Stop]), Ok(Flow::End));
}

#[tokio::test]
async fn a_device_has_only_so_many_connections_to_a_space_and_makes_no_number_beyond() {
    let directory = TempDir::new().unwrap();
    let store = RocksStore::open(&directory.path().join("db"), StoreRole::Hub).unwrap();
    let mut space = owned(&store);
    assert_eq!(space.process(vec![enrolment()]), Ok(Flow::On));
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS_EACH {
        let (hello, _, answer) = greeting(first_hello("ada"), 1);
        assert_eq!(space.process(vec![hello]), Ok(Flow::On));
        sessions.push(answer.await.unwrap().unwrap().session);
    }
    let (hello, _, answer) = greeting(first_hello("ada"), 1);
    assert_eq!(space.process(vec![hello]), Ok(Flow::On));
    assert!(matches!(answer.await.unwrap(), Err(Rejected::NoRoom(_))));
    let hub = HubSync::open(&store, &super::space()).unwrap();
    assert_eq!(hub.names(&store).len(), SESSIONS_EACH);
    // The next one gets in for one that has left, and as that one: nothing was committed under its number.
    let left = Request::Said { session: sessions[7], said: Said::Left, room: None };
    let (hello, _, answer) = greeting(first_hello("ada"), 1);
    assert_eq!(space.process(vec![left, hello]), Ok(Flow::On));
    assert_eq!(answer.await.unwrap().unwrap().session.member, sessions[7].member);
    assert_eq!(hub.names(&store).len(), SESSIONS_EACH);
    assert_eq!(space.process(vec![Request::Stop]), Ok(Flow::End));
}

#[tokio::test]
async fn commits_that_came_together_change_what_a_quota_tells_once() {
    let directory = TempDir::new().unwrap();
    let store = RocksStore::open(&directory.path().join("db"), StoreRole::Hub).unwrap();
    let mut space = owned(&store);
    let (hello, outbox, answer) = greeting(first_hello("ada"), 1);
    assert_eq!(space.process(vec![enrolment(), hello]), Ok(Flow::On));
    let Greeted { session, .. } = answer.await.unwrap().unwrap();
    assert_eq!(outbox.next(Sequence(0)).await, note(&FromHub::Quota(None)));
    let request = QuotaRequest::Set { limit: Some(1_000) };
    let request = AdminRequest::Quota { space: super::space(), request };
    let (reply, _) = oneshot::channel();
    assert_eq!(space.process(vec![Request::Admin { request, reply }]), Ok(Flow::On));
    let told = |used_bytes| note(&FromHub::Quota(Some(Quota { limit_bytes: 1_000, used_bytes })));
    assert_eq!(outbox.next(Sequence(0)).await, told(0));

    let chunks = ChunkList::Flat(vec![Extent { chunk: None, length: 10 }]);
    let hole = Manifest { length: 10, chunks, ..Manifest::empty() };
    let commits = (1..=5).map(|number| commit_of(session, number, hole.clone())).collect();
    assert_eq!(space.process(commits), Ok(Flow::On));
    // Neither a commit that changes nothing of it nor one that was accepted before is told.
    let barrier = Request::Said { session, said: Said::Barrier(7), room: None };
    assert_eq!(space.process(vec![commit(session, 6), commit(session, 6), barrier]), Ok(Flow::On));
    for sequence in 0..5 {
        let step = outbox.next(Sequence(sequence)).await;
        assert!(matches!(step, Step::Send { is_entry: true, .. }), "{step:?}");
    }
    assert_eq!(outbox.next(Sequence(5)).await, told(50));
    assert!(matches!(outbox.next(Sequence(5)).await, Step::Send { is_entry: true, .. }));
    assert!(matches!(outbox.next(Sequence(6)).await, Step::Send { is_entry: false, .. }), "the answer again");
    assert_eq!(outbox.next(Sequence(6)).await, note(&FromHub::Barrier { id: 7, head: Some(Sequence(5)) }));
    assert_eq!(space.process(vec![Request::Stop]), Ok(Flow::End));
}

fn note(message: &FromHub) -> Step {
    Step::Send { frame: encode(message).into(), is_entry: false }
}
