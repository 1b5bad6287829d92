//! A quota as administrators set it and members hear of it.

use super::*;
use crate::sync::{Durability, Store};

impl TestHub {
    async fn quota(&self, request: QuotaRequest) -> Result<AdminResponse, HubError> {
        self.admin(AdminRequest::Quota { space: space(), request }).await
    }

    async fn limit(&self, limit: Option<u64>) {
        assert_eq!(self.quota(QuotaRequest::Set { limit }).await.unwrap(), AdminResponse::Done);
    }

    async fn shown(&self) -> Option<Quota> {
        match self.quota(QuotaRequest::Show).await.unwrap() {
            AdminResponse::Quota(quota) => quota,
            other => panic!("no quota: {other:?}"),
        }
    }
}

impl FakeMember {
    /// Waits until the hub tells of the quota.
    async fn told(&mut self) -> Option<Quota> {
        loop {
            if let FromHub::Quota(quota) = self.line.hear_any().await {
                return quota;
            }
        }
    }
}

fn quota(limit_bytes: u64, used_bytes: u64) -> Option<Quota> {
    Some(Quota { limit_bytes, used_bytes })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_hears_of_another_limit_and_of_what_others_write() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    assert_eq!(ada.told().await, None);
    let mut bob = hub.join(Role::Reader, "bob").await;
    assert_eq!(bob.told().await, None);
    let (op, inline) = small_file(&ada, 2, "a", b"hello");
    ada.accepted(1, vec![op], inline).await;
    assert_eq!((hub.shown().await, bob.until_barrier(1).await.1), (None, Some(Sequence(0))));

    hub.limit(Some(100)).await;
    assert_eq!((ada.told().await, bob.told().await), (quota(100, 5), quota(100, 5)));
    hub.limit(Some(8)).await;
    assert_eq!((ada.told().await, bob.told().await), (quota(8, 5), quota(8, 5)));
    // Over the limit, and accepted; its author hears the answer first.
    let (op, inline) = small_file(&ada, 3, "b", b"world");
    ada.commit(2, vec![op], inline).await;
    assert!(matches!(ada.line.hear_any().await, FromHub::Answer { answer: Answer::Accept { .. }, .. }));
    assert_eq!(ada.told().await, quota(8, 10));
    assert_eq!((bob.told().await, hub.shown().await), (quota(8, 10), quota(8, 10)));
    // A commit that changes nothing of it is no news.
    ada.accepted(3, vec![make(ada.node(4), "empty", Manifest::empty())], vec![]).await;
    hub.limit(None).await;
    assert_eq!((ada.told().await, bob.told().await, hub.shown().await), (None, None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_told_after_every_welcome_and_can_be_set_while_the_hub_is_down() {
    let mut hub = TestHub::start().await;
    hub.limit(Some(100)).await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    assert_eq!(ada.told().await, quota(100, 0));
    let (op, inline) = small_file(&ada, 2, "a", b"hello");
    let position = ada.accepted(1, vec![op], inline).await;
    hub.stop().await;
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    assert_eq!(ada.told().await, quota(100, 5));
    hub.stop().await;
    assert_eq!(hub.shown().await, quota(100, 5));
    hub.limit(None).await;
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    assert_eq!(ada.told().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_that_there_is_not_has_no_quota() {
    let hub = TestHub::start().await;
    let other = SpaceName::new("other").unwrap();
    let request = AdminRequest::Quota { space: other, request: QuotaRequest::Show };
    let error = hub.admin(request).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::NoSuchSpace(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_counts_other_than_what_is_there_is_found_and_setting_it_anew_mends_it() {
    let mut hub = TestHub::start().await;
    hub.limit(Some(100)).await;
    assert_eq!(hub.verify(false).await.unwrap().findings, []);
    hub.stop().await;
    hub.with_store(|store, hub| {
        let key = [b"s", &hub.space().0[..], b"z"].concat();
        let row = encode(&(100_u64, 7_u128));
        store.commit([(key, Some(row))].into(), Durability::Power).unwrap();
    });
    let findings = hub.verify(false).await.unwrap().findings;
    assert_eq!(findings.len(), 1);
    assert!(
        findings[0].what.starts_with("the quota counts 7 bytes where the files come to 0"),
        "{findings:?}"
    );
    hub.limit(Some(100)).await;
    assert_eq!(hub.verify(false).await.unwrap().findings, []);
}
