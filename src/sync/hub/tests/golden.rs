//! The hub's own rows, held still: a difference needs another store format, not other constants.

use super::super::guard::{GuardRow, GuardState};
use super::super::keys::Keys;
use super::super::quota::QuotaRow;
use super::super::records::{AcceptedRow, DeviceRow, Head, HistoryRow, InviteRow, MemberRow, NameRow};
use super::*;
use data_encoding::HEXLOWER;

const TIME: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 5 };
const MEMBER: MemberNumber = MemberNumber(7);

fn rows() -> Vec<Vec<u8>> {
    let name = member_name("ada");
    let member = MemberRow {
        name: name.clone(),
        device: device(1),
        incarnation: Incarnation([2; 16]),
        incarnation_before: Some(Incarnation([3; 16])),
        accepted: CommitNumber(4),
        required: Round(5),
        applied: Some(Sequence(6)),
    };
    let history = HistoryRow {
        operation: HistoryOperation::Merged,
        path: b"a".to_vec(),
        from: Some(b"b".to_vec()),
        manifest: Some(Manifest {
            md5: Md5Tag { digest: [8; 16], parts: 0 },
            length: 9,
            ..Manifest::empty()
        }),
        came_from: Some(Origin::Merged(Merged { base: Version(1), local: Version(2), remote: Version(3) })),
        version: Version(10),
        member: MEMBER,
        time: TIME,
    };
    vec![
        encode(&Head { sequence: Sequence(1), chain: Chain([2; 32]), time: TIME }),
        encode(&DeviceRow { role: Role::Writer, revoked: true, name: name.clone() }),
        encode(&member),
        encode(&NameRow { device: device(1), member: Some(MEMBER) }),
        encode(&InviteRow { role: Role::Admin, uses_left: 3, expiry: TIME }),
        encode(&AcceptedRow { digest: Digest([1; 32]), sequence: Sequence(2) }),
        encode(&history),
        encode(&GuardRow { state: GuardState::Released { last: Some(TIME) }, recent: vec![(5, 6)] }),
        encode(&QuotaRow { limit_bytes: 1 << 40, used_bytes: 300 }),
        encode(&SpaceInfo { id: SpaceId([1; 16]), name: space_name(), created: TIME }),
    ]
}

fn keys() -> Vec<Vec<u8>> {
    let keys = Keys(SpaceId([0xee; 16]));
    let (id, at) = (node(MEMBER, 2), Sequence(1));
    let mut all = vec![
        keys.member_counter(),
        keys.device(device(1)),
        keys.lease(ChunkId([6; 32]), TIME.seconds),
        keys.head(),
        keys.history(id, at, 3),
        keys.info(),
        keys.entry(at),
        keys.member(MEMBER),
        keys.member_name(&member_name("ada")),
        keys.path([9; 16], at, id),
        keys.accepted(MEMBER, CommitNumber(4)),
        keys.tree(),
        keys.given_up(id),
        keys.guard(),
        keys.guarded(MEMBER),
        keys.quota(),
        keys.invite(TokenHash([5; 32])),
        keys.redeemed(TokenHash([5; 32]), device(1)),
    ];
    let prefix = super::super::keys::of_space(SpaceId([0xee; 16]));
    all.iter_mut().for_each(|key| drop(key.drain(..prefix.len())));
    all
}

fn check(found: Vec<Vec<u8>>, known: &[&str]) {
    let found: Vec<String> = found.iter().map(|bytes| HEXLOWER.encode(bytes)).collect();
    assert_eq!(found, known);
}

#[test]
fn rows_are_encoded_as_they_always_were() {
    let known = &[
        "010202020202020202020202020202020202020202020202020202020202020202fc00e2a7ca05",
        "010103616461",
        "0361646101010101010101010101010101010101010101010101010101010101010101010202020202020202\
         0202020202020202010303030303030303030303030303030304050106",
        "01010101010101010101010101010101010101010101010101010101010101010107",
        "0203fc00e2a7ca05",
        "010101010101010101010101010101010101010101010101010101010101010102",
        "02016101016201080808080808080808080808080808080009000001000102030a07fc00e2a7ca05",
        "0201fc00e2a7ca05010a06",
        "fd0000000000010000fb2c01",
        "0101010101010101010101010101010104776f726bfc00e2a7ca05",
    ];
    check(rows(), known);
}

#[test]
fn keys_are_made_as_they_always_were() {
    let known = &[
        "63",
        "640101010101010101010101010101010101010101010101010101010101010101",
        "650606060606060606060606060606060606060606060606060606060606060606000000006553f100",
        "67",
        "68000000070000000000000002fffffffffffffffefffffffc",
        "69",
        "6c0000000000000001",
        "6d00000007",
        "6f616461",
        "7009090909090909090909090909090909fffffffffffffffe000000070000000000000002",
        "71000000070000000000000004",
        "74",
        "75000000070000000000000002",
        "78",
        "7900000007",
        "7a",
        "760505050505050505050505050505050505050505050505050505050505050505",
        "7705050505050505050505050505050505050505050505050505050505050505050101010101010101010101\
         010101010101010101010101010101010101010101",
    ];
    check(keys(), known);
}
