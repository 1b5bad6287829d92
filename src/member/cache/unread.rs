//! Reads that had to fail because content is not on this machine: which files, when, and why.

use super::super::content::ContentError;
use super::super::link::LinkState;
use crate::model::{NodeId, Timestamp};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// So many are remembered, the latest.
const REMEMBERED_MAX: usize = 20;

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub node: NodeId,
    pub time: Timestamp,
    pub reason: String,
}

/// The latest of them, each file once.
#[derive(Debug, Default)]
pub struct UnreadLog(Mutex<VecDeque<Unread>>);

impl UnreadLog {
    pub fn note(&self, node: NodeId, time: Timestamp, reason: String) {
        let mut log = self.0.lock();
        log.retain(|unread| unread.node != node);
        log.push_back(Unread { node, time, reason });
        if log.len() > REMEMBERED_MAX {
            log.pop_front();
        }
    }

    /// The file's content is here now.
    pub fn settle(&self, node: NodeId) {
        self.0.lock().retain(|unread| unread.node != node);
    }

    pub fn all(&self) -> Vec<Unread> {
        self.0.lock().iter().cloned().collect()
    }
}

/// What people are told of why content did not come.
pub fn reason(error: &ContentError, link: &LinkState) -> String {
    match (error, link) {
        (_, LinkState::Connected) => {
            format!("its content is not on this machine, and could not be fetched: {error}")
        }
        _ => format!("its content is not on this machine, and {}", link_reason(link)),
    }
}

/// Why there is no connection.
pub fn link_reason(link: &LinkState) -> String {
    match link {
        LinkState::Connected => "the hub is connected".into(),
        LinkState::Connecting => "the hub has not answered yet".into(),
        LinkState::Unreachable(why) => format!("the hub cannot be reached: {why}"),
        LinkState::Refused(why) => format!("the hub refuses: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemberNumber;

    #[test]
    fn the_latest_reads_that_failed_are_remembered_each_file_once() {
        let log = UnreadLog::default();
        let node = |counter| NodeId { member: MemberNumber(1), counter };
        let time = Timestamp::default();
        for counter in 0..30 {
            log.note(node(counter), time, "offline".into());
        }
        log.note(node(29), time, "gone".into());
        log.settle(node(28));
        let all = log.all();
        assert_eq!(all.len(), REMEMBERED_MAX - 1);
        assert_eq!(all.last().map(|unread| unread.reason.as_str()), Some("gone"));
        assert!(all.iter().all(|unread| unread.node != node(28)));
    }
}
