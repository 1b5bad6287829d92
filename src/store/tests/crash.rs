//! Ends that nobody planned: the process killed, the log cut short.

use super::{keys, open, put};
use crate::store::StateDirectory;
use crate::sync::{Batch, Durability, Kv, Store};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set for the child alone: where it is to write.
const CHILD_DIRECTORY: &str = "FL0WFS_TEST_CRASH_DIRECTORY";

/// Not a test of its own: without the variable it has nothing to do, with it it is the process to be killed.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_DIRECTORY).map(PathBuf::from) else { return };
    let directory = StateDirectory::open(&path).unwrap();
    let store = open(&directory.database());
    for number in 0u64.. {
        let both = [b"left", b"rite"]
            .map(|side| ([side.as_slice(), &number.to_be_bytes()].concat(), Some(vec![7; 300])));
        store.commit(Batch::from(both), Durability::Process).unwrap();
        eprintln!("written {number}");
    }
}

fn kill_after(path: &Path, count: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::crash::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD_DIRECTORY, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let number = |line: String| line.strip_prefix("written ")?.parse::<u64>().ok();
    let mut numbers = lines.filter_map(number);
    let seen = numbers.find(|number| *number >= count).expect("the child writes");
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts too.
    numbers.last().unwrap_or(seen)
}

#[test]
fn what_a_killed_process_committed_is_there_whole_and_its_lock_is_free() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let path = root.path().join(round.to_string());
        let last = kill_after(&path, 50 + 400 * round);
        let directory = StateDirectory::open(&path).unwrap();
        let store = open(&directory.database());
        let (left, right) = (store.scan_prefix(b"left").count(), store.scan_prefix(b"rite").count());
        assert_eq!(left, right, "half of a commit");
        assert!(left as u64 > last, "{left} commits are left of {}", last + 1);
    }
}

/// The newest log file of a store, as a power cut would leave it: cut, and with garbage behind the cut.
fn damage_log(path: &Path, keep: impl Fn(u64) -> u64, garbage: &[u8]) {
    let logs = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let newest = logs.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes.truncate(keep(bytes.len() as u64) as usize);
    bytes.extend_from_slice(garbage);
    std::fs::write(newest, bytes).unwrap();
}

#[test]
fn a_log_that_ends_in_the_middle_gives_a_prefix() {
    for garbage in [&b""[..], &[0; 5000], &[0xa5; 5000]] {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path());
        (0..100u8).for_each(|byte| put(&store, &[byte], &[byte; 100]).unwrap());
        drop(store);
        damage_log(root.path(), |length| length / 2, garbage);
        let store = open(root.path());
        let keys = keys(&store);
        assert!((20..80).contains(&keys.len()), "{} rows", keys.len());
        assert!(keys.iter().enumerate().all(|(place, key)| key == &[place as u8]), "no prefix");
        put(&store, &[200], b"goes on").unwrap();
        drop(store);
        assert_eq!(open(root.path()).get(&[200]), Some(b"goes on".to_vec()));
    }
}
