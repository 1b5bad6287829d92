//! Runs of many seeds, on all cores, until one fails.

use crate::failure::{Check, Failure};
use crate::world::{HubFate, World};
use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seeds in the ordinary run of all tests.
const SEEDS_PER_RUN: u64 = 1_000;
/// A line of progress for so many.
const SEEDS_PER_LINE: u64 = 1_000;

/// What runs came to: a simulation in which nothing happens shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub runs: u64,
    pub commits: u64,
    pub conflicts: u64,
    pub merges: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.commits += other.commits;
        self.conflicts += other.conflicts;
        self.merges += other.merges;
    }
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what a panic says, in place of printing it.
pub fn note_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let simulated = std::thread::current().name() == Some(THREAD);
            match simulated {
                true => PANIC.with(|panic| *panic.borrow_mut() = info.to_string()),
                false => before(info),
            }
        }));
    });
}

const THREAD: &str = "simulation";

/// Runs one world.
///
/// # Errors
/// The first check that failed, or a panic of the product.
pub fn run(mut world: World) -> Result<Tally, Failure> {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        world.run()?;
        let history = &world.hub.history;
        Ok(Tally { runs: 1, commits: world.commits(), conflicts: history.conflicts, merges: history.merges })
    }));
    ran.unwrap_or_else(|thrown| {
        let told = PANIC.with(|panic| std::mem::take(&mut *panic.borrow_mut()));
        let said = thrown.downcast_ref::<String>().cloned().unwrap_or_default();
        Err(Failure::new(Check::Panic, if told.is_empty() { said } else { told }))
    })
}

/// Runs seeds on all cores; the lowest that failed, if one has.
///
/// # Errors
/// The seed and its failure.
pub fn run_all(seeds: Range<u64>) -> Result<Tally, (u64, Failure)> {
    note_panics();
    let next = AtomicU64::new(seeds.start);
    let done = AtomicU64::new(0);
    let (tally, failed) = (Mutex::new(Tally::default()), Mutex::new(None::<(u64, Failure)>));
    let began = Instant::now();
    // For a survey: all that fail are told, not the first alone.
    let goes_on = std::env::var_os("FL0WFS_SEEDS_ALL").is_some();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let over = !goes_on && failed.lock().expect("no panic here").is_some();
            if seed >= seeds.end || over {
                return;
            }
            match run(World::new(seed)) {
                Ok(of_run) => tally.lock().expect("no panic here").add(of_run),
                Err(failure) => {
                    if goes_on {
                        println!("seed {seed} failed: {failure}");
                    }
                    let mut failed = failed.lock().expect("no panic here");
                    if failed.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                        *failed = Some((seed, failure));
                    }
                }
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(SEEDS_PER_LINE) {
                println!("{done} seeds in {} s", began.elapsed().as_secs());
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let thread = std::thread::Builder::new().name(THREAD.into());
            thread.spawn_scoped(scope, work).expect("the system gives threads");
        }
    });
    let failed = failed.into_inner().expect("no panic here");
    failed.map_or_else(|| Ok(tally.into_inner().expect("no panic here")), Err)
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("FL0WFS_SEEDS") else { return 0..SEEDS_PER_RUN };
    let (from, to) = text.split_once("..").expect("FL0WFS_SEEDS is FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn members_over_bad_networks_and_disks_end_with_one_tree_and_everything_in_it() {
    let seeds = seeds();
    if seeds.end == seeds.start + 1 {
        return replay(seeds.start);
    }
    match run_all(seeds.clone()) {
        Ok(tally) => {
            println!("{tally:?}");
            let Tally { runs, commits, conflicts, .. } = tally;
            assert!(commits > runs * 10, "{commits} commits in {runs} runs");
            assert!(runs < 50 || conflicts > runs, "{conflicts} conflicts in {runs} runs");
        }
        Err((seed, failure)) => {
            panic!(
                "seed {seed} failed: {failure}\nreplay it, with a trace of its steps, by scripts/simulate {seed}"
            );
        }
    }
}

/// One run, with all its steps told.
fn replay(seed: u64) {
    // The worlds of canaries and of regressions can be replayed too.
    let mut world = match std::env::var("FL0WFS_WORLD").as_deref() {
        Ok("calm") => World::calm(seed),
        Ok("restored") => World::with_fate(seed, HubFate::Restored),
        Ok("anew") => World::with_fate(seed, HubFate::MadeAnew),
        _ => World::new(seed),
    };
    world.trace = true;
    match run(world) {
        Ok(tally) => println!("seed {seed} passed: {tally:?}"),
        Err(failure) => panic!("seed {seed} failed: {failure}"),
    }
}
