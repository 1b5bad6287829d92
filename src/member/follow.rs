//! The live feed of a space's history: lines in the order of the log, as this member comes to have them.
//!
//! Invariant: no line is told twice and none is missed, whatever becomes of the connection. Nobody polls for news: the
//! driver tells when this member has come further.

use super::answer::MemberHandler;
use super::control::{ControlPath, ControlResponse, LogLine, Reply};
use super::history::{Cut, line};
use crate::model::Sequence;
use crate::wire::{ContentRequest, HISTORY_RECORDS_MAX, HistoryOf, HistoryPage, HistoryRecord, OpPlace};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often it is looked whether one who waits for news is still there.
const COMPANY_INTERVAL: Duration = Duration::from_secs(5);
/// How long after the hub has not answered it is asked again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Lines from before that a feed can begin with.
const LAST_LINES_MAX: u64 = 10_000;

impl MemberHandler {
    pub(super) fn follow(&self, path: &ControlPath, last: u64, reply: &mut Reply) -> Result<(), Cut> {
        let mut after = self.position().map(whole);
        if last > 0 {
            after = after.max(self.tell_last(path, last.min(LAST_LINES_MAX), reply)?);
        }
        // Tells the asker that from here on nothing is missed.
        reply.send_at_leisure(&ControlResponse::Log(Vec::new()))?;
        while self.wait_for_news(after, reply) {
            // Order: first how far this member is, then the question: all up to there is in the answer.
            let upto = self.position().map(whole);
            match self.ask::<HistoryPage>(ContentRequest::Since { after, limit: HISTORY_RECORDS_MAX }) {
                Ok(page) => {
                    let newest = page.records.last().map(|record| record.at);
                    // What is more is behind the last line; else entries without a line are behind this member too.
                    after = if page.more { newest } else { newest.max(upto) };
                    self.tell_news(path, page, reply)?;
                }
                Err(Cut::Gone(error)) => return Err(Cut::Gone(error)),
                // The connection went while it was asked: it is asked again over the next.
                Err(Cut::Because(_)) => {
                    let changed = || self.shared.is_stopping() || !self.shared.is_connected();
                    self.shared.wait_until(Instant::now() + RETRY_DELAY, changed);
                }
            }
        }
        Ok(())
    }

    /// Waits until there is more to tell; false where nobody listens any more, or the mount ends.
    fn wait_for_news(&self, after: Option<OpPlace>, reply: &Reply) -> bool {
        let is_news = || {
            let further = self.position().map(whole) > after;
            self.shared.is_stopping() || (further && self.shared.is_connected())
        };
        while !self.shared.wait_until(Instant::now() + COMPANY_INTERVAL, is_news) {
            if reply.is_alone() {
                return false;
            }
        }
        !self.shared.is_stopping()
    }

    fn position(&self) -> Option<Sequence> {
        self.shared.volume().replica().position().map(|position| position.sequence)
    }

    fn tell_news(&self, path: &ControlPath, page: HistoryPage, reply: &mut Reply) -> Result<(), Cut> {
        let below = page.records.into_iter().filter(|record| is_below(record, path));
        let lines: Vec<LogLine> = below.map(line).collect();
        if !lines.is_empty() {
            reply.send_at_leisure(&ControlResponse::Log(lines))?;
        }
        Ok(())
    }

    /// Tells the last lines there are, oldest first; returns where they end.
    fn tell_last(&self, path: &ControlPath, last: u64, reply: &mut Reply) -> Result<Option<OpPlace>, Cut> {
        let (mut lines, mut before, mut newest) = (VecDeque::new(), None, None);
        while (lines.len() as u64) < last && !reply.is_alone() {
            let question =
                ContentRequest::History { of: HistoryOf::Space, before, limit: HISTORY_RECORDS_MAX };
            let page: HistoryPage = self.ask(question)?;
            newest = newest.or(page.records.first().map(|record| record.at));
            before = page.records.last().map(|record| record.at);
            for record in page.records.into_iter().filter(|record| is_below(record, path)) {
                if (lines.len() as u64) < last {
                    lines.push_front(line(record));
                }
            }
            if !page.more {
                break;
            }
        }
        while !lines.is_empty() {
            let some = lines.drain(..lines.len().min(HISTORY_RECORDS_MAX as usize)).collect();
            reply.send_at_leisure(&ControlResponse::Log(some))?;
        }
        Ok(newest)
    }
}

fn whole(sequence: Sequence) -> OpPlace {
    OpPlace { sequence, op: u32::MAX }
}

/// Tells whether a line is about a path or anything below it; an empty path is above all.
fn is_below(record: &HistoryRecord, path: &ControlPath) -> bool {
    let above = &path.0;
    let within = |at: &Vec<u8>| {
        at.strip_prefix(above.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || above.is_empty())
    };
    within(&record.path) || record.from.as_ref().is_some_and(within)
}
