//! Chance and links.

use std::collections::VecDeque;

/// A small generator (SplitMix64): the same numbers for the same seed, everywhere.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// One direction of a connection: messages arrive in order, each after a delay, or not at all once it is cut.
pub struct Link<M> {
    queue: VecDeque<(u64, M)>,
}

impl<M> Default for Link<M> {
    fn default() -> Link<M> {
        Link { queue: VecDeque::new() }
    }
}

impl<M> Link<M> {
    pub fn send(&mut self, arrives: u64, message: M) {
        let earliest = self.queue.back().map_or(0, |(last, _)| *last);
        self.queue.push_back((arrives.max(earliest), message));
    }

    pub fn receive(&mut self, now: u64) -> Option<M> {
        let due = self.queue.front().is_some_and(|(arrives, _)| *arrives <= now);
        if due { self.queue.pop_front().map(|(_, message)| message) } else { None }
    }

    pub fn cut(&mut self) {
        self.queue.clear();
    }
}
