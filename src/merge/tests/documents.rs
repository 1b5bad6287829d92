//! What holds for all JSON and XML documents.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{merged, outcome};
use crate::merge::patch::{Verb, json_patch, xml_changes};
use crate::merge::{FileType, Outcome, Versions, merge};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..4).prop_map(Value::from),
        "[ab\"\\\\/~]{0,2}".prop_map(Value::from),
        Just(Value::Null)
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        let id = proptest::option::of(0..3);
        let object =
            (id, proptest::collection::btree_map("[a-d]", inner.clone(), 0..4)).prop_map(|(id, members)| {
                let id = id.map(|id| ("id".to_owned(), Value::from(id)));
                Value::Object(id.into_iter().chain(members).collect())
            });
        prop_oneof![proptest::collection::vec(inner, 0..5).prop_map(Value::Array), object]
    });
    value.prop_map(|value| match value {
        Value::Object(_) | Value::Array(_) => value,
        other => Value::Array(vec![other]),
    })
}

/// A document, and what someone might have made of it: a part replaced, removed or added, wherever it is.
fn edited(value: &Value, dice: &mut Vec<u8>) -> Value {
    let roll = |dice: &mut Vec<u8>| dice.pop().unwrap_or(1);
    match value {
        Value::Object(members) => {
            let mut edited = Map::new();
            for (key, value) in members {
                match roll(dice) % 8 {
                    0 => {}
                    1 => drop(edited.insert(key.clone(), Value::from(roll(dice) % 3))),
                    2 => drop(edited.insert(format!("{key}{}", roll(dice) % 3), value.clone())),
                    _ => drop(edited.insert(key.clone(), self::edited(value, dice))),
                }
            }
            Value::Object(edited)
        }
        Value::Array(elements) => {
            let mut edited = Vec::new();
            for element in elements {
                match roll(dice) % 8 {
                    0 => {}
                    1 => edited.extend([Value::from(roll(dice) % 3), element.clone()]),
                    2 => edited.push(Value::from(roll(dice) % 3)),
                    _ => edited.push(self::edited(element, dice)),
                }
            }
            Value::Array(edited)
        }
        leaf => leaf.clone(),
    }
}

fn text(value: &Value, pretty: bool) -> String {
    if pretty { format!("{value:#}\n") } else { value.to_string() }
}

/// What a patch makes of a document, by another hand than the one that made the patch.
fn patched(document: &Value, old: &str, new: &str) -> Value {
    let mut document = document.clone();
    for operation in json_patch(old.as_bytes(), new.as_bytes()).expect("both are JSON") {
        let value =
            operation.value.map(|value| serde_json::from_str::<Value>(&value).expect("a value is JSON"));
        let Some((parent, last)) = operation.path.rsplit_once('/') else {
            document = value.expect("the whole document is replaced");
            continue;
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        match (document.pointer_mut(parent).expect("the path is there"), operation.verb) {
            (Value::Object(members), Verb::Add) => {
                assert!(members.insert(last, value.unwrap()).is_none(), "what is added is new");
            }
            (Value::Object(members), Verb::Replace) => {
                assert!(members.insert(last, value.unwrap()).is_some(), "what is replaced is there");
            }
            (Value::Object(members), Verb::Remove) => assert!(members.shift_remove(&last).is_some()),
            (Value::Array(elements), Verb::Add) => elements.insert(last.parse().unwrap(), value.unwrap()),
            (Value::Array(elements), Verb::Replace) => {
                elements[last.parse::<usize>().unwrap()] = value.unwrap()
            }
            (Value::Array(elements), Verb::Remove) => drop(elements.remove(last.parse().unwrap())),
            (other, _) => panic!("a path through {other}"),
        }
    }
    document
}

fn any_xml() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("<e/>".to_owned()),
        Just("<f></f>".to_owned()),
        Just("<!-- c -->".to_owned()),
        "<a x='[01]'>[uv &lt;]{0,3}</a>".prop_map(|text| text.replace('&', "&amp;")),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        (proptest::collection::vec(inner, 0..4), 0..4u8, any::<bool>()).prop_map(
            |(children, attributes, spaced)| {
                let space = if spaced { "\n  " } else { "" };
                let x = if attributes & 1 > 0 { " x='1'" } else { "" };
                let id = if attributes & 2 > 0 { " id=\"i\"" } else { "" };
                format!("<l{x}{id}>{space}{}{space}</l>", children.join(space))
            },
        )
    })
    .prop_map(|inner| format!("<root>{inner}</root>"))
}

/// A text with parts of it replaced, which may leave it well formed or not.
fn rewritten(text: &str, dice: &[u8]) -> String {
    let swaps = [
        ("x='1'", "x='2'"),
        ("<e/>", "<g/>"),
        ("<e/>", ""),
        ("<f></f>", "<f></f><h/>"),
        (" id=\"i\"", ""),
        ("<l", "<m/><l"),
    ];
    let mut text = text.to_owned();
    for die in dice {
        let (from, to) = swaps[*die as usize % swaps.len()];
        let nth = *die as usize / swaps.len() % 4;
        if let Some((at, _)) = text.match_indices(from).nth(nth) {
            text.replace_range(at..at + from.len(), to);
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn json_merges_swap_and_stay_json(
        base in any_json(),
        dice in proptest::collection::vec(any::<u8>(), 0..24),
        other_dice in proptest::collection::vec(any::<u8>(), 0..24),
        pretty in any::<[bool; 3]>(),
    ) {
        let (local, remote) = (edited(&base, &mut dice.clone()), edited(&base, &mut other_dice.clone()));
        let [base, local, remote] = [(&base, pretty[0]), (&local, pretty[1]), (&remote, pretty[2])].map(|(v, p)| text(v, p));
        let (one, other) = (merged(&base, &local, &remote), merged(&base, &remote, &local));
        prop_assert_eq!(one.is_ok(), other.is_ok(), "{:?} {:?}", one, other);
        if let (Ok(one), Ok(other)) = (one, other) {
            let value = serde_json::from_str::<Value>(&one);
            prop_assert!(value.is_ok(), "{}", one);
            prop_assert_eq!(value.unwrap(), serde_json::from_str::<Value>(&other).unwrap());
        }
    }

    #[test]
    fn disjoint_edits_of_json_are_both_made(
        base in any_json(),
        dice in proptest::collection::vec(any::<u8>(), 0..24),
        other_dice in proptest::collection::vec(any::<u8>(), 0..24),
        pretty in any::<bool>(),
    ) {
        let sides = |left: Value, right: Value| serde_json::json!({"left": {"in": left}, "right": right});
        let (left, right) = (edited(&base, &mut dice.clone()), edited(&base, &mut other_dice.clone()));
        let local = text(&sides(left.clone(), base.clone()), pretty);
        let remote = text(&sides(base.clone(), right.clone()), pretty);
        let expected = text(&sides(left, right), pretty);
        prop_assert_eq!(merged(&text(&sides(base.clone(), base), pretty), &local, &remote), Ok(expected));
    }

    #[test]
    fn a_json_patch_leads_from_old_to_new(
        old in any_json(), dice in proptest::collection::vec(any::<u8>(), 0..24), other in any_json()
    ) {
        for new in [edited(&old, &mut dice.clone()), other] {
            prop_assert_eq!(patched(&old, &text(&old, false), &text(&new, true)), new);
        }
    }

    #[test]
    fn xml_merges_swap_and_stay_well_formed(
        base in any_xml(),
        dice in proptest::collection::vec(any::<u8>(), 0..6),
        other_dice in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let (local, remote) = (rewritten(&base, &dice), rewritten(&base, &other_dice));
        for (base, local, remote) in [(&base, &local, &remote), (&local, &remote, &base)] {
            let (one, other) = (merged(base, local, remote), merged(base, remote, local));
            prop_assert_eq!(one.is_ok(), other.is_ok(), "{:?} {:?}", one, other);
            let all_well_formed = [base, local, remote].iter().all(|text| roxmltree::Document::parse(text).is_ok());
            if let (Ok(one), Ok(_), true) = (one, other, all_well_formed) {
                prop_assert!(roxmltree::Document::parse(&one).is_ok(), "{}", one);
            }
        }
        xml_changes(base.as_bytes(), local.as_bytes());
    }

    #[test]
    fn disjoint_edits_of_xml_are_both_made(
        base in any_xml(),
        dice in proptest::collection::vec(any::<u8>(), 0..6),
        other_dice in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let sides = |left: &str, right: &str| format!("<both><left>{left}</left><right>{right}</right></both>");
        let (left, right) = (rewritten(&base, &dice), rewritten(&base, &other_dice));
        let result = merged(&sides(&base, &base), &sides(&left, &base), &sides(&base, &right));
        let changes = xml_changes(result.expect("no conflict").as_bytes(), sides(&left, &right).as_bytes());
        prop_assert_eq!(changes, Some(vec![]));
    }

    #[test]
    fn documents_cut_anywhere_do_not_panic(base in any_json(), xml in any_xml(), cut in 0usize..60) {
        for text in [text(&base, true), xml] {
            let cut = &text.as_bytes()[..cut.min(text.len())];
            let versions = Versions { base: Some(text.as_bytes()), local: cut, remote: b"<root/>" };
            for given in [None, Some(FileType::Json), Some(FileType::Xml)] {
                merge(given, versions);
            }
        }
    }
}

#[test]
fn deep_documents_need_no_stack() {
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000))
    };
    for (open, close, inner) in
        [("[", "]", ["1", "2", "3"]), ("{\"a\":", "}", ["1", "2", "3"]), ("<a>", "</a>", ["x", "y", "z"])]
    {
        let [base, local, remote] = inner.map(|inner| nested(open, inner, close));
        assert!(matches!(outcome(None, &base, &local, &remote), Outcome::Conflict(_)));
    }
}

#[test]
fn entities_do_not_explode() {
    let mut bomb = String::from("<!DOCTYPE l [<!ENTITY e0 \"lol\">");
    (1..30).for_each(|at| bomb += &format!("<!ENTITY e{at} \"&e{0};&e{0};&e{0};&e{0};\">", at - 1));
    bomb += "]><l>&e29;</l>";
    assert!(matches!(outcome(None, &bomb, &format!("{bomb}\n"), &format!("{bomb} ")), Outcome::Conflict(_)));
}
