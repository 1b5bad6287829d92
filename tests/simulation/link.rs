//! One direction of a connection: messages arrive in order, each after a delay, or not at all once it is cut.

use std::collections::VecDeque;

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

    /// Of what is on its way only the first `count` messages arrive.
    pub fn cut_after(&mut self, count: usize) {
        self.queue.truncate(count);
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }
}
