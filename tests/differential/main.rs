//! The same random calls on a plain directory and on a mount: results and trees must be equal.

#![allow(clippy::disallowed_methods, reason = "a test of real mounts: files, threads and clocks belong here")]

mod calls;
#[path = "../mounted/mod.rs"]
mod mounted;
mod side;
mod user;

use calls::{Call, Dice};
use fl0wfs::fuse::Passthrough;
use fl0wfs::model::MemberNumber;
use fl0wfs::ops::{MemoryTree, Op, Tree, TreeMut, apply};
use fl0wfs::sync::Kv;
use fl0wfs::vfs::OwnList;
use fl0wfs::wire::decode;
use mounted::Mounted;
use side::Side;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use user::as_user;

/// Where nobody asks for another number, by the environment variable `SEEDS`.
const SEEDS: u64 = 24;
const CALLS: usize = 1500;

/// Calls that a mount that ignores some of the names answers in another way than a plain directory: files have ignored
/// names or others, but not both; and what is ignored changes no mtime that others see.
fn crosses(call: &Call) -> bool {
    matches!(call, Call::Link(..) | Call::SetTimes(..) | Call::Rename(_, _, 1))
}

fn run(seed: u64, mount: &Path, plain: &Path, leaves_out: impl Fn(&Call) -> bool) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut sides = [Side::new(mount.to_path_buf()), Side::new(plain.to_path_buf())];
    let mut history = Vec::new();
    let is_root = rustix::process::geteuid().is_root();
    for number in 0..CALLS {
        let call = Call::random(&mut dice);
        let by_user = is_root && dice.below(3) == 0;
        let needs_root = matches!(call, Call::Chown(..) | Call::MakeSpecial(_, _, 2) | Call::Rename(_, _, 2));
        // ext4 tells reserved room as data once somebody has read it, as a capture does.
        let skipped = if seed.is_multiple_of(2) {
            matches!(call, Call::Allocate(..))
        } else {
            matches!(call, Call::SeekData(..) | Call::SeekHole(..))
        };
        if skipped || leaves_out(&call) || (needs_root && !is_root) {
            continue;
        }
        let [ours, theirs] = sides.each_mut().map(|side| match by_user {
            true => as_user(|| side.make(&call, number)),
            false => side.make(&call, number),
        });
        let who = if by_user { "user" } else { "root" };
        history.push(format!("{number} {who} {call:?}: {theirs:?}"));
        let recent = &history[history.len().saturating_sub(60)..];
        assert_eq!(ours, theirs, "seed {seed}, left is the mount, after {recent:#?}");
    }
    sides.iter_mut().for_each(|side| side.open.clear());
    let [ours, theirs] = sides.each_ref().map(Side::tree);
    assert_eq!(ours, theirs, "seed {seed}, left is the mount");
}

fn seeds() -> u64 {
    std::env::var("SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("SEEDS is a number"))
}

fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
}

/// What the hub would make of the journal must be what the mount shows.
fn journal_makes_the_view(mounted: &Mounted) {
    let replica = mounted.volume.replica();
    let mut tree = MemoryTree::default();
    for (number, (_, value)) in replica.store().scan_prefix(b"J").enumerate() {
        let op: Op = decode("op", &value).unwrap();
        let changes = apply(&tree, MemberNumber(0), &op);
        tree.write(changes.unwrap_or_else(|rejection| panic!("op {number}, {op:?}: {rejection}")));
    }
    let view = replica.view();
    let mut names = 0;
    for (place, node) in &tree.names {
        assert_eq!(view.child(place.parent, &place.name), Some(*node), "{place:?}");
    }
    for (id, node) in &tree.nodes {
        assert_eq!(view.node(*id).as_ref(), Some(node), "{id}");
        names += view.list(*id, 0).count();
    }
    assert_eq!(names, tree.names.len());
}

/// Compares a mount that ignores by `patterns` with a plain directory.
fn compare(seeds: u64, patterns: &str, leaves_out: impl Fn(&Call) -> bool, check: impl Fn(&Mounted)) {
    for passthrough in [Passthrough::Auto, Passthrough::Off] {
        compare_one(seeds, patterns, passthrough, &leaves_out, &check);
    }
}

fn compare_one(
    seeds: u64,
    patterns: &str,
    passthrough: Passthrough,
    leaves_out: impl Fn(&Call) -> bool,
    check: impl Fn(&Mounted),
) {
    let root = TempDir::new().unwrap();
    let plain = TempDir::new().unwrap();
    [&root, &plain].iter().for_each(|directory| open_to_all(directory.path()));
    let mounted = || {
        let mounted = Mounted::new(root.path(), passthrough);
        let list = OwnList { name: "own".into(), content: patterns.into() };
        mounted.volume.set_own_lists(vec![list]);
        mounted
    };
    {
        let mounted = mounted();
        for seed in 1..=seeds {
            let name = format!("seed {seed}");
            let (ours, theirs) = (mounted.directory.join(&name), plain.path().join(&name));
            fs::create_dir(&ours).unwrap();
            fs::create_dir(&theirs).unwrap();
            [&ours, &theirs].iter().for_each(|path| open_to_all(path));
            run(seed, &ours, &theirs, &leaves_out);
        }
    }
    // The tree is the same after a remount.
    let mounted = mounted();
    check(&mounted);
    let [ours, theirs] = [mounted.directory.clone(), plain.path().to_path_buf()].map(Side::new);
    assert_eq!(ours.tree(), theirs.tree(), "after a remount, left is the mount");
    assert!(mounted.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn a_mount_does_what_a_plain_directory_does() {
    compare(seeds(), "", |_| false, journal_makes_the_view);
}

#[test]
fn what_is_ignored_does_what_a_plain_directory_does_and_makes_no_op() {
    compare(
        seeds() / 3,
        "seed *\n",
        |_| false,
        |mounted| assert_eq!(mounted.volume.replica().pending().ops, 0),
    );
}

#[test]
fn ignored_and_shared_names_side_by_side_do_what_a_plain_directory_does() {
    compare(seeds() / 2, "b\nd\n", crosses, journal_makes_the_view);
}
