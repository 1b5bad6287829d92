//! Chunks that the hub has lost, asked of the members that are connected.
//!
//! Each is told at once; who has looked through its files says so, and who leaves is not waited for. What they bring
//! comes as any upload does. Members that may only read bring what is asked for, and nothing else.

use super::admin::AdminError;
use super::care::Job;
use super::owner::{Request, SessionId};
use super::space::Space;
use crate::model::{ChunkId, NodeId};
use crate::wire::FromHub;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long members may look.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often whoever waits for them looks whether the hub stops.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// A request for chunks, by the nodes that have or had them.
pub(super) struct Want {
    pub wanted: Vec<(NodeId, Vec<ChunkId>)>,
    /// Told when every member has looked.
    pub done: Sender<()>,
}

/// Members that are looking.
pub(super) struct Wanting {
    id: u64,
    looking: Vec<SessionId>,
    done: Sender<()>,
}

impl Job {
    /// Asks all connected members for chunks, and waits until they have brought what they have.
    pub fn ask_members(&self, wanted: Vec<(NodeId, Vec<ChunkId>)>) -> Result<(), AdminError> {
        let Some(owner) = &self.owner else { return Ok(()) };
        self.chunks.want(wanted.iter().flat_map(|(_, chunks)| chunks).copied());
        let (done, looked) = channel();
        if !owner.send_blocking(Request::Want(Want { wanted, done })) {
            return Err(AdminError::Stopping);
        }
        let deadline = Instant::now() + PATIENCE;
        let waited = loop {
            if let Err(stopping) = self.check_going() {
                break Err(stopping);
            }
            match looked.recv_timeout(CHECK_INTERVAL) {
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                _ => break Ok(()),
            }
        };
        self.chunks.want([]);
        waited
    }
}

impl Space {
    pub(super) fn want(&mut self, Want { wanted, done }: Want) {
        self.wants_made += 1;
        let message = FromHub::Wanted { id: self.wants_made, wanted };
        self.sessions.values().for_each(|session| session.outbox.push_note(&message));
        let looking = self.sessions.values().map(|session| session.id).collect();
        self.wanting = Some(Wanting { id: self.wants_made, looking, done });
        self.check_wanting();
    }

    pub(super) fn looked(&mut self, session: SessionId, id: u64) {
        if let Some(wanting) = self.wanting.as_mut().filter(|wanting| wanting.id == id) {
            wanting.looking.retain(|looking| *looking != session);
        }
    }

    /// Ends the wait where nobody is left to wait for.
    pub(super) fn check_wanting(&mut self) {
        let Some(mut wanting) = self.wanting.take() else { return };
        wanting.looking.retain(|looking| self.session(*looking).is_some());
        if wanting.looking.is_empty() {
            // Whoever asked may have gone.
            let _ = wanting.done.send(());
        } else {
            self.wanting = Some(wanting);
        }
    }
}
