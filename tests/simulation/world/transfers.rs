//! Content on streams of its own: it takes its own time, whatever else is on its way.

use super::World;
use crate::checks;
use crate::failure::Checked;
use crate::member::Wanted;
use fl0wfs::model::ChunkId;
use std::collections::BTreeMap;

/// Contents fetched at a time.
const FETCHED_AT_ONCE: usize = 4;

pub enum Transfer {
    /// Chunks arrive at the hub.
    Up(Vec<(ChunkId, Vec<u8>)>),
    /// The hub has said that it has them.
    UpDone,
    /// A request arrives at the hub.
    Ask(Wanted),
    /// Its answer arrives at the member.
    Down(Wanted, BTreeMap<ChunkId, Vec<u8>>),
}

impl World {
    pub(super) fn begin_upload(&mut self, at: usize, id: u64) -> Checked {
        let wanted = std::mem::take(&mut self.members[at].todo.upload);
        if wanted.is_empty() {
            return Ok(());
        }
        let mut chunks = Vec::new();
        for asked in self.members[at].find_asked(&wanted) {
            match (asked.bytes, asked.content) {
                (Some(bytes), _) => chunks.push((asked.chunk, bytes)),
                (None, Some(content)) => {
                    checks::lost_before_sent(&self.members[at], content)?;
                    self.say(|_| format!("m{at} has lost {content:?} of {:?} for good", asked.op));
                    let now = self.now;
                    self.members[at].give_up(now, content);
                    return Ok(());
                }
                // Asked for an op that is not sealed any more.
                (None, None) => {}
            }
        }
        self.begin(at, id, Transfer::Up(chunks));
        Ok(())
    }

    fn begin(&mut self, at: usize, id: u64, transfer: Transfer) {
        let arrives = self.delay(at) + 1;
        if let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.is_over()) {
            connection.transfers.push((arrives, transfer));
        }
    }

    /// Fetches what is wanted, and moves what is on its way.
    pub(super) fn move_content(&mut self, at: usize, id: u64) -> Checked {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let (due, later) =
            std::mem::take(&mut connection.transfers).into_iter().partition(|(due, _)| *due <= now);
        connection.transfers = later;
        let due: Vec<(u64, Transfer)> = due;
        for (_, transfer) in due {
            self.arrive(at, id, transfer)?;
        }
        self.begin_fetching(at, id);
        Ok(())
    }

    fn arrive(&mut self, at: usize, id: u64, transfer: Transfer) -> Checked {
        match transfer {
            Transfer::Up(chunks) => {
                self.hub.keep(chunks);
                self.begin(at, id, Transfer::UpDone);
            }
            Transfer::UpDone => self.members[at].replica.uploaded(),
            Transfer::Ask(wanted) => {
                wanted.chunks.iter().try_for_each(|chunk| checks::still_there(&self.hub, *chunk))?;
                let chunks = wanted.chunks.iter();
                let found = chunks.filter_map(|chunk| Some((*chunk, self.hub.chunk(*chunk)?))).collect();
                self.begin(at, id, Transfer::Down(wanted, found));
            }
            Transfer::Down(wanted, chunks) => self.members[at].arrived(&wanted, &chunks),
        }
        Ok(())
    }

    fn begin_fetching(&mut self, at: usize, id: u64) {
        if !self.members[at].replica.is_beyond_welcome() {
            return;
        }
        let wanted = self.members[at].wanted(FETCHED_AT_ONCE);
        for wanted in wanted {
            let Some(connection) = self.connections.get(&id) else { return };
            if !connection.transfers.iter().any(|(_, transfer)| transfer.is_of(&wanted)) {
                self.begin(at, id, Transfer::Ask(wanted));
            }
        }
    }
}

impl Transfer {
    fn is_of(&self, wanted: &Wanted) -> bool {
        match self {
            Transfer::Ask(other) | Transfer::Down(other, _) => {
                (other.node, other.content) == (wanted.node, wanted.content)
            }
            Transfer::Up(_) | Transfer::UpDone => false,
        }
    }
}
