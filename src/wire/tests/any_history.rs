//! Arbitrary questions about content and history, and their answers.

use super::any::{bytes, chunk, entry, manifest, member, member_name, node_id, origin, time, version};
use crate::model::*;
use crate::wire::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub fn content_request() -> impl Strategy<Value = ContentRequest> {
    let chunks = || vec(chunk(), 0..4);
    let sequence = || option::of(any::<u64>().prop_map(Sequence));
    let of = prop_oneof![
        bytes().prop_map(HistoryOf::Path),
        node_id().prop_map(HistoryOf::Node),
        Just(HistoryOf::Space),
    ];
    prop_oneof![
        chunks().prop_map(ContentRequest::Get),
        chunks().prop_map(ContentRequest::Put),
        (of, option::of(op_place()), any::<u32>()).prop_map(|(of, before, limit)| ContentRequest::History {
            of,
            before,
            limit
        }),
        (option::of(op_place()), any::<u32>())
            .prop_map(|(after, limit)| ContentRequest::Since { after, limit }),
        (bytes(), sequence()).prop_map(|(path, before)| ContentRequest::Holders { path, before }),
        (sequence(), any::<u32>()).prop_map(|(after, limit)| ContentRequest::Log { after, limit }),
        time().prop_map(ContentRequest::SequenceAt),
        (node_id(), version()).prop_map(|(node, version)| ContentRequest::VersionOf { node, version }),
    ]
}

fn op_place() -> impl Strategy<Value = OpPlace> {
    any::<(u64, u32)>().prop_map(|(sequence, op)| OpPlace { sequence: Sequence(sequence), op })
}

fn history_record() -> impl Strategy<Value = HistoryRecord> {
    use HistoryOperation::*;
    let operation = prop::sample::select(vec![
        Made, Changed, Merged, Restored, Attributes, Linked, Renamed, Removed, Conflict,
    ]);
    let who = (op_place(), node_id(), member(), member_name(), time());
    let what =
        (operation, bytes(), option::of(bytes()), option::of(manifest()), version(), option::of(origin()));
    (who, what).prop_map(
        |((at, node, member, name, time), (operation, path, from, manifest, version, came_from))| {
            HistoryRecord {
                at,
                node,
                member,
                name,
                time,
                operation,
                path,
                from,
                manifest,
                version,
                came_from,
            }
        },
    )
}

pub fn history_page() -> impl Strategy<Value = HistoryPage> {
    (vec(history_record(), 0..4), any::<bool>()).prop_map(|(records, more)| HistoryPage { records, more })
}

pub fn holder_page() -> impl Strategy<Value = HolderPage> {
    let successor = (node_id(), version()).prop_map(|(node, version)| Successor { node, version });
    let holder = (node_id(), option::of(any::<u64>()), option::of(successor));
    let holder =
        holder.prop_map(|(node, until, successor)| Holder { node, until: until.map(Sequence), successor });
    (vec(holder, 0..4), any::<bool>()).prop_map(|(holders, more)| HolderPage { holders, more })
}

pub fn log_page() -> impl Strategy<Value = LogPage> {
    (vec(entry(), 0..4), any::<bool>()).prop_map(|(entries, more)| LogPage { entries, more })
}
