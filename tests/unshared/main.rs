//! Unshared nodes beside everything that moves the view: two members do random work, shared and not, on colliding
//! names, apart and together; at every step each name leads to one node, every unshared node is in the tree, and every
//! unshared file holds what was written to it. One seed is one run. `FL0WFS_SEEDS=FROM..TO` chooses the seeds.

mod member;
mod work;
mod world;

use world::World;

const SEEDS: u64 = 120;

fn run(seed: u64, end: impl Fn(&mut World)) -> [u64; 3] {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut world = World::new(seed);
        world.run();
        end(&mut world);
        world.run();
        world.settle();
        world.check();
        world.counts()
    }));
    done.unwrap_or_else(|_| panic!("seed {seed} failed"))
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("FL0WFS_SEEDS") else { return 0..count };
    let (from, to) = text.split_once("..").expect("FL0WFS_SEEDS is FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn run_all(count: u64, end: impl Fn(&mut World)) {
    let (mut counts, seeds) = ([0; 3], seeds(count));
    for seed in seeds.clone() {
        for (sum, count) in counts.iter_mut().zip(run(seed, &end)) {
            *sum += count;
        }
    }
    let runs = seeds.count() as u64;
    let [left, stayed, aside] = counts;
    if runs < 20 {
        return;
    }
    assert!(left > runs, "{left} unshared nodes left in {runs} runs");
    assert!(stayed > runs / 10 && aside > runs / 10, "{stayed} directories stayed, {aside} nodes gave way");
}

#[test]
fn unshared_nodes_stay_whole_whatever_is_done_around_them() {
    run_all(SEEDS, |_| {});
}

#[test]
fn unshared_nodes_stay_whole_when_a_member_comes_back_after_a_long_time() {
    run_all(SEEDS / 4, World::forget_positions);
}

#[test]
fn unshared_nodes_stay_whole_when_the_hub_forgets() {
    run_all(SEEDS / 4, |world| {
        world.settle();
        let backup = world.back_up();
        world.run();
        world.settle();
        world.restore(backup);
    });
    run_all(SEEDS / 4, |world| {
        world.settle();
        world.make_anew();
    });
}
