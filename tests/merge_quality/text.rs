//! Text by line against `git merge-file`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fl0wfs::merge::{FileType, Outcome, Versions, merge};

use crate::edits::{Case, Dice, edited, recombined};
use crate::material::{crates, files};

/// What git aligns lines by, other than its default.
const OTHER_DIFFS: [&str; 3] = ["minimal", "patience", "histogram"];
const CASES: usize = 1_200;
/// Cases made of one pair of files, so that no crate dominates.
const CASES_PER_CRATE: usize = 60;

#[test]
fn what_git_merges_comes_out_in_the_same_bytes() {
    let cases = cases();
    if cases.len() < 1_000 || Command::new("git").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: {} cases from unpacked crates (1000 are wanted), or no git", cases.len());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tally = Tally::default();
    cases.iter().for_each(|case| tally.compare(case, folder.path()));
    println!("{} cases: {tally:#?}", cases.len());
    assert_eq!(tally.different, [] as [&str; 0], "both clean, but other bytes");
    assert_eq!(tally.silent, [] as [&str; 0], "a conflict for git, but not here");
    assert!(tally.stricter.len() * 100 <= cases.len(), "at most 1 % conflicts where git has none");
    // How rarely depends on the crates that happen to be there: 0 to 3 of 1200 were seen.
    assert!(tally.git_undecided.len() * 200 <= cases.len(), "git's own diff fails rarely");
    assert!(tally.both_clean > 300 && tally.both_conflict > 100, "the cases show something");
}

/// Real successions of three versions, changes of two recombined, and texts edited on both sides.
fn cases() -> Vec<Case> {
    let mut dice = Dice(5);
    let mut cases = Vec::new();
    for versions in crates().into_values().filter(|versions| versions.len() > 1) {
        let mut made = Vec::new();
        for pair in versions.windows(2) {
            for file in files(&pair[0], &["rs", "md", "toml", "txt", "c", "h", "S"]) {
                made.extend(cases_of(&file, &versions, pair, &mut dice));
            }
        }
        while made.len() > CASES_PER_CRATE {
            made.swap_remove(dice.below(made.len()));
        }
        cases.extend(made);
    }
    while cases.len() > CASES {
        cases.swap_remove(dice.below(cases.len()));
    }
    cases
}

fn cases_of(file: &Path, versions: &[PathBuf], pair: &[PathBuf], dice: &mut Dice) -> Vec<Case> {
    let read = |folder: &Path| fs::read_to_string(folder.join(file)).ok();
    let (Some(old), Some(new)) = (read(&pair[0]), read(&pair[1])) else { return Vec::new() };
    let name = |kind: &str| format!("{kind} {}", pair[0].join(file).display());
    if old == new {
        if !dice.one_in(8) {
            return Vec::new();
        }
        let (local, remote) = (edited(&old, "here", dice), edited(&old, "there", dice));
        return vec![Case {
            name: name("edited"),
            base: old.into(),
            local: local.into(),
            remote: remote.into(),
        }];
    }
    let mut cases = vec![recombined(name("recombined"), &old, &new, dice)];
    let local = edited(&old, "here", dice);
    cases.push(Case {
        name: name("half edited"),
        base: old.clone().into(),
        local: local.into(),
        remote: new.clone().into(),
    });
    let third = versions.iter().filter(|folder| !pair.contains(folder)).find_map(|folder| read(folder));
    if let Some(third) = third.filter(|third| *third != old && *third != new) {
        cases.push(Case { name: name("real"), base: old.into(), local: new.into(), remote: third.into() });
    }
    cases
}

#[derive(Debug, Default)]
struct Tally {
    both_clean: usize,
    both_conflict: usize,
    /// A conflict here, clean for git: equal lines can be paired in two ways, and the results differ; or the two diffs
    /// put a change of repeated lines at different places, so that here it touches the other side's.
    stricter: Vec<String>,
    different: Vec<String>,
    /// Clean here, a conflict for git, which merges it to these same bytes with another of its diff algorithms: its
    /// Myers diff has missed lines that are equal. Nothing is picked; the changes do not touch.
    git_undecided: Vec<String>,
    silent: Vec<String>,
}

impl Tally {
    fn compare(&mut self, case: &Case, folder: &Path) {
        let versions = Versions { base: Some(&case.base), local: &case.local, remote: &case.remote };
        match (merge(Some(FileType::Text), versions), git(case, folder, None)) {
            (Outcome::Clean(ours), Some(theirs)) if ours == theirs => self.both_clean += 1,
            (Outcome::Clean(_), Some(_)) => self.different.push(case.name.clone()),
            (Outcome::Clean(ours), None) => {
                let agrees = |with: &str| git(case, folder, Some(with)).as_ref() == Some(&ours);
                let names = if OTHER_DIFFS.iter().any(|with| agrees(with)) {
                    &mut self.git_undecided
                } else {
                    &mut self.silent
                };
                names.push(case.name.clone());
            }
            (Outcome::Conflict(_), Some(_)) => self.stricter.push(case.name.clone()),
            (Outcome::Conflict(_), None) => self.both_conflict += 1,
        }
    }
}

/// What git makes of it, with another diff algorithm than its default if one is named; none for a conflict.
fn git(case: &Case, folder: &Path, diff: Option<&str>) -> Option<Vec<u8>> {
    let names = ["local", "base", "remote"];
    for (name, content) in names.iter().zip([&case.local, &case.base, &case.remote]) {
        fs::write(folder.join(name), content).expect("a version is written");
    }
    let mut run = Command::new("git");
    run.args(["merge-file", "-p", "-q"]).args(diff.map(|diff| format!("--diff-algorithm={diff}")));
    let run = run.args(names).current_dir(folder).output().expect("git runs");
    let code = run.status.code().expect("git ends");
    // An older git knows no other algorithm.
    assert!(code < 128 || diff.is_some(), "git merge-file: {}", String::from_utf8_lossy(&run.stderr));
    (code == 0).then_some(run.stdout)
}
