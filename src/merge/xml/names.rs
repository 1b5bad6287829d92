//! What a path calls the children of an element.
//!
//! Invariant: no two children of a list have one name. The names are for people: nothing is found by them.

use std::collections::BTreeMap;

use crate::merge::tree::{Item, Meaning, Node};

/// The children as items of a list, each under its name, numbered where it has namesakes.
pub fn named(text: &str, children: impl Iterator<Item = Node>) -> Vec<Item> {
    let named = |node: Node| {
        let name = name(text[node.span.clone()].as_bytes());
        Item { key: name, span: node.span.clone(), node }
    };
    let mut items: Vec<Item> = children.map(named).collect();
    let mut times: BTreeMap<Meaning, (usize, usize)> = BTreeMap::new();
    for item in &items {
        times.entry(item.node.kind).or_default().0 += 1;
    }
    for item in &mut items {
        let (of, number) = times.entry(item.node.kind).or_default();
        *number += 1;
        if *of > 1 {
            item.key = format!("{}[{number}]", item.key);
        }
    }
    items
}

fn name(child: &[u8]) -> String {
    match child {
        [b'<', b'!', b'-', ..] => "comment()".to_owned(),
        [b'<', b'!', b'[', ..] => "text()".to_owned(),
        [b'<', b'!', ..] => "DOCTYPE".to_owned(),
        [b'<', b'?', ..] => "processing-instruction()".to_owned(),
        [b'<', rest @ ..] => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
            let end = rest.iter().position(ends).unwrap_or(rest.len());
            String::from_utf8_lossy(&rest[..end]).into_owned()
        }
        _ => "text()".to_owned(),
    }
}
