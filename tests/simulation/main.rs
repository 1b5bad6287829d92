//! The project's main safety net: the real state machines of members and hub, their replays, merges and stores, over
//! simulated links, disks and clocks. One seed is one run, the same each time.
//!
//! `scripts/simulate SEED` replays one with a trace of its steps, `scripts/simulate --seeds N` runs many. Here a few
//! run with all other tests; `FL0WFS_SEEDS=FROM..TO` chooses others.
//!
//! | file | is |
//! |---|---|
//! | `world/` | who is there, what happens when, and what goes wrong |
//! | `member/`, `hub/` | the real machines, and what the processes around them do |
//! | `disk/`, `link.rs`, `clock.rs` | what is simulated |
//! | `work/` | what users do |
//! | `reference.rs` | a plain model of what the log says |
//! | `checks/` | what must hold |
//! | `canaries.rs` | each check finds what it is for |
//! | `regressions.rs` | what was found once |

#![allow(clippy::disallowed_methods)]

mod canaries;
mod chance;
mod checks;
mod clock;
mod disk;
mod failure;
mod hub;
mod link;
mod member;
mod reference;
mod regressions;
mod runs;
mod telling;
mod work;
mod world;
