//! The shape of the sources, kept by a machine: layers, lengths, headers, leftovers.
//!
//! Reads the files under `src` and `mount-helper/src` as text. What it takes for a path or a function is what
//! rustfmt leaves standing, so a clever spelling could slip through; nobody writes one by accident.

#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the lowest up: a module may use what stands in lower ones, and nothing beside it or above.
const LAYERS: [&[&str]; 9] = [
    &["model"],
    &["content", "ops"],
    &["wire", "merge"],
    &["rebase"],
    &["sync"],
    &["vfs"],
    &["fuse", "net", "store"],
    &["member", "hub"],
    &["cli"],
];
/// The highest layer without clock, socket, disk, thread and randomness: `sync`.
const BELOW_THE_LINE: usize = 4;

const LINES_MAX: usize = 400;
/// Files that may be longer, and how long.
const LONGER_FILES: [(&str, usize); 1] = [("src/fuse/adapter.rs", 680)];
const FUNCTION_LINES_MAX: usize = 70;
const LEFTOVERS: [&str; 6] = ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX", "#[ignore"];
const NOT_MODULE_NAMES: [&str; 5] = ["util", "utils", "common", "helpers", "types"];
const EDGES: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::thread",
    "tokio",
    "rocksdb",
    "fuser",
    "quinn",
    "getrandom",
    "rand",
    "rustix",
];
/// Crates that stand behind one module.
const HOMES: [(&str, &str); 4] =
    [("bincode", "wire"), ("rocksdb", "store"), ("fuser", "fuse"), ("quinn", "net")];

struct Source {
    /// From the repository's root, as in `src/ops/apply.rs`.
    path: String,
    text: String,
    /// The text without comments and literals, line by line as it was.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: code_of(text) }
    }

    /// The names of the modules down to this file, as in `ops`, `apply`.
    fn modules(&self) -> Vec<&str> {
        let inside = self.path.split_once("src/").map_or("", |(_, inside)| inside);
        let stem = inside.strip_suffix(".rs").unwrap_or(inside);
        stem.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main")).collect()
    }

    /// The module of the product's crate that the file belongs to; none for its root and for the mount helper.
    fn module(&self) -> Option<&str> {
        if self.path.starts_with("src/") { self.modules().first().copied() } else { None }
    }

    fn is_test(&self) -> bool {
        self.modules().contains(&"tests")
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "mount-helper/src"].iter().for_each(|folder| gather(&root.join(folder), &mut files));
    assert!(files.len() > 20, "the sources are where they are looked for");
    files.sort();
    let read = |file: &PathBuf| {
        let path = file.strip_prefix(root).expect("a file below the root").to_string_lossy().into_owned();
        Source::new(&path, &fs::read_to_string(file).expect("a source reads"))
    };
    files.iter().map(read).collect()
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder lists") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Blanks out comments, strings and characters; lines stay where they were.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_length(rest, code.chars().next_back());
        let taken = if skipped > 0 { skipped } else { first.len_utf8() };
        let (now, later) = rest.split_at(taken);
        if skipped == 0 {
            code.push_str(now);
        } else {
            code.push(' ');
            code.extend(now.chars().filter(|char| *char == '\n'));
        }
        rest = later;
    }
    code
}

/// The length of the comment, string or character that `rest` begins with; 0 if it begins with none.
fn literal_length(rest: &str, before: Option<char>) -> usize {
    let until =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    let in_word = before.is_some_and(|char| char.is_alphanumeric() || char == '_');
    let raw = rest.strip_prefix("br").or(rest.strip_prefix('r')).filter(|_| !in_word);
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let open = rest.len() - raw.len() + hashes + 1;
            return until(open, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    // A quote is a character only where another one closes it; else it begins a lifetime.
    let chars: Vec<char> = rest.chars().take(3).collect();
    match chars.as_slice() {
        ['\'', '\\', _] | ['\'', _, '\''] => quoted_length(rest, '\''),
        _ => 0,
    }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Every path in the code, with the groups of its imports written out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut outer: Vec<String> = Vec::new();
    let mut path = String::new();
    for token in tokens(code) {
        match token.as_str() {
            "::" => path.push_str("::"),
            "{" if path.ends_with("::") => outer.push(std::mem::take(&mut path)),
            word if word.starts_with(|char: char| char.is_alphanumeric() || char == '_') => {
                if !path.ends_with("::") {
                    finish(&mut path, &outer, &mut found);
                }
                path.push_str(word);
            }
            other => {
                finish(&mut path, &outer, &mut found);
                if other == "}" {
                    outer.pop();
                } else if other == "{" && !outer.is_empty() {
                    outer.push(String::new());
                }
            }
        }
    }
    finish(&mut path, &outer, &mut found);
    found
}

fn finish(path: &mut String, outer: &[String], found: &mut Vec<String>) {
    let path = std::mem::take(path);
    if !path.is_empty() {
        found.push(format!("{}{path}", outer.concat()).trim_start_matches("::").to_owned());
    }
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(first) = chars.next() {
        let mut token = first.to_string();
        if first.is_alphanumeric() || first == '_' {
            while let Some(next) = chars.next_if(|char| char.is_alphanumeric() || *char == '_') {
                token.push(next);
            }
        } else if first == ':' && chars.next_if_eq(&':').is_some() {
            token.push(':');
        }
        if !first.is_whitespace() {
            tokens.push(token);
        }
    }
    tokens
}

/// The modules of this crate that a source uses, by `crate::` or by as many `super::` as lead to the root.
fn modules_used(source: &Source) -> Vec<String> {
    let depth = source.modules().len();
    let used = |path: &String| {
        let mut segments: Vec<&str> = path.split("::").collect();
        let supers = segments.iter().take_while(|segment| **segment == "super").count();
        if supers > 0 && supers == depth {
            segments.drain(..supers - 1);
            segments[0] = "crate";
        }
        let module = segments.get(1).filter(|_| matches!(segments[0], "crate" | "fl0wfs"));
        module.filter(|module| layer_of(module).is_some()).map(|module| (*module).to_owned())
    };
    paths(&source.code).iter().filter_map(used).collect()
}

fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// First line and number of lines of every function. Formatted code closes a body under its beginning.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let begun = (0..lines.len()).filter(|at| begins_function(lines[*at]));
    begun.map(|at| (at + 1, function_length(&lines[at..]))).collect()
}

fn begins_function(line: &str) -> bool {
    let qualifies =
        |word: &&str| word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(word);
    line.split_whitespace().find(|word| !qualifies(word) && !word.ends_with(')')) == Some("fn")
}

fn function_length(lines: &[&str]) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let closes = |line: &&str| indent(line) == indent(lines[0]) && line.trim_end().ends_with(['}', ';']);
    lines.iter().position(closes).map_or(lines.len(), |last| last + 1)
}

/// Runs a rule over all sources and fails with everything it found.
fn check(rule: impl Fn(&Source) -> Vec<String>) {
    let faults: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn arrows_up(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some(layer) = layer_of(module) else {
        return vec![format!("{}: module {module} has no layer", source.path)];
    };
    let used: BTreeSet<String> = modules_used(source).into_iter().collect();
    let points_up = |other: &&String| *other != module && layer_of(other).is_some_and(|other| other >= layer);
    let faults = used.iter().filter(points_up);
    faults.map(|other| format!("{}: {module} must not use {other}", source.path)).collect()
}

fn edges_used(source: &Source) -> Vec<String> {
    let module = source.module().unwrap_or_default();
    let pure = layer_of(module).is_some_and(|layer| layer <= BELOW_THE_LINE);
    let mut faults = Vec::new();
    for path in paths(&source.code).iter().filter(|path| path.contains("::")) {
        let edge = EDGES.iter().any(|edge| is_within(path, edge));
        let clock = is_within(path, "std::time") && !is_within(path, "std::time::Duration");
        if pure && (edge || clock) {
            faults.push(format!("{}: {path} is above the line", source.path));
        }
        for (name, home) in HOMES.iter().filter(|(name, home)| is_within(path, name) && module != *home) {
            faults.push(format!("{}: {name} belongs in {home}", source.path));
        }
    }
    faults
}

fn too_long_files(source: &Source) -> Vec<String> {
    let longer = LONGER_FILES.iter().find(|(path, _)| *path == source.path);
    let (lines, lines_max) = (source.text.lines().count(), longer.map_or(LINES_MAX, |(_, lines)| *lines));
    let fault = || format!("{}: {lines} lines, {lines_max} at most", source.path);
    (lines > lines_max).then(fault).into_iter().collect()
}

fn too_long_functions(source: &Source) -> Vec<String> {
    let long = functions(&source.code).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
    let faults = long.filter(|_| !source.is_test());
    faults.map(|(at, lines)| format!("{}:{at}: a function of {lines} lines", source.path)).collect()
}

fn missing_headers(source: &Source) -> Vec<String> {
    let fault = || format!("{}: does not begin with a //! header", source.path);
    (!source.text.starts_with("//! ")).then(fault).into_iter().collect()
}

fn leftovers(source: &Source) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    let left = lines.flat_map(|(at, line)| {
        LEFTOVERS.iter().filter(|left| line.contains(**left)).map(move |left| (at + 1, *left))
    });
    left.map(|(at, left)| format!("{}:{at}: {left}", source.path)).collect()
}

fn vague_names(source: &Source) -> Vec<String> {
    let vague = NOT_MODULE_NAMES.iter().filter(|name| source.modules().contains(name));
    vague.map(|name| format!("{}: {name} says nothing", source.path)).collect()
}

#[test]
fn dependencies_point_down() {
    check(arrows_up);
}

#[test]
fn edges_stay_above_the_line_and_crates_in_their_homes() {
    check(edges_used);
}

#[test]
fn files_and_functions_are_short() {
    check(too_long_files);
    check(too_long_functions);
}

#[test]
fn every_file_says_what_it_is_and_so_does_its_name() {
    check(missing_headers);
    check(vague_names);
}

#[test]
fn nothing_is_left_over() {
    check(leftovers);
}

/// A rule that finds nothing anywhere might be blind: each is shown something to find, and something to leave.
#[test]
fn every_rule_finds_what_it_is_for() {
    type Case<'a> = (fn(&Source) -> Vec<String>, &'a str, &'a str, usize);
    let (file, longer_file) = ("x\n".repeat(401), "x\n".repeat(650));
    let long = |lines: usize| format!("pub fn f(\n    a: u8,\n) {{\n{}}}\n", "    a;\n".repeat(lines - 4));
    let (allowed, longer, test) = (long(70), long(71), long(200));
    let unused = "// crate::wire\nuse crate::{model, ops::X}; const S: &str = \"crate::cli\";";
    let cases: Vec<Case> = vec![
        (arrows_up, "src/ops/a.rs", "use crate::{model::X, sync::{Y, Z}};", 1),
        (arrows_up, "src/ops/a.rs", "fn f() { crate::content::g() }", 1),
        (arrows_up, "src/ops/a.rs", "use super::super::wire::X;", 1),
        (arrows_up, "src/ops/mod.rs", "use super::wire::X;", 1),
        (arrows_up, "src/ops/a.rs", unused, 0),
        (arrows_up, "src/net/a.rs", "use crate::store::X;", 1),
        (arrows_up, "src/other/a.rs", "", 1),
        (edges_used, "src/sync/a.rs", "use std::{cell, fs, time::{Duration, Instant}};", 2),
        (edges_used, "src/vfs/a.rs", "use std::{fs, time::Instant};", 0),
        (edges_used, "src/net/a.rs", "fn f() { bincode::x(); rocksdb::y(); quinn::z() }", 2),
        (too_long_files, "src/ops/a.rs", &file, 1),
        (too_long_files, "src/fuse/adapter.rs", &longer_file, 0),
        (too_long_functions, "src/ops/a.rs", &longer, 1),
        (too_long_functions, "src/ops/a.rs", &allowed, 0),
        (too_long_functions, "src/ops/tests.rs", &test, 0),
        (missing_headers, "src/ops/a.rs", "use x;", 1),
        (leftovers, "src/ops/a.rs", "fn f() { todo!() } // FIXME", 2),
        (vague_names, "src/ops/util/a.rs", "", 1),
    ];
    for (rule, path, text, faults) in cases {
        let found = rule(&Source::new(path, text));
        assert_eq!(found.len(), faults, "{path}: {text}: {found:?}");
    }
}

#[test]
fn comments_and_literals_are_not_code() {
    let cases = [
        ("a /* b */ c // d", "a c"),
        (r##"x("a\"b", r#"c"d"#, br"e", 'f', '\'', b'"') y"##, "x( , , , , , b ) y"),
        ("fn f<'a>(x: &'a str) -> for<'b> g", "fn f<'a>(x: &'a str) -> for<'b> g"),
    ];
    for (text, code) in cases {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&code_of(text)), words(code), "{text}");
    }
}
