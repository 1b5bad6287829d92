//! Invites, devices, names, roles.

use super::*;

fn refused(result: Result<FromHub, Refusal>) -> (RefuseReason, String) {
    let refusal = result.unwrap_err();
    (refusal.reason, refusal.detail)
}

#[test]
fn an_invite_counts_its_uses_and_ends_with_its_time() {
    let mut bench = Bench::new();
    let token = TokenHash([1; 32]);
    let grant = Invitation { role: Role::Writer, uses: 2, expiry: seconds(1_060) };
    bench.run(|hub, txn| hub.invite(txn, token, grant));
    assert!(bench.redeem(1, token, "ada").is_ok());
    assert!(bench.redeem(2, token, "bob").is_ok());
    let (reason, detail) = refused(bench.redeem(3, token, "eve"));
    assert_eq!(reason, RefuseReason::Invite);
    assert!(detail.contains("used up"), "{detail}");

    let late = TokenHash([2; 32]);
    bench.run(|hub, txn| hub.invite(txn, late, grant));
    bench.now = seconds(1_060);
    let (reason, detail) = refused(bench.redeem(3, late, "eve"));
    assert_eq!(reason, RefuseReason::Invite);
    assert!(detail.contains("expired"), "{detail}");
    let (reason, detail) = refused(bench.redeem(3, TokenHash([3; 32]), "eve"));
    assert_eq!(reason, RefuseReason::Invite);
    assert!(detail.contains("no such invite"), "{detail}");
    assert_eq!(bench.run(|hub, txn| hub.role_of(txn, device(3))), None);
}

#[test]
fn a_lost_answer_to_an_enrolment_is_given_again_and_costs_no_second_use() {
    let bench = Bench::new();
    let token = TokenHash([1; 32]);
    let grant = Invitation { role: Role::Writer, uses: 1, expiry: seconds(1_060) };
    bench.run(|hub, txn| hub.invite(txn, token, grant));
    let first = bench.redeem(1, token, "ada").unwrap();
    assert_eq!(bench.redeem(1, token, "ada"), Ok(first));
    assert!(bench.redeem(2, token, "bob").is_err());
}

#[test]
fn enrolling_again_never_lowers_a_role_and_raises_it_where_the_invite_does() {
    let bench = Bench::new();
    let role = |bench: &Bench| bench.run(|hub, txn| hub.role_of(txn, device(1)));
    bench.enrol(1, Role::Writer, "ada");
    let invite = |token: u8, role| {
        let grant = Invitation { role, uses: 1, expiry: seconds(1_060) };
        bench.run(|hub, txn| hub.invite(txn, TokenHash([token; 32]), grant));
        bench.redeem(1, TokenHash([token; 32]), "other").unwrap()
    };
    assert!(matches!(invite(1, Role::Reader), FromHub::Enrolled { role: Role::Writer, .. }));
    let FromHub::Enrolled { name, .. } = invite(2, Role::Admin) else { panic!("not enrolled") };
    assert_eq!((role(&bench), name.as_str()), (Some(Role::Admin), "ada"));
}

#[test]
fn member_names_are_unique_and_one_device_may_run_several_members() {
    let mut bench = Bench::new();
    let long = "x".repeat(32);
    assert_eq!(bench.enrol(1, Role::Writer, "ada").as_str(), "ada");
    assert_eq!(bench.enrol(2, Role::Writer, "ada").as_str(), "ada-2");
    assert_eq!(bench.enrol(3, Role::Writer, &long).as_str(), long);
    assert_eq!(bench.enrol(4, Role::Writer, &long).as_str(), format!("{}-2", &long[..30]));
    let first = bench.greet(1, &first_hello("ada")).unwrap();
    let second = bench.greet(1, &first_hello("ada")).unwrap();
    let third = bench.greet(2, &first_hello("ada-2")).unwrap();
    assert_eq!((first.member, first.name.as_str()), (MemberNumber(1), "ada"));
    assert_eq!((second.member, second.name.as_str()), (MemberNumber(2), "ada-3"));
    assert_eq!((third.member, third.name.as_str()), (MemberNumber(3), "ada-2"));
    let members = bench.hub.members(&bench.kv);
    let numbers: Vec<_> = members.iter().map(|member| member.number.map(|number| number.0)).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), None, None]);
}

#[test]
fn a_name_that_many_have_is_numbered_and_stays_unique() {
    let bench = Bench::new();
    let grant = Invitation { role: Role::Reader, uses: 1_000, expiry: seconds(1_060) };
    let token = TokenHash([1; 32]);
    bench.run(|hub, txn| hub.invite(txn, token, grant));
    let enrol = Enrol { format: WIRE_FORMAT, space: space_name(), token: vec![], name: member_name("ada") };
    let mut given = std::collections::BTreeSet::new();
    for number in 0..1_000u16 {
        let mut device = Device([9; 32]);
        device.0[..2].copy_from_slice(&number.to_be_bytes());
        let enrolled = bench.run(|hub, txn| hub.enrol(txn, device, token, &enrol, bench.now)).unwrap();
        let FromHub::Enrolled { name, .. } = enrolled else { panic!("not enrolled") };
        assert!(given.insert(name));
    }
    assert!(given.contains(&member_name("ada-1000")));
}

#[test]
fn a_revoked_device_is_out_until_a_new_invite_lets_it_in_with_that_role() {
    let mut bench = Bench::new();
    let welcome = bench.join(1, Role::Admin, "ada");
    let other = bench.join(2, Role::Writer, "bob");
    let revoked = bench.run(|hub, txn| hub.revoke(txn, &member_name("ada")));
    assert_eq!(revoked, Some(device(1)));
    assert_eq!(bench.run(|hub, txn| hub.revoke(txn, &member_name("nobody"))), None);
    let answer = bench.answer(welcome.member, &sealed(1, vec![make_empty(node(welcome.member, 2), "a")]));
    assert!(matches!(answer, Answer::Refuse { op: None, reason } if reason.contains("revoked")));
    assert_eq!(bench.greet(1, &hello_after(&welcome, None)).unwrap_err().reason, RefuseReason::Revoked);
    bench.accepted(other.member, 1, vec![make_empty(node(other.member, 2), "b")]);
    // The invite that let it in does not do so twice.
    assert!(bench.redeem(1, TokenHash([1 ^ 0x80; 32]), "ada").is_err());
    let grant = Invitation { role: Role::Reader, uses: 1, expiry: seconds(1_060) };
    bench.run(|hub, txn| hub.invite(txn, TokenHash([9; 32]), grant));
    bench.redeem(1, TokenHash([9; 32]), "ada").unwrap();
    assert_eq!(bench.greet(1, &hello_after(&welcome, None)).unwrap().role, Role::Reader);
}

#[test]
fn an_invite_for_many_does_not_let_a_revoked_device_in_again() {
    let mut bench = Bench::new();
    let (shared, other) = (TokenHash([1; 32]), TokenHash([2; 32]));
    let grant = Invitation { role: Role::Writer, uses: 9, expiry: seconds(1_060) };
    bench.run(|hub, txn| hub.invite(txn, shared, grant));
    bench.run(|hub, txn| hub.invite(txn, other, grant));
    bench.redeem(1, shared, "ada").unwrap();
    let welcome = bench.greet(1, &first_hello("ada")).unwrap();
    bench.run(|hub, txn| hub.revoke(txn, &member_name("ada"))).unwrap();
    for _ in 0..2 {
        let (reason, detail) = refused(bench.redeem(1, shared, "ada"));
        assert_eq!(reason, RefuseReason::Invite);
        assert!(detail.contains("revoked"), "{detail}");
        assert_eq!(bench.run(|hub, txn| hub.role_of(txn, device(1))), None);
    }
    // It is still good for others, and another one for this device.
    assert!(bench.redeem(2, shared, "bob").is_ok());
    assert!(bench.redeem(1, other, "ada").is_ok());
    assert_eq!(bench.greet(1, &hello_after(&welcome, None)).unwrap().member, welcome.member);
    // Its answer may be lost as any.
    assert!(bench.redeem(1, other, "ada").is_ok());
    assert!(bench.redeem(1, shared, "ada").is_ok());
}

#[test]
fn a_removed_space_is_gone_at_once_and_erased_later() {
    let mut bench = Bench::new();
    let welcome = bench.join(1, Role::Writer, "ada");
    bench.accepted(welcome.member, 1, vec![make_empty(node(welcome.member, 2), "a")]);
    assert_eq!(list_spaces(&bench.kv).len(), 1);
    assert_eq!(bench.run(|_, txn| create_space(txn, space_name(), SpaceId([8; 16]), seconds(1))), None);
    let id = bench.run(|_, txn| remove_space(txn, &space_name()));
    assert_eq!(id, Some(SpaceId([7; 16])));
    assert_eq!(HubSync::open(&bench.kv, &space_name()), None);
    assert_eq!(list_spaces(&bench.kv), []);
    assert_eq!(bench.hub.space_info(&bench.kv), None);
    // A space of the same name is another space.
    bench.run(|_, txn| create_space(txn, space_name(), SpaceId([8; 16]), seconds(2))).unwrap();
    let removed = removed_spaces(&bench.kv);
    let [(space, prefix)] = removed.as_slice() else { panic!("{removed:?}") };
    assert_eq!(*space, SpaceId([7; 16]));
    use crate::sync::Kv;
    assert!(bench.kv.scan_prefix(prefix).count() > 5);
    let anew = HubSync::open(&bench.kv, &space_name()).unwrap();
    assert_eq!((anew.space(), anew.head(&bench.kv)), (SpaceId([8; 16]), None));
}
