//! Contents: small documents of which two edits often merge, and bytes of which none do.

use crate::chance::Chance;
use fl0wfs::model::Name;

const WORDS: [&str; 8] = ["red", "green", "blue", "one", "two", "three", "north", "south"];
const KEYS: [&str; 6] = ["size", "color", "name", "depth", "owner", "state"];
/// Too long to ride inside its op, in bytes.
const LONG: usize = 70_000;

fn word(chance: &mut Chance) -> &'static str {
    WORDS[chance.below(WORDS.len())]
}

/// A whole content for a file of that name.
pub fn fresh(chance: &mut Chance, name: &Name) -> Vec<u8> {
    match (chance.below(40), name.as_bytes()) {
        (0..=1, _) => Vec::new(),
        (2, _) => {
            let mut long = vec![7; LONG];
            long[..8].copy_from_slice(&(chance.next() % 20).to_le_bytes());
            long
        }
        (3..=4, _) => vec![0, 159, chance.below(30) as u8],
        (_, name) if name.ends_with(b".json") => json(chance),
        (_, name) if name.ends_with(b".xml") => xml(chance),
        _ => (0..3 + chance.below(6))
            .map(|line| format!("{line} {}\n", word(chance)))
            .collect::<String>()
            .into(),
    }
}

fn json(chance: &mut Chance) -> Vec<u8> {
    let members =
        KEYS.iter().take(3 + chance.below(4)).map(|key| format!("  \"{key}\": \"{}\"", word(chance)));
    format!("{{\n{}\n}}\n", members.collect::<Vec<_>>().join(",\n")).into_bytes()
}

fn xml(chance: &mut Chance) -> Vec<u8> {
    let items =
        KEYS.iter().take(3 + chance.below(4)).map(|key| format!("  <{key}>{}</{key}>\n", word(chance)));
    format!("<list>\n{}</list>\n", items.collect::<String>()).into_bytes()
}

/// The content with a small change somewhere.
pub fn edited(chance: &mut Chance, name: &Name, before: &[u8]) -> Vec<u8> {
    let Some(text) = std::str::from_utf8(before).ok().filter(|text| text.lines().count() > 2) else {
        return fresh(chance, name);
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = 1 + chance.below(lines.len() - 2);
    let line = &lines[at];
    let old = WORDS.iter().find(|word| line.contains(**word));
    match (old, chance.below(6)) {
        (_, 0) if !text.starts_with(['{', '<']) => drop(lines.remove(at)),
        (_, 1) if !text.starts_with(['{', '<']) => lines.insert(at, format!("+ {}", word(chance))),
        (Some(old), _) => lines[at] = line.replacen(old, word(chance), 1),
        (None, _) => return fresh(chance, name),
    }
    lines.join("\n").into_bytes().into_iter().chain(*b"\n").collect()
}

/// The content with something added at its end.
pub fn appended(chance: &mut Chance, before: &[u8]) -> Vec<u8> {
    [before, format!("more {}\n", word(chance)).as_bytes()].concat()
}
