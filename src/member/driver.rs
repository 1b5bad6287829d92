//! The thread that owns a member's conversation: it takes the hub's messages in order, and sends what the
//! journal gathers.
//!
//! Order: a message's content files are written, its rows are committed, the kernel is told, and only then
//! comes the next message. Lock order: the replica's lock is never held while the kernel is told or a message
//! is sent.

use super::assemble::Assembler;
use super::files::Arriving;
use super::shared::Shared;
use super::source::read_inline;
use crate::content;
use crate::model::{ChunkId, Digest};
use crate::sync::member::{Effects, SessionOutput, content_of};
use crate::vfs;
use crate::wire::{FromHub, FromMember, Inline, LogEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What wakes the driver.
pub enum Event {
    /// A conversation began; messages go out here.
    Connected(mpsc::Sender<FromMember>),
    Hub(FromHub),
    Ended,
    /// The journal grew, or something else may make a commit ready.
    Look,
    /// The chunks the hub asked for are there, or could not be sent.
    Uploaded(bool),
    /// The time the hub asked to wait is over.
    Waited,
    /// States where the hub is, in the order of its messages.
    Barrier(u64),
}

pub struct Driver {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
    outgoing: Option<mpsc::Sender<FromMember>>,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, events: mpsc::Receiver<Event>) -> Driver {
        Driver { shared, events, outgoing: None }
    }

    /// Runs until every sender of events is gone or the member stops.
    pub fn run(mut self) {
        while let Some(event) = self.events.blocking_recv() {
            if self.shared.is_stopping() {
                return;
            }
            self.take(event);
            self.send_ready();
            self.shared.progressed();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected(outgoing) => self.outgoing = Some(outgoing),
            Event::Hub(message) => self.take_message(message),
            Event::Ended => {
                self.outgoing = None;
                self.shared.volume().replica().disconnected();
            }
            Event::Look => self.shared.looked(),
            Event::Uploaded(true) => self.shared.volume().replica().uploaded(),
            Event::Uploaded(false) => self.end_conversation(),
            Event::Waited => self.shared.volume().replica().waited(),
            Event::Barrier(id) => {
                if self.outgoing.is_some() {
                    self.send(FromMember::Barrier { id });
                }
            }
        }
    }

    fn take_message(&mut self, message: FromHub) {
        let ready = match &message {
            FromHub::Entry { entry, inline } => self.write_inline(entry, inline),
            _ => BTreeMap::new(),
        };
        let handled = self.shared.volume().replica().handle(vfs::now(), message, ready);
        match handled {
            Ok(effects) => self.follow(effects),
            Err(error) => {
                tracing::error!(%error, "a message of the hub could not be taken");
                self.shared.note_trouble(error.to_string());
                self.end_conversation();
            }
        }
    }

    /// Writes content that came along, so that it is there when its row is. Content that fails to be written is
    /// fetched later like any other.
    fn write_inline(&self, entry: &LogEntry, inline: &[Inline]) -> BTreeMap<Digest, u64> {
        let mut ready = BTreeMap::new();
        let bytes: BTreeMap<ChunkId, &[u8]> =
            inline.iter().map(|inline| (inline.chunk, inline.bytes.as_slice())).collect();
        for manifest in entry.ops.iter().filter_map(|op| op.verb.manifest()) {
            let Some(chunk) = manifest.inline_chunk() else { continue };
            let Some(bytes) = bytes.get(&chunk).filter(|bytes| content::verify(chunk, bytes).is_ok()) else {
                continue;
            };
            match Arriving(&self.shared).whole(bytes) {
                Ok(file) => drop(ready.insert(content_of(manifest), file)),
                Err(error) => tracing::warn!(%error, "content could not be written"),
            }
        }
        ready
    }

    fn follow(&mut self, effects: Effects) {
        let Effects { changed, removed_files, wants_content, outputs, .. } = effects;
        self.shared.tell_kernel(changed);
        self.shared.volume().remove_files(removed_files);
        if wants_content {
            self.shared.wants_content();
        }
        for output in outputs {
            match output {
                SessionOutput::Upload(chunks) => self.shared.upload(chunks),
                SessionOutput::Disconnect { reason, detail } => {
                    tracing::warn!(?reason, detail, "the conversation ended");
                    self.shared.note_refusal(reason, detail);
                    self.end_conversation();
                }
                SessionOutput::Barrier { id } => self.shared.barrier_passed(id),
                SessionOutput::Wait => self.shared.wait_a_while(),
                SessionOutput::Role(role) => self.shared.role_changed(role),
            }
        }
    }

    /// Seals what the journal has gathered, and sends what is sealed.
    fn send_ready(&mut self) {
        if self.outgoing.is_none() {
            return;
        }
        if let Err(error) = self.seal() {
            self.shared.note_trouble(error);
            return;
        }
        let ready = self.shared.volume().replica().outgoing();
        if let Some((commit, inline)) = ready {
            self.send(FromMember::Commit { commit, inline });
        }
    }

    fn seal(&self) -> Result<(), String> {
        let to_seal = self.shared.volume().replica().to_seal();
        let Some((count, wanted)) = to_seal else { return Ok(()) };
        let mut inline: Vec<Inline> = Vec::new();
        let mut seen = BTreeSet::new();
        for content in wanted {
            if !seen.insert(content.chunk) {
                continue;
            }
            let (chunk, node) = (content.chunk, content.node);
            match read_inline(&self.shared, content) {
                Some(bytes) => inline.push(Inline { chunk, bytes }),
                // The hub asks for it, unless it came with an earlier op.
                None => tracing::debug!(%chunk, %node, "content of a pending op goes without it"),
            }
        }
        self.shared.volume().replica().seal(count, inline).map_err(|error| error.to_string())
    }

    fn send(&mut self, message: FromMember) {
        let sent = self.outgoing.as_ref().map(|outgoing| outgoing.blocking_send(message));
        if !matches!(sent, Some(Ok(()))) {
            // The link reports the end of the conversation itself.
            self.outgoing = None;
        }
    }

    fn end_conversation(&mut self) {
        self.outgoing = None;
    }
}
