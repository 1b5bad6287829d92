//! What is encoded reads back, whole and alone; what is not an encoding is refused.

use super::*;
use super::{any, any_history};
use crate::model::{Node, Tombstone};
use crate::ops::ConflictRow;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

type Outcome = Result<(), TestCaseError>;

/// Reads back what was written; refuses it cut short or with more behind it.
fn check_reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, cut: Index) -> Outcome {
    let bytes = encode(value);
    let read = decode::<T>("value", &bytes);
    prop_assert_eq!(read.as_ref(), Ok(value));
    prop_assert!(decode::<T>("value", &bytes[..cut.index(bytes.len())]).is_err());
    let longer = [&bytes[..], b"x"].concat();
    prop_assert!(decode::<T>("value", &longer).is_err());
    let (first, rest) =
        decode_rest::<T>("value", &longer).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!((&first, rest), (value, &b"x"[..]));
    Ok(())
}

/// A damaged encoding gives an error, or another value that reads back itself.
fn check_survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Outcome {
    if let Ok((value, rest)) = decode_rest::<T>("value", bytes) {
        prop_assert!(rest.len() <= bytes.len());
        let again = decode::<T>("value", &encode(&value));
        prop_assert_eq!(again, Ok(value));
    }
    Ok(())
}

fn check_all_survive(bytes: &[u8]) -> Outcome {
    check_survives::<Opening>(bytes)?;
    check_survives::<FromMember>(bytes)?;
    check_survives::<FromHub>(bytes)?;
    check_survives::<ContentRequest>(bytes)?;
    check_survives::<ContentReply>(bytes)?;
    check_survives::<HistoryPage>(bytes)?;
    check_survives::<HolderPage>(bytes)?;
    check_survives::<LogPage>(bytes)?;
    check_survives::<LogEntry>(bytes)?;
    check_survives::<SealedCommit>(bytes)?;
    check_survives::<Node>(bytes)?;
    check_survives::<Tombstone>(bytes)?;
    check_survives::<ConflictRow>(bytes)
}

/// Bytes of a real message with a few of them changed.
fn damaged(mut bytes: Vec<u8>, damage: &[(Index, u8)]) -> Vec<u8> {
    for (at, byte) in damage {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

proptest! {
    #[test]
    fn messages_of_a_member_read_back(opening in any::opening(), message in any::from_member(), cut: Index) {
        check_reads_back(&opening, cut)?;
        check_reads_back(&message, cut)?;
    }

    #[test]
    fn messages_of_a_hub_read_back(message in any::from_hub(), cut: Index) {
        check_reads_back(&message, cut)?;
    }

    #[test]
    fn messages_about_content_read_back(request in any_history::content_request(), reply in any::content_reply(), cut: Index) {
        check_reads_back(&request, cut)?;
        check_reads_back(&reply, cut)?;
    }

    #[test]
    fn pages_of_history_read_back(
        history in any_history::history_page(), holders in any_history::holder_page(), log in any_history::log_page(), cut: Index,
    ) {
        check_reads_back(&history, cut)?;
        check_reads_back(&holders, cut)?;
        check_reads_back(&log, cut)?;
    }

    #[test]
    fn records_read_back(sealed in any::sealed(), entry in any::entry(), cut: Index) {
        check_reads_back(&sealed, cut)?;
        check_reads_back(&entry, cut)?;
    }

    #[test]
    fn rows_read_back(node in any::node(), tombstone in any::tombstone(), row in any::conflict_row(), cut: Index) {
        check_reads_back(&node, cut)?;
        check_reads_back(&tombstone, cut)?;
        check_reads_back(&row, cut)?;
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_all_survive(&bytes)?;
    }

    #[test]
    fn small_numbers_which_look_like_tags_are_survived(bytes in prop::collection::vec(0u8..6, 0..300)) {
        check_all_survive(&bytes)?;
    }

    #[test]
    fn damaged_messages_are_survived(
        commit in any::from_member(), entry in any::from_hub(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        check_survives::<FromMember>(&damaged(encode(&commit), &damage))?;
        check_survives::<FromHub>(&damaged(encode(&entry), &damage))?;
    }

    #[test]
    fn any_change_of_a_commit_or_an_entry_changes_its_hash(one in any::entry(), other in any::entry()) {
        let chain = |entry: &LogEntry| chain_next(entry.chain, entry.sequence, entry.member, entry.number, entry.time, &entry.ops);
        let digest = |entry: &LogEntry| commit_digest(&Commit { number: entry.number, ops: entry.ops.clone() });
        prop_assert_eq!(chain(&one), chain(&one.clone()));
        prop_assert_eq!(digest(&one), digest(&one.clone()));
        prop_assert_eq!(chain(&one) == chain(&other), one == other);
        let same = one.number == other.number && one.ops == other.ops;
        prop_assert_eq!(digest(&one) == digest(&other), same);
        let later = LogEntry { sequence: crate::model::Sequence(one.sequence.0 ^ 1), ..one.clone() };
        prop_assert_ne!(chain(&one), chain(&later));
    }
}
