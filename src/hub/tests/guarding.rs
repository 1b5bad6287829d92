//! The guard against mass deletion, as members and administrators meet it.

use super::*;
use crate::sync::hub::GuardState;

impl TestHub {
    async fn guard(&self, request: GuardRequest) -> Result<AdminResponse, HubError> {
        self.admin(AdminRequest::Guard { space: space(), request }).await
    }

    async fn guard_report(&self) -> GuardReport {
        match self.guard(GuardRequest::List).await.unwrap() {
            AdminResponse::Guard(report) => report,
            other => panic!("no report: {other:?}"),
        }
    }
}

fn removals(member: &FakeMember, counters: std::ops::Range<u64>) -> Vec<Op> {
    counters.map(|counter| unlink(member.node(counter), &format!("f{counter}"))).collect()
}

/// A guarded hub, and a member that is held with its second commit.
async fn held() -> (TestHub, FakeMember, Position) {
    let hub = TestHub::start().await;
    hub.guard(GuardRequest::Set { rate: Some(Rate::PerMinute(5)) }).await.unwrap();
    let mut ada = hub.join(Role::Writer, "ada").await;
    let empty = || Manifest::empty();
    let files = (2..20).map(|counter| make(ada.node(counter), &format!("f{counter}"), empty())).collect();
    let position = ada.accepted(1, files, vec![]).await;
    ada.commit(2, removals(&ada, 2..10), vec![]).await;
    let answer = ada.answer(2).await;
    assert!(matches!(&answer, Answer::Held { reason } if reason.contains("guard")), "{answer:?}");
    (hub, ada, position)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_member_is_listed_and_neither_restart_nor_reconnection_forgets_it() {
    let (mut hub, ada, position) = held().await;
    assert!(hub.members().await[0].held_since.is_some());
    hub.stop().await;
    hub.run().await;
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    ada.commit(2, vec![make(ada.node(50), "new", Manifest::empty())], vec![]).await;
    assert!(matches!(ada.answer(2).await, Answer::Held { .. }));
    let report = hub.guard_report().await;
    assert_eq!(report.rate, Rate::PerMinute(5));
    assert!(matches!(report.members[0].state, GuardState::Held { removals: 8, .. }), "{report:?}");
    let member = MemberName::new("bob").unwrap();
    let error = hub.guard(GuardRequest::Release { member }).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::NoSuchMember { .. })), "{error}");
    let member = MemberName::new("ada").unwrap();
    hub.guard(GuardRequest::Release { member: member.clone() }).await.unwrap();
    while ada.line.hear().await != FromHub::TryAgain {}
    let error = hub.guard(GuardRequest::Release { member }).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::NotHeld { .. })), "{error}");
    ada.accepted(2, removals(&ada, 2..20), vec![]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_discard_is_told_so_again_until_it_comes_with_the_round_it_was_given() {
    let (hub, mut ada, position) = held().await;
    let member = MemberName::new("ada").unwrap();
    hub.guard(GuardRequest::Discard { member }).await.unwrap();
    while ada.line.hear().await != FromHub::TryAgain {}
    ada.commit(2, removals(&ada, 2..10), vec![]).await;
    let first = ada.answer(2).await;
    // The answer was lost with the connection.
    let mut ada = hub.greet(&ada.identity.clone(), ada.hello_again(Some(position))).await;
    ada.commit(2, removals(&ada, 2..4), vec![]).await;
    assert_eq!(ada.answer(2).await, first);
    let Answer::GiveUp { round, .. } = first else { panic!("not told to give up: {first:?}") };
    let ops = vec![make(ada.node(50), "new", Manifest::empty())];
    let commit = SealedCommit { round, commit: Commit { number: CommitNumber(3), ops } };
    ada.line.say(&FromMember::Commit { commit, inline: vec![] }).await;
    assert!(matches!(ada.answer(3).await, Answer::Accept { .. }));
    assert_eq!(hub.guard_report().await.members, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hub_is_started_with_holds_where_a_space_says_nothing_else() {
    let mut hub = TestHub::start().await;
    assert_eq!(hub.guard_report().await.rate, Rate::Any);
    hub.stop().await;
    hub.guard = Rate::PerMinute(7);
    hub.run().await;
    assert_eq!(hub.guard_report().await.rate, Rate::PerMinute(7));
    hub.guard(GuardRequest::Set { rate: Some(Rate::Any) }).await.unwrap();
    assert_eq!(hub.guard_report().await.rate, Rate::Any);
    hub.guard(GuardRequest::Set { rate: None }).await.unwrap();
    assert_eq!(hub.guard_report().await.rate, Rate::PerMinute(7));
}
