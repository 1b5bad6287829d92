//! Visitors: devices that read without being members.

use super::*;
use crate::net::{CloseCode, Closed};

fn visit() -> Opening {
    Opening::Visit(Visit { format: WIRE_FORMAT, space: space() })
}

impl Line {
    async fn ask<T: serde::de::DeserializeOwned>(&self, request: ContentRequest) -> Option<T> {
        let (mut sender, mut receiver) = self.connection.open_content().await.unwrap();
        sender.send_message(&request).await.unwrap();
        timeout(PATIENCE, receiver.receive_message("answer")).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_reads_log_history_and_contents_and_becomes_no_member() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let identity = hub.enrol(Role::Reader, "bob").await;
    let (first, inline) = small_file(&ada, 2, "a", b"one");
    ada.accepted(1, vec![first.clone()], inline).await;
    let mut line = hub.open(&identity, visit()).await;
    assert_eq!(line.hear().await, FromHub::Visited { space: ada.welcome.space, head: Some(Sequence(0)) });
    let (second, inline) = small_file(&ada, 3, "b", b"two");
    ada.accepted(2, vec![second.clone()], inline).await;
    let log: LogPage = line.ask(ContentRequest::Log { after: None, limit: 9 }).await.unwrap();
    let ops: Vec<Op> = log.entries.iter().flat_map(|entry| entry.ops.clone()).collect();
    assert_eq!((ops, log.more), (vec![first, second], false));
    let first_time = log.entries[0].time;
    let at: Option<Sequence> = line.ask(ContentRequest::SequenceAt(first_time)).await.unwrap();
    assert!(at >= Some(Sequence(0)));
    let before = Timestamp { seconds: first_time.seconds - 1, ..first_time };
    assert_eq!(line.ask(ContentRequest::SequenceAt(before)).await, Some(None::<Sequence>));
    let page: HistoryPage = line.ask(ContentRequest::Since { after: None, limit: 9 }).await.unwrap();
    assert_eq!(page.records.len(), 2);
    let holders = ContentRequest::Holders { path: b"b".to_vec(), before: None };
    let holders: HolderPage = line.ask(holders).await.unwrap();
    assert_eq!(holders.holders[0].node, ada.node(3));
    let question = ContentRequest::VersionOf { node: ada.node(2), version: Version::FIRST };
    let made: Option<HistoryRecord> = line.ask(question).await.unwrap();
    let chunk = made.unwrap().manifest.unwrap().inline_chunk().unwrap();
    let content: Option<Vec<u8>> = line.ask(ContentRequest::Get(vec![chunk])).await.unwrap();
    assert_eq!(content.as_deref(), Some(&b"one"[..]));
    assert!(
        hub.members().await.iter().all(|member| member.name.as_str() != "bob" || member.number.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_brings_nothing_and_says_nothing() {
    let hub = TestHub::start().await;
    let identity = hub.enrol(Role::Admin, "ada").await;
    let mut line = hub.open(&identity, visit()).await;
    assert!(matches!(line.hear().await, FromHub::Visited { head: None, .. }));
    let put = ContentRequest::Put(vec![chunk_id(b"bytes")]);
    assert_eq!(line.ask::<ContentReply>(put).await, None);
    line.say(&FromMember::Barrier { id: 1 }).await;
    let (reason, _) = line.refusal().await;
    assert_eq!(reason, RefuseReason::Malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_the_revoked_do_not_visit() {
    let hub = TestHub::start().await;
    let stranger = Identity::generate();
    let (reason, _) = hub.open(&stranger, visit()).await.refusal().await;
    assert_eq!(reason, RefuseReason::Unknown);
    let foreign = Opening::Visit(Visit { format: WIRE_FORMAT + 1, space: space() });
    assert_eq!(hub.open(&stranger, foreign).await.refusal().await.0, RefuseReason::Format);
    let identity = hub.enrol(Role::Reader, "bob").await;
    let mut line = hub.open(&identity, visit()).await;
    assert!(matches!(line.hear().await, FromHub::Visited { .. }));
    let member = MemberName::new("bob").unwrap();
    hub.admin(AdminRequest::Revoke { space: space(), member }).await.unwrap();
    let (mut sender, _receiver) = line.connection.open_content().await.unwrap();
    sender.send_message(&ContentRequest::Log { after: None, limit: 1 }).await.unwrap();
    assert_eq!(line.refusal().await.0, RefuseReason::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_ends_with_the_hub_at_once() {
    let mut hub = TestHub::start().await;
    let identity = hub.enrol(Role::Reader, "bob").await;
    let mut line = hub.open(&identity, visit()).await;
    assert!(matches!(line.hear().await, FromHub::Visited { .. }));
    hub.stop().await;
    let closed = timeout(PATIENCE, line.connection.closed()).await.unwrap();
    assert!(matches!(closed, Closed::ByPeer { code: CloseCode::Stopping, .. }), "{closed}");
}
