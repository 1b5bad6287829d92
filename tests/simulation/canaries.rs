//! Canaries: something is broken on purpose, and the check that is for it, that very one, must say so. A check that finds
//! nothing wherever it looks would be caught here.

use crate::failure::{Check, Failure};
use crate::runs::{note_panics, run};
use crate::world::World;
use fl0wfs::model::{Conflict, ConflictKind, NodeId, Version};
use fl0wfs::ops::Verb;

/// Runs in which a fault must have shown.
const SEEDS: u64 = 60;
/// Letters of a member's rows; see the replica's keys.
const VIEW: u8 = b'V';
const SPOOL: u8 = b'S';
/// The letter of a tree's node rows.
const NODE: u8 = b'n';

/// Breaks something in each of a few worlds, until a check says so.
fn first_failure(break_it: impl Fn(&mut World)) -> Option<(u64, Failure)> {
    note_panics();
    (0..SEEDS).find_map(|seed| {
        let mut world = World::calm(seed);
        break_it(&mut world);
        Some((seed, run(world).err()?))
    })
}

fn assert_caught(check: Check, break_it: impl Fn(&mut World)) {
    let (seed, failure) = first_failure(break_it).expect("a run with a fault fails");
    assert_eq!(failure.check, check, "seed {seed}: {failure}");
}

#[test]
fn without_a_fault_the_same_runs_pass() {
    if let Some((seed, failure)) = first_failure(|_| {}) {
        panic!("seed {seed}: {failure}");
    }
}

#[test]
fn equal_trees_catches_a_link_that_brings_wrong_bytes() {
    assert_caught(Check::EqualTrees, |world| {
        world.members.iter_mut().for_each(|member| member.faults.fetches_wrong_bytes = true);
    });
}

#[test]
fn prefix_catches_a_store_that_loses_a_write() {
    assert_caught(Check::Prefix, |world| {
        let mut writes = 0;
        world.members[0].disk.tamper(move |batch| {
            let of_view = |key: &&Vec<u8>| key[0] == VIEW && key[2] == NODE;
            let victim = batch.keys().find(of_view).cloned();
            writes += 1;
            if let Some(victim) = victim.filter(|_| writes % 10 == 0) {
                batch.remove(&victim);
            }
        });
    });
}

#[test]
fn prefix_catches_a_log_that_means_something_else() {
    assert_caught(Check::Prefix, |world| {
        let prefix = world.hub.sync.with_tree(&world.hub.disk, |tree| tree.prefix.to_vec());
        let mut writes = 0;
        world.hub.disk.tamper(move |batch| {
            let of_node = |key: &&Vec<u8>| key.strip_prefix(&prefix[..]).is_some_and(|row| row[0] == NODE);
            let victim = batch.keys().find(of_node).cloned();
            writes += usize::from(victim.is_some());
            if let Some(victim) = victim.filter(|_| writes % 5 == 0) {
                batch.remove(&victim);
            }
        });
    });
}

#[test]
fn reachable_catches_a_member_that_puts_nothing_aside() {
    assert_caught(Check::Reachable, |world| {
        world.members.iter_mut().for_each(|member| member.faults.skips_spool = true);
    });
}

#[test]
fn reachable_catches_a_hub_that_forgets_content() {
    assert_caught(Check::Reachable, |world| world.hub.faults.forgets_content = true);
}

#[test]
fn exactly_once_catches_a_hub_that_enters_ops_twice() {
    assert_caught(Check::ExactlyOnce, |world| world.hub.faults.enters_twice = true);
}

#[test]
fn conflict_cause_catches_a_conflict_that_nobody_caused() {
    assert_caught(Check::ConflictCause, |world| {
        let member = &mut world.members[0];
        let now = member.stamp(1);
        let node = NodeId::ROOT;
        let kind = ConflictKind::PutDrop;
        let number = fl0wfs::model::MemberNumber(1);
        let conflict = Conflict { node, member: number, kind, base: None, remote: Version(0), time: now };
        assert!(member.submit(1, Verb::Record(conflict)));
    });
}

#[test]
fn bounded_catches_a_store_that_keeps_what_was_spooled() {
    assert_caught(Check::Bounded, |world| {
        world.members[0].disk.tamper(|batch| {
            batch.retain(|key, value| key.first() != Some(&SPOOL) || value.is_some());
        });
    });
}

#[test]
fn bounded_catches_backing_files_that_are_never_removed() {
    assert_caught(Check::Bounded, |world| {
        world.members.iter_mut().for_each(|member| member.faults.keeps_files = true);
    });
}

#[test]
fn bounded_catches_entries_that_are_held_back_for_nothing() {
    assert_caught(Check::Bounded, |world| world.members[0].faults.ignores_entries = true);
}

#[test]
fn progress_catches_a_hub_that_answers_nothing() {
    assert_caught(Check::Progress, |world| world.hub.faults.never_answers = true);
}
