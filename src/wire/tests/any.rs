//! Arbitrary values of everything that is encoded.

use crate::model::*;
use crate::ops::{
    Attributes, ConflictRow, Drop, Link, Make, Merged, Move, Op, Origin, Put, Replaced, Restored, SetMeta,
    Verb,
};
use crate::wire::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

pub fn member() -> impl Strategy<Value = MemberNumber> {
    any::<u32>().prop_map(MemberNumber)
}

pub fn node_id() -> impl Strategy<Value = NodeId> {
    (member(), any::<u64>()).prop_map(|(member, counter)| NodeId { member, counter })
}

pub fn name() -> impl Strategy<Value = Name> {
    let byte = prop_oneof![8 => b'a'..=b'z', 1 => any::<u8>()];
    let bytes = prop_oneof![9 => vec(byte.clone(), 1..12), 1 => vec(byte, 255)];
    bytes.prop_filter_map("an illegal name", |bytes| Name::new(bytes).ok())
}

pub fn place() -> impl Strategy<Value = Place> {
    (node_id(), name()).prop_map(|(parent, name)| Place { parent, name })
}

pub fn time() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000u32).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

pub fn version() -> impl Strategy<Value = Version> {
    any::<u64>().prop_map(Version)
}

fn owner() -> impl Strategy<Value = Owner> {
    any::<(u32, u32)>().prop_map(|(uid, gid)| Owner { uid, gid })
}

pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn xattrs() -> impl Strategy<Value = Xattrs> {
    btree_map(bytes(), bytes(), 0..3)
}

pub fn chunk() -> impl Strategy<Value = ChunkId> {
    any::<[u8; 32]>().prop_map(ChunkId)
}

fn chain() -> impl Strategy<Value = Chain> {
    any::<[u8; 32]>().prop_map(Chain)
}

pub fn manifest() -> impl Strategy<Value = Manifest> {
    let extent = (option::of(chunk()), any::<u64>()).prop_map(|(chunk, length)| Extent { chunk, length });
    let fields = (any::<[u8; 16]>(), any::<u32>(), any::<u64>(), any::<bool>(), vec(extent, 0..4));
    fields.prop_map(|(digest, parts, length, is_tree, extents)| {
        let chunks = if is_tree { ChunkList::Tree(extents) } else { ChunkList::Flat(extents) };
        Manifest { md5: Md5Tag { digest, parts }, length, chunks }
    })
}

fn body() -> impl Strategy<Value = Body> {
    let device = || any::<u32>().prop_map(DeviceNumber);
    prop_oneof![
        manifest().prop_map(Body::File),
        Just(Body::Directory),
        bytes().prop_map(Body::Symlink),
        Just(Body::Special(Special::Fifo)),
        Just(Body::Special(Special::Socket)),
        device().prop_map(|device| Body::Special(Special::CharDevice(device))),
        device().prop_map(|device| Body::Special(Special::BlockDevice(device))),
    ]
}

pub fn conflict() -> impl Strategy<Value = Conflict> {
    let kind = prop::sample::select(vec![
        ConflictKind::PutPut,
        ConflictKind::MakeMake,
        ConflictKind::PutDrop,
        ConflictKind::DropPut,
        ConflictKind::MoveMove,
        ConflictKind::Cycle,
        ConflictKind::Dropped,
    ]);
    let fields = (node_id(), member(), kind, option::of(version()), version(), time());
    fields.prop_map(|(node, member, kind, base, remote, time)| Conflict {
        node,
        member,
        kind,
        base,
        remote,
        time,
    })
}

pub fn node() -> impl Strategy<Value = Node> {
    let moved = (place(), member()).prop_map(|(from, by)| Moved { from, by });
    let fields = (body(), any::<u16>(), owner(), time(), xattrs(), version(), option::of(moved));
    fields.prop_map(|(body, mode, owner, mtime, xattrs, version, moved)| Node {
        body,
        mode,
        owner,
        mtime,
        xattrs,
        version,
        moved,
    })
}

pub fn tombstone() -> impl Strategy<Value = Tombstone> {
    let successor = (node_id(), version()).prop_map(|(node, version)| Successor { node, version });
    (node(), place(), option::of(successor)).prop_map(|(node, place, successor)| Tombstone {
        node,
        place,
        successor,
    })
}

pub fn conflict_row() -> impl Strategy<Value = ConflictRow> {
    (conflict(), option::of(node_id())).prop_map(|(conflict, copy)| ConflictRow { conflict, copy })
}

pub fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        (version(), version(), version()).prop_map(|(base, local, remote)| Origin::Merged(Merged {
            base,
            local,
            remote
        })),
        (node_id(), version()).prop_map(|(node, version)| Origin::Restored(Restored { node, version })),
    ]
}

fn make() -> impl Strategy<Value = Make> {
    let named = (node_id(), place(), body(), option::of(origin()), option::of(conflict()));
    (named, any::<u16>(), option::of(owner()), time(), xattrs()).prop_map(
        |((node, place, body, came_from, conflict), mode, owner, mtime, xattrs)| Make {
            node,
            place,
            body,
            mode,
            owner,
            mtime,
            xattrs,
            came_from,
            conflict,
        },
    )
}

fn put() -> impl Strategy<Value = Put> {
    let attributes = (any::<u16>(), option::of(owner()), xattrs());
    let attributes = attributes.prop_map(|(mode, owner, xattrs)| Attributes { mode, owner, xattrs });
    let extra = (option::of(attributes), option::of(origin()), option::of(conflict()));
    (node_id(), version(), manifest(), time(), extra).prop_map(
        |(node, base, manifest, mtime, (attributes, came_from, conflict))| Put {
            node,
            base,
            manifest,
            mtime,
            attributes,
            came_from,
            conflict,
        },
    )
}

fn set_meta() -> impl Strategy<Value = SetMeta> {
    let some = (option::of(any::<u16>()), option::of(any::<u32>()), option::of(any::<u32>()));
    let fields = (node_id(), some, option::of(time()), vec((bytes(), option::of(bytes())), 0..3));
    fields.prop_map(|(node, (mode, uid, gid), mtime, xattrs)| SetMeta { node, mode, uid, gid, mtime, xattrs })
}

fn rename() -> impl Strategy<Value = Move> {
    let replaced = (node_id(), version()).prop_map(|(node, version)| Replaced { node, version });
    let fields = (node_id(), place(), place(), option::of(replaced), any::<bool>(), any::<bool>());
    fields.prop_map(|(node, from, to, replaces, exchange, keeps_owner)| Move {
        node,
        from,
        to,
        replaces,
        exchange,
        keeps_owner,
    })
}

pub fn op() -> impl Strategy<Value = Op> {
    let drop = (node_id(), place(), version());
    let verb = prop_oneof![
        make().prop_map(Verb::Make),
        put().prop_map(Verb::Put),
        set_meta().prop_map(Verb::SetMeta),
        (node_id(), place()).prop_map(|(node, place)| Verb::Link(Link { node, place })),
        rename().prop_map(Verb::Move),
        drop.prop_map(|(node, place, version)| Verb::Drop(Drop { node, place, version })),
        (node_id(), member()).prop_map(|(node, member)| Verb::Settle { node, member }),
        conflict().prop_map(Verb::Record),
    ];
    (time(), verb).prop_map(|(time, verb)| Op { time, verb })
}

pub fn sealed() -> impl Strategy<Value = SealedCommit> {
    (any::<u64>(), any::<u64>(), vec(op(), 0..5)).prop_map(|(round, number, ops)| SealedCommit {
        round: Round(round),
        commit: Commit { number: CommitNumber(number), ops },
    })
}

pub fn entry() -> impl Strategy<Value = LogEntry> {
    (any::<u64>(), member(), any::<u64>(), time(), vec(op(), 0..5), chain()).prop_map(
        |(sequence, member, number, time, ops, chain)| LogEntry {
            sequence: Sequence(sequence),
            member,
            number: CommitNumber(number),
            time,
            ops,
            chain,
        },
    )
}

fn plain() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9-]{0,31}"
}

fn space_name() -> impl Strategy<Value = SpaceName> {
    plain().prop_map(|text| SpaceName::new(text).expect("a plain name"))
}

pub fn member_name() -> impl Strategy<Value = MemberName> {
    plain().prop_map(|text| MemberName::new(text).expect("a plain name"))
}

fn position() -> impl Strategy<Value = Position> {
    (any::<u64>(), chain()).prop_map(|(sequence, chain)| Position { sequence: Sequence(sequence), chain })
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Reader, Role::Writer, Role::Admin])
}

fn space_id() -> impl Strategy<Value = SpaceId> {
    any::<[u8; 16]>().prop_map(SpaceId)
}

pub fn opening() -> impl Strategy<Value = Opening> {
    let known = (space_id(), member(), any::<[u8; 16]>().prop_map(Incarnation));
    let sealed = (member(), any::<u64>().prop_map(CommitNumber), any::<[u8; 32]>().prop_map(Digest));
    let stands = (option::of(position()), any::<bool>(), option::of(sealed));
    let hello = (any::<u16>(), space_name(), member_name(), option::of(known), stands);
    let hello = hello.prop_map(|(format, space, name, member, (position, whole, sealed))| {
        Opening::Hello(Hello { format, space, name, member, position, whole, sealed })
    });
    let enrol = (any::<u16>(), space_name(), bytes(), member_name());
    let enrol =
        enrol.prop_map(|(format, space, token, name)| Opening::Enrol(Enrol { format, space, token, name }));
    let visit = (any::<u16>(), space_name());
    let visit = visit.prop_map(|(format, space)| Opening::Visit(Visit { format, space }));
    prop_oneof![hello, enrol, visit]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let start = prop_oneof![
        Just(Start::Tail),
        (option::of(position()), any::<bool>())
            .prop_map(|(position, departs)| Start::Snapshot { position, departs }),
    ];
    let who = (space_id(), member(), member_name(), any::<[u8; 16]>(), role());
    (who, any::<u64>(), any::<bool>(), option::of(any::<u64>()), start).prop_map(
        |((space, member, name, incarnation, role), accepted, has_sealed, head, start)| Welcome {
            space,
            member,
            name,
            incarnation: Incarnation(incarnation),
            role,
            accepted: CommitNumber(accepted),
            has_sealed,
            head: head.map(Sequence),
            start,
        },
    )
}

fn inline() -> impl Strategy<Value = Vec<Inline>> {
    vec((chunk(), bytes()).prop_map(|(chunk, bytes)| Inline { chunk, bytes }), 0..3)
}

pub fn from_member() -> impl Strategy<Value = FromMember> {
    prop_oneof![
        (sealed(), inline()).prop_map(|(commit, inline)| FromMember::Commit { commit, inline }),
        any::<u64>().prop_map(|id| FromMember::Barrier { id }),
        any::<u64>().prop_map(|sequence| FromMember::Applied { sequence: Sequence(sequence) }),
        any::<u64>().prop_map(|id| FromMember::Looked { id }),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let accept = (any::<u64>(), time(), chain());
    prop_oneof![
        accept.prop_map(|(sequence, time, chain)| Answer::Accept {
            sequence: Sequence(sequence),
            time,
            chain
        }),
        (any::<u64>(), ".{0,9}").prop_map(|(round, detail)| Answer::Reject { round: Round(round), detail }),
        vec(chunk(), 0..4).prop_map(|chunks| Answer::Missing { chunks }),
        ".{0,9}".prop_map(|reason| Answer::Wait { reason }),
        (option::of(any::<u32>()), ".{0,9}").prop_map(|(op, reason)| Answer::Refuse { op, reason }),
        Just(Answer::Forked),
        (any::<u64>(), ".{0,9}").prop_map(|(round, reason)| Answer::GiveUp { round: Round(round), reason }),
        ".{0,9}".prop_map(|reason| Answer::Held { reason }),
    ]
}

pub fn from_hub() -> impl Strategy<Value = FromHub> {
    let reasons = vec![
        RefuseReason::Unknown,
        RefuseReason::Revoked,
        RefuseReason::Invite,
        RefuseReason::Format,
        RefuseReason::Malformed,
        RefuseReason::Removed,
        RefuseReason::Replaced,
    ];
    let refused = (prop::sample::select(reasons), ".{0,9}");
    prop_oneof![
        welcome().prop_map(FromHub::Welcome),
        refused.prop_map(|(reason, detail)| FromHub::Refused { reason, detail }),
        vec((bytes(), bytes()), 0..4).prop_map(FromHub::SnapshotRows),
        Just(FromHub::SnapshotEnd),
        (entry(), inline()).prop_map(|(entry, inline)| FromHub::Entry { entry, inline }),
        (any::<u64>(), answer())
            .prop_map(|(number, answer)| FromHub::Answer { number: CommitNumber(number), answer }),
        (any::<u64>(), option::of(any::<u64>()))
            .prop_map(|(id, head)| FromHub::Barrier { id, head: head.map(Sequence) }),
        role().prop_map(FromHub::Role),
        (member_name(), role(), space_id()).prop_map(|(name, role, space)| FromHub::Enrolled {
            name,
            role,
            space,
        }),
        vec((member(), member_name()), 0..4).prop_map(FromHub::Members),
        (space_id(), option::of(any::<u64>()))
            .prop_map(|(space, head)| FromHub::Visited { space, head: head.map(Sequence) }),
        (any::<u64>(), vec((node_id(), vec(chunk(), 0..3)), 0..3))
            .prop_map(|(id, wanted)| FromHub::Wanted { id, wanted }),
        Just(FromHub::TryAgain),
        any::<Option<(u64, u64)>>().prop_map(|quota| {
            FromHub::Quota(quota.map(|(limit_bytes, used_bytes)| Quota { limit_bytes, used_bytes }))
        }),
    ]
}

pub fn content_reply() -> impl Strategy<Value = ContentReply> {
    prop_oneof![Just(ContentReply::Stored), Just(ContentReply::Full), chunk().prop_map(ContentReply::Damaged)]
}
