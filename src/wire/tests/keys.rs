//! Keys of rows: they read back, they sort as they should, and no bytes do harm.

use super::any;
use super::*;
use crate::model::{MemberNumber, Name, Place};
use crate::ops::Change;
use proptest::prelude::*;

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        any::node_id().prop_map(Row::Node),
        any::node_id().prop_map(Row::Tombstone),
        any::place().prop_map(Row::Name),
        (any::node_id(), any::place()).prop_map(|(id, place)| Row::Place(id, place)),
        (any::node_id(), any::member()).prop_map(|(id, member)| Row::Conflict(id, member)),
        any::node_id().prop_map(Row::Copy),
        any::node_id().prop_map(Row::Subdirectories),
    ]
}

fn key_of(row: &Row) -> Vec<u8> {
    match row {
        Row::Node(id) => RowKey::node(*id),
        Row::Tombstone(id) => RowKey::tombstone(*id),
        Row::Name(place) => RowKey::name(place.parent, &place.name),
        Row::Place(id, place) => RowKey::place(*id, place),
        Row::Conflict(id, member) => RowKey::conflict(*id, *member),
        Row::Copy(id) => RowKey::copy(*id),
        Row::Subdirectories(id) => RowKey::subdirectories(*id),
    }
}

proptest! {
    #[test]
    fn a_row_key_reads_back_and_its_tag_is_listed(row in row()) {
        let key = key_of(&row);
        prop_assert!(RowKey::TAGS.contains(&key[0]));
        prop_assert_eq!(decode_row_key(&key), Ok(row));
    }

    #[test]
    fn two_rows_have_two_keys(one in row(), other in row()) {
        prop_assert_eq!(key_of(&one) == key_of(&other), one == other);
    }

    #[test]
    fn any_bytes_are_a_row_key_of_ours_or_malformed(
        tag in prop_oneof![prop::sample::select(RowKey::TAGS.to_vec()), any::<u8>()],
        rest in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let key = [&[tag][..], &rest].concat();
        if let Ok(row) = decode_row_key(&key) {
            let expected = key_of(&row);
            // A name row's position is not judged when it is read, only its place is.
            let fits = if matches!(row, Row::Name(_)) { expected.len() == key.len() } else { expected == key };
            prop_assert!(fits, "{:?}", row);
        }
    }

    #[test]
    fn nodes_sort_by_member_and_counter(one in any::node_id(), other in any::node_id()) {
        prop_assert_eq!(one.cmp(&other), RowKey::node(one).cmp(&RowKey::node(other)));
        prop_assert_eq!(crate::model::NodeId::from_bytes(one.to_bytes()), one);
    }

    #[test]
    fn a_listing_goes_on_after_a_names_position(parent in any::node_id(), name in any::name(), other in any::name()) {
        let order = RowKey::name_order(&name);
        let key = RowKey::name(parent, &name);
        prop_assert!((4..i64::MAX as u64).contains(&order));
        prop_assert!(key.starts_with(&RowKey::names_of(parent)));
        prop_assert!(key < RowKey::names_after(parent, order));
        prop_assert!(key >= RowKey::names_after(parent, order - 1));
        let later = RowKey::name_order(&other) > order;
        prop_assert_eq!(RowKey::name(parent, &other) >= RowKey::names_after(parent, order), later);
    }

    #[test]
    fn rows_of_one_node_stand_together(id in any::node_id(), place in any::place(), member in any::member()) {
        prop_assert!(RowKey::place(id, &place).starts_with(&RowKey::places_of(id)));
        prop_assert!(RowKey::conflict(id, member).starts_with(&RowKey::conflicts_of(id)));
        prop_assert!(RowKey::conflict(id, member).starts_with(&RowKey::conflicts()));
    }

    #[test]
    fn a_change_writes_rows_whose_keys_and_values_read_back(
        id in any::node_id(), node in any::node(), tombstone in any::tombstone(), row in any::conflict_row(), place in any::place(),
    ) {
        let member = row.conflict.member;
        let changes = [
            Change::Node(id, Some(node.clone())),
            Change::Tombstone(id, Some(tombstone.clone())),
            Change::Name { place: place.clone(), was: None, now: Some(id) },
            Change::Conflict { node: id, member, was: None, now: Some(row.clone()) },
        ];
        let mut rows = Rows::new();
        changes.iter().for_each(|change| Row::encode_change(change, &mut rows));
        for (key, value) in rows {
            let value = value.expect("only new rows");
            match decode_row_key(&key).expect("a key of ours") {
                Row::Node(_) => prop_assert_eq!(decode("row", &value), Ok(node.clone())),
                Row::Tombstone(_) => prop_assert_eq!(decode("row", &value), Ok(tombstone.clone())),
                Row::Name(read) => prop_assert_eq!((read, decode("row", &value)), (place.clone(), Ok(id))),
                Row::Place(read, at) => prop_assert_eq!((read, at), (id, place.clone())),
                Row::Conflict(read, by) => {
                    prop_assert_eq!((read, by), (id, member));
                    prop_assert_eq!(decode("row", &value), Ok(row.clone()));
                }
                Row::Copy(copy) => {
                    prop_assert_eq!((Some(copy), Row::decode_copy(&value)), (row.copy, Ok((id, member))));
                }
                Row::Subdirectories(_) => prop_assert!(false, "no change counts subdirectories"),
            }
        }
    }
}

#[test]
fn a_change_removes_every_row_that_its_opposite_writes() {
    let (id, other) =
        (crate::model::NodeId::ROOT, crate::model::NodeId { member: MemberNumber(3), counter: 4 });
    let place = Place { parent: id, name: Name::new(&b"n"[..]).expect("a legal name") };
    let keys = |change: &Change| {
        let mut rows = Rows::new();
        Row::encode_change(change, &mut rows);
        rows
    };
    let gone = keys(&Change::Name { place: place.clone(), was: Some(other), now: None });
    let expected = [(RowKey::name(id, &place.name), None), (RowKey::place(other, &place), None)];
    assert_eq!(gone, expected);
    let replaced = keys(&Change::Name { place: place.clone(), was: Some(other), now: Some(id) });
    assert_eq!(replaced[1], (RowKey::place(other, &place), None));
    assert_eq!(replaced[2], (RowKey::place(id, &place), Some(Vec::new())));
}
