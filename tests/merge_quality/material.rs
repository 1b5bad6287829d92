//! Where the real material comes from: cargo's unpacked sources, and files of the system.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The largest file taken; larger ones are rare and slow.
const FILE_BYTES_MAX: u64 = 200_000;

/// The unpacked crates, each with the folders of its versions, oldest first.
pub fn crates() -> BTreeMap<String, Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut crates: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for registry in home.into_iter().flat_map(|home| entries(&home.join("registry/src"))) {
        for folder in entries(&registry) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let version_at = name.match_indices('-').map(|(at, _)| at + 1);
            let version_at =
                version_at.into_iter().find(|at| name[*at..].starts_with(|c: char| c.is_ascii_digit()));
            if let Some(at) = version_at {
                crates.entry(name[..at - 1].to_owned()).or_default().push(folder);
            }
        }
    }
    crates.values_mut().for_each(|versions| versions.sort_by_key(|folder| numbers(folder)));
    crates
}

fn numbers(folder: &Path) -> Vec<u64> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split(['-', '.', '+']).filter_map(|part| part.parse().ok()).collect()
}

/// What a folder holds, in the order of names; nothing if it cannot be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    found
}

/// All files below a folder whose name ends with one of these, as paths from there.
pub fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in entries(&next) {
            let Ok(about) = fs::symlink_metadata(&path) else { continue };
            let fits =
                path.extension().is_some_and(|extension| extensions.iter().any(|fit| extension == *fit));
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() && fits && about.len() <= FILE_BYTES_MAX {
                found.extend(path.strip_prefix(folder).map(Path::to_owned));
            }
        }
    }
    found.sort();
    found
}
