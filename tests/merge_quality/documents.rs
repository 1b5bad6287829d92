//! JSON and XML as they are found: what two sides edit in different places is there afterwards, and nothing else has moved.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use fl0wfs::merge::{FileType, Outcome, Versions, merge};
use roxmltree::{Document, NodeType};

use crate::edits::Dice;
use crate::material::{crates, files};

const CASES: usize = 700;

/// A span of a text, and what it becomes.
type Edit = (Range<usize>, String);

#[test]
fn edits_of_json_are_merged_and_all_other_bytes_stay() {
    let found = crates().into_values().flatten().flat_map(|folder| {
        files(&folder, &["json"]).into_iter().map(move |file| folder.join(file)).collect::<Vec<_>>()
    });
    check("JSON", found.collect(), FileType::Json, json_edits);
}

#[test]
fn edits_of_xml_are_merged_and_all_other_bytes_stay() {
    let folders =
        ["/usr/share/mime", "/usr/share/icons", "/usr/share/xml", "/usr/share/dbus-1", "/usr/share/doc"];
    let system = folders.iter().map(PathBuf::from);
    let folders: Vec<PathBuf> = crates().into_values().flatten().chain(system).collect();
    let found = folders.iter().flat_map(|folder| {
        files(folder, &["xml", "svg"]).into_iter().map(|file| folder.join(file)).collect::<Vec<_>>()
    });
    check("XML", found.collect(), FileType::Xml, xml_edits);
}

/// Deals the edits of every file to two sides, and compares the merge with all of them made at once.
fn check(name: &str, found: Vec<PathBuf>, is: FileType, edits_of: fn(&str, &mut Dice) -> Vec<Edit>) {
    let mut dice = Dice(7);
    // As they are, lines help; on one line nothing does but the paths.
    let doubled = found.into_iter().flat_map(|file| [(file.clone(), false), (file, true)]);
    let mut found: Vec<(PathBuf, bool)> = doubled.collect();
    let (mut cases, mut clean, mut other_bytes, mut conflicts) = (0, 0, Vec::new(), Vec::new());
    while cases < CASES && !found.is_empty() {
        let (file, one_line) = found.swap_remove(dice.below(found.len()));
        let Ok(mut base) = fs::read_to_string(&file) else { continue };
        if one_line {
            base = base.replace(['\r', '\n'], " ");
        }
        let mut edits = edits_of(&base, &mut dice);
        while edits.len() > 12 {
            edits.remove(dice.below(edits.len()));
        }
        let (local, remote): (Vec<Edit>, Vec<Edit>) = edits.iter().cloned().partition(|_| dice.one_in(2));
        if local.is_empty() || remote.is_empty() {
            continue;
        }
        cases += 1;
        let [local, remote, expected] = [&local, &remote, &edits].map(|edits| made(&base, edits));
        let versions =
            Versions { base: Some(base.as_bytes()), local: local.as_bytes(), remote: remote.as_bytes() };
        match merge(Some(is), versions) {
            Outcome::Clean(bytes) if bytes == expected.as_bytes() => clean += 1,
            Outcome::Clean(_) => other_bytes.push(file),
            Outcome::Conflict(unclean) => conflicts.push((file, unclean.to_string())),
        }
    }
    println!("{name}: {cases} cases, {clean} as expected, conflicts: {conflicts:#?}");
    if cases < 50 {
        return eprintln!("SKIPPED: {cases} cases of {name} on this machine, which shows nothing");
    }
    assert_eq!(other_bytes, [] as [PathBuf; 0], "merged, but not to what both made of it");
    assert!(conflicts.len() * 100 <= cases, "edits in different places conflict");
}

fn made(text: &str, edits: &[Edit]) -> String {
    let mut made = text.to_owned();
    edits.iter().rev().for_each(|(span, becomes)| made.replace_range(span.clone(), becomes));
    made
}

/// Scalars that change and members that are new, in the order of the text, where it is JSON at all.
fn json_edits(text: &str, dice: &mut Dice) -> Vec<Edit> {
    if serde_json::from_str::<serde_json::Value>(text).is_err() || !text.trim_start().starts_with(['{', '['])
    {
        return Vec::new();
    }
    let tokens = json_tokens(text);
    let mut edits = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", |next| &text[next.clone()]);
        let of_id = at > 1 && text[tokens[at - 2].clone()] == *"\"id\"";
        match &text[token.clone()] {
            // Two members put in at one place would be in an order of their own; so one per object.
            "{" if next != "}" && dice.one_in(3) => {
                let space = &text[token.end..tokens[at + 1].start];
                edits.push((token.end..token.end, format!("{space}\"new member {at}\": [{at}, null],")));
            }
            "{" | "}" | "[" | "]" | ":" | "," => {}
            _ if next == ":" || of_id => {}
            _ => edits.push((token.clone(), format!("\"changed {at}\""))),
        }
    }
    edits
}

fn json_tokens(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut tokens: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        at += 1;
        match bytes[from] {
            b'"' => {
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' => {}
            byte if byte.is_ascii_whitespace() => continue,
            _ => at += bytes[at..].iter().take_while(|byte| !b"{}[]:, \t\r\n".contains(byte)).count(),
        }
        tokens.push(from..at);
    }
    tokens
}

/// Attribute values and texts that change, and elements that are new, in the order of the text.
fn xml_edits(text: &str, dice: &mut Dice) -> Vec<Edit> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let mut edits: Vec<Edit> = Vec::new();
    for (at, node) in document.descendants().enumerate() {
        let changed = format!("changed {at}");
        match node.node_type() {
            NodeType::Element => {
                let attributes = node.attributes().filter(|attribute| !attribute.name().ends_with("id"));
                edits.extend(attributes.map(|attribute| (attribute.range_value(), changed.clone())));
                let mut children = node.children().skip_while(|child| !child.is_element());
                if let Some(first) = children.next().filter(|_| dice.one_in(3)) {
                    let lead = first.prev_sibling().map_or(first.range().start, |lead| lead.range().start);
                    let space = text[lead..first.range().start].to_owned();
                    if space.trim().is_empty() {
                        edits.push((lead..lead, format!("{space}<new at=\"{at}\"/>")));
                    }
                }
            }
            NodeType::Text if node.text().is_some_and(|text| !text.trim().is_empty()) => {
                edits.push((node.range(), changed));
            }
            _ => {}
        }
    }
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    edits.dedup_by(|next, one| next.0.start < one.0.end || next.0.start == one.0.start);
    edits
}
