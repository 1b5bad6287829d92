//! The real member and hub state machines over simulated links: delays, losses of the connection, partitions,
//! random work on colliding names. One seed is one run. `FL0WFS_SEEDS=FROM..TO` chooses the seeds.

mod actor;
mod network;
mod work;
mod world;

use world::World;

/// More by FL0WFS_SEEDS; these take about half a minute.
const SEEDS_PER_RUN: u64 = 1_000;

const RESTORED_SEEDS: u64 = 60;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("FL0WFS_SEEDS") else { return 0..SEEDS_PER_RUN };
    let (from, to) = text.split_once("..").expect("FL0WFS_SEEDS is FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn a_hub_restored_from_a_backup_takes_nothing_away() {
    let mut recovered = 0;
    for seed in 0..RESTORED_SEEDS {
        let mut world = World::new(seed);
        world.run();
        world.settle();
        let backup = world.back_up();
        world.run();
        world.settle();
        let before = world.live_contents();
        world.restore(backup);
        world.settle();
        world.check_trees();
        let after = world.live_contents();
        for content in &before {
            assert!(
                after.contains(content),
                "seed {seed}: a live content is gone after the hub was restored"
            );
        }
        recovered += u64::from(world.commits() > 0);
    }
    assert!(recovered > 0);
}

#[test]
fn a_space_made_anew_gets_what_its_members_have() {
    for seed in 0..RESTORED_SEEDS {
        let mut world = World::new(seed);
        world.run();
        world.settle();
        let before = world.live_contents();
        world.make_anew();
        world.settle();
        world.check_trees();
        let after = world.live_contents();
        assert!(before.is_subset(&after), "seed {seed}: a content did not come over into the new space");
    }
}

#[test]
fn three_members_over_a_bad_network_end_with_the_same_tree() {
    let (mut commits, mut conflicts) = (0, 0);
    for seed in seeds() {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            world.settle();
            world.check();
            (world.commits(), world.conflicts())
        });
        let Ok((run_commits, run_conflicts)) = run else {
            panic!("seed {seed} failed: replay it with FL0WFS_SEEDS={seed}..{}", seed + 1);
        };
        commits += run_commits;
        conflicts += run_conflicts;
    }
    // A simulation in which nothing happens or nothing collides shows nothing.
    let runs = seeds().count() as u64;
    assert!(commits > runs * 5, "{commits} commits in {runs} runs");
    assert!(runs < 20 || conflicts > runs / 20, "{conflicts} conflicts in {runs} runs");
}
