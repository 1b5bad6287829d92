//! Spaces, invites, members, revocation: with a running hub and without.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_fulfilled_alike_with_and_without_a_running_hub() {
    let mut hub = TestHub::start().await;
    let mut ada = hub.join(Role::Admin, "ada").await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    ada.accepted(1, vec![op], inline).await;
    let log =
        AdminRequest::Log { space: space(), of: HistoryOf::Path(b"a".to_vec()), before: None, limit: 9 };
    let running = (hub.admin(AdminRequest::SpaceList).await.unwrap(), hub.admin(log.clone()).await.unwrap());
    let invite = hub.invite(Role::Writer, 1).await;
    hub.stop().await;
    let stopped = (hub.admin(AdminRequest::SpaceList).await.unwrap(), hub.admin(log).await.unwrap());
    assert_eq!(running, stopped);
    let AdminResponse::Spaces(spaces) = running.0 else { panic!("no spaces") };
    assert_eq!((spaces.len(), spaces[0].head, spaces[0].members), (1, Some(Sequence(0)), 1));
    let AdminResponse::Log(page) = running.1 else { panic!("no log") };
    assert_eq!(page.records.len(), 1);
    // An invite of either lets in, and names the place where the hub listens.
    let offline = hub.invite(Role::Reader, 1).await;
    assert_eq!((&offline.host, offline.port, offline.hub), (&invite.host, invite.port, invite.hub));
    assert_eq!((offline.host.as_str(), offline.port), ("127.0.0.1", hub.address.port()));
    hub.run().await;
    for invite in [invite, offline] {
        let answer = hub.redeem(&Identity::generate(), &invite, "bob").await;
        assert!(matches!(answer, FromHub::Enrolled { .. }), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_with_who_is_connected_and_how_far_they_are() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Admin, "ada").await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    hub.enrol(Role::Reader, "cyd").await;
    for number in 1..=3 {
        let (op, inline) = small_file(&ada, number + 1, &format!("f{number}"), b"x");
        ada.accepted(number, vec![op], inline).await;
    }
    bob.line.say(&FromMember::Applied { sequence: Sequence(1) }).await;
    bob.until_barrier(1).await;
    let rows = hub.members().await;
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.name.as_str(), row.role, row.connected_since.is_some(), row.position, row.behind))
        .collect();
    assert_eq!(
        seen,
        [
            ("ada", Role::Admin, true, None, 3),
            ("bob", Role::Reader, true, Some(Sequence(1)), 1),
            ("cyd", Role::Reader, false, None, 3),
        ]
    );
    assert_eq!(rows[0].device, ada.identity.public_key().fingerprint().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_cuts_a_live_connection_and_keeps_the_device_out() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let bob = hub.join(Role::Writer, "bob").await;
    let member = MemberName::new("bob").unwrap();
    hub.admin(AdminRequest::Revoke { space: space(), member }).await.unwrap();
    let (again, identity) = (bob.hello_again(None), bob.identity.clone());
    assert_eq!(bob.line.refusal().await.0, RefuseReason::Revoked);
    let refusal = hub.open(&identity, Opening::Hello(again)).await.refusal().await;
    assert_eq!(refusal.0, RefuseReason::Revoked);
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    ada.accepted(1, vec![op], inline).await;
    let nobody = MemberName::new("nobody").unwrap();
    let error = hub.admin(AdminRequest::Revoke { space: space(), member: nobody }).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::NoSuchMember { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_invite_raises_the_role_of_a_connected_member() {
    let hub = TestHub::start().await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    let invite = hub.invite(Role::Writer, 1).await;
    hub.redeem(&bob.identity, &invite, "bob").await;
    assert_eq!(bob.line.hear().await, FromHub::Role(Role::Writer));
    let (op, inline) = small_file(&bob, 2, "a", b"one");
    bob.accepted(1, vec![op], inline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_space_ends_its_conversations_and_another_of_its_name_is_empty() {
    let hub = TestHub::start().await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    ada.accepted(1, vec![op], inline).await;
    hub.admin(AdminRequest::SpaceRemove { space: space() }).await.unwrap();
    let (identity, again) = (ada.identity.clone(), ada.hello_again(None));
    assert_eq!(ada.line.refusal().await.0, RefuseReason::Removed);
    let refusal = hub.open(&identity, Opening::Hello(again)).await.refusal().await;
    assert_eq!(refusal.0, RefuseReason::Unknown);
    let error = hub.admin(AdminRequest::SpaceRemove { space: space() }).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::NoSuchSpace(_))), "{error:?}");
    hub.admin(AdminRequest::SpaceCreate { space: space() }).await.unwrap();
    let bob = hub.join(Role::Writer, "bob").await;
    assert_eq!((bob.number(), bob.welcome.head), (MemberNumber(1), None));
    let error = hub.admin(AdminRequest::SpaceCreate { space: space() }).await.unwrap_err();
    assert!(matches!(error, HubError::Admin(AdminError::SpaceExists(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_state_directory_serves_one_hub_and_its_secrets_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let hub = TestHub::start().await;
    let data = hub.data().join("data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!((mode(&data.join("control")), mode(&data.join("identity"))), (0o600, 0o600));
    let options = ServeOptions {
        data,
        listen: ([127, 0, 0, 1], 0).into(),
        guard: Default::default(),
        on_ready: Box::new(|_| panic!("two hubs")),
    };
    let second = serve(options, std::future::pending()).await.unwrap_err();
    assert!(matches!(second, HubError::Store(crate::store::StoreError::InUse { .. })), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_with_a_long_path_has_its_control_socket_all_the_same() {
    let mut hub = TestHub::start().await;
    hub.stop().await;
    let long = TempDir::new_in(hub.data()).unwrap();
    let data = long.path().join("x".repeat(120));
    let (ready, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = ServeOptions {
        data: data.clone(),
        listen: ([127, 0, 0, 1], 0).into(),
        guard: Default::default(),
        on_ready: Box::new(move |address| ready.send(address).unwrap()),
    };
    let task = tokio::spawn(serve(options, async { drop(stopped.await) }));
    timeout(PATIENCE, address).await.unwrap().unwrap();
    let listed = tokio::task::spawn_blocking(move || admin(&data, AdminRequest::SpaceList)).await.unwrap();
    assert_eq!(listed.unwrap(), AdminResponse::Spaces(vec![]));
    stop.send(()).unwrap();
    timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
    hub.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_open_invites_are_listed_until_they_are_used_up() {
    let hub = TestHub::start().await;
    let open = async || match hub.admin(AdminRequest::Invites { space: space() }).await.unwrap() {
        AdminResponse::Invites(open) => open,
        other => panic!("no invites: {other:?}"),
    };
    assert_eq!(open().await, []);
    let invite = hub.invite(Role::Reader, 2).await;
    hub.redeem(&Identity::generate(), &invite, "bob").await;
    let left = open().await;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].role, left[0].uses_left), (Role::Reader, 1));
    hub.redeem(&Identity::generate(), &invite, "cyd").await;
    assert_eq!(open().await, []);
}
