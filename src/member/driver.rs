//! The thread that owns a member's conversation: it takes the hub's messages in order, and sends what the
//! journal gathers.
//!
//! Order: a message's content files are written, its rows are committed, the kernel is told, and only then
//! comes the next message. Lock order: the replica's lock is never held while the kernel is told or a message
//! is sent.

use super::assemble::Assembler;
use super::files::Arriving;
use super::gather::Gathering;
use super::link::Outgoing;
use super::pace::{self, Pace};
use super::shared::Shared;
use super::source::read_inline;
use super::standing::Trouble;
use crate::content;
use crate::model::{ChunkId, Digest, Sequence};
use crate::sync::member::{Effects, InlineContent, LocalError, SessionOutput, content_of};
use crate::vfs::{self, Announced};
use crate::wire::{FromHub, FromMember, Hello, Inline, LogEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What wakes the driver.
pub enum Event {
    /// A conversation begins: messages go out by the first, the hello by the second.
    Connected(mpsc::Sender<Outgoing>, oneshot::Sender<Hello>),
    Hub(FromHub),
    Ended,
    /// The journal grew, or something else may make a commit ready.
    Look,
    /// The next commit has waited for as long as the pace wants.
    Paced,
    /// What became of the chunks that the hub asked for, in the conversation of that number.
    Uploaded(u64, Upload),
    /// The time the hub asked to wait is over, in the conversation of that number.
    Waited(u64),
    /// States where the hub is, in the order of its messages.
    Barrier(u64),
    /// What the hub wants has been looked for, in the conversation of that number.
    Looked(u64, u64),
    /// It is time to say how far this member has come.
    Tell,
}

/// How an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload {
    /// The hub has all, or is to say anew what it lacks.
    Done,
    /// The bytes of this content are not on this machine.
    Lost(Digest),
    Failed(String),
}

pub struct Driver {
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
    outgoing: Option<mpsc::Sender<Outgoing>>,
    /// Counts conversations.
    conversation: u64,
    /// What the hub was told last of how far this member has come.
    told: Option<Sequence>,
    /// An [`Event::Tell`] is on its way.
    telling: bool,
    pace: Pace,
    /// An [`Event::Paced`] is on its way.
    pausing: bool,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, events: mpsc::Receiver<Event>) -> Driver {
        let (pace, pausing) = (Pace::default(), false);
        Driver { shared, events, outgoing: None, conversation: 0, told: None, telling: false, pace, pausing }
    }

    /// Runs until every sender of events is gone or the member stops.
    pub fn run(mut self) {
        while let Some(event) = self.events.blocking_recv() {
            if self.shared.is_stopping() {
                return;
            }
            self.take(event);
            self.send_ready();
            self.tell_later();
            self.shared.progressed();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected(outgoing, ask) => self.connected(outgoing, ask),
            // After this side has ended a conversation, what still comes of it counts no more.
            Event::Hub(message) if self.outgoing.is_some() => self.take_message(message),
            Event::Hub(_) => {}
            Event::Ended => {
                self.outgoing = None;
                self.shared.volume().replica().disconnected();
            }
            // Nobody need say so again before the pause is over, or before there is a hub to send it to.
            Event::Look if self.pausing || self.outgoing.is_none() => {}
            Event::Look => self.shared.looked(),
            Event::Paced => {
                self.pausing = false;
                self.shared.looked();
            }
            Event::Uploaded(conversation, upload) if conversation == self.conversation => {
                self.uploaded(upload);
            }
            Event::Waited(conversation) if conversation == self.conversation => {
                self.shared.volume().replica().waited();
            }
            Event::Looked(conversation, id) if conversation == self.conversation => {
                self.send(FromMember::Looked { id });
            }
            Event::Uploaded(..) | Event::Waited(_) | Event::Looked(..) => {}
            Event::Barrier(id) => self.send(FromMember::Barrier { id }),
            Event::Tell => self.tell(),
        }
    }

    fn connected(&mut self, outgoing: mpsc::Sender<Outgoing>, ask: oneshot::Sender<Hello>) {
        self.outgoing = Some(outgoing);
        self.conversation += 1;
        self.told = None;
        self.shared.looked();
        let hello = self.shared.hello();
        // Where nobody waits for it the link has ended, and says so.
        let _ = ask.send(hello);
    }

    fn take_message(&mut self, mut message: FromHub) {
        if matches!(message, FromHub::Entry { .. }) {
            self.shared.wait_for_turn();
        }
        let ready = match &mut message {
            // What came along is in files from here on: the message, which may have to come again, goes without it.
            FromHub::Entry { entry, inline } => self.write_inline(entry, &std::mem::take(inline)),
            _ => BTreeMap::new(),
        };
        match self.handle(message, ready) {
            Ok((effects, announced)) => {
                self.shared.no_trouble(Trouble::State);
                self.follow(effects, announced);
            }
            Err(error) => {
                tracing::error!(%error, "a message of the hub could not be taken");
                self.shared.note_trouble(Trouble::State, error.to_string());
                self.end_conversation(error.to_string());
            }
        }
    }

    /// Has the replica take a message, with the contents that its merges turn out to need.
    fn handle(
        &self,
        message: FromHub,
        ready: BTreeMap<Digest, u64>,
    ) -> Result<(Effects, Announced), LocalError> {
        let volume = self.shared.volume();
        let _changing = volume.changing();
        let mut contents = Gathering::new(self.shared.clone());
        loop {
            if matches!(message, FromHub::Entry { .. } | FromHub::SnapshotEnd) {
                // A file that was closed meets others' with what is in it.
                volume.settle_put_off();
            }
            let handled = {
                let mut replica = volume.replica();
                let handled = replica.handle(vfs::now(), message.clone(), ready.clone(), &mut contents);
                handled.map(|effects| {
                    let announced = volume.announce(&replica, &effects.changed);
                    (effects, announced)
                })
            };
            let error = match handled {
                Err(LocalError::Away(away)) => match contents.gather(&away) {
                    Ok(()) => continue,
                    Err(error) => LocalError::History(format!("contents for a merge did not come: {error}")),
                },
                Err(error) => error,
                Ok(done) => return Ok(done),
            };
            volume.remove_files(ready.into_values().collect());
            return Err(error);
        }
    }

    /// Writes content that came along, so that it is there when its row is. Content that fails to be written is
    /// fetched later like any other.
    fn write_inline(&self, entry: &LogEntry, inline: &[Inline]) -> BTreeMap<Digest, u64> {
        let mut ready = BTreeMap::new();
        let bytes: BTreeMap<ChunkId, &[u8]> =
            inline.iter().map(|inline| (inline.chunk, inline.bytes.as_slice())).collect();
        for op in &entry.ops {
            let Some(manifest) = op.verb.manifest() else { continue };
            let Some(chunk) = manifest.inline_chunk() else { continue };
            let Some(bytes) = bytes.get(&chunk).filter(|bytes| content::verify(chunk, bytes).is_ok()) else {
                continue;
            };
            let content = content_of(manifest);
            if ready.contains_key(&content) || !self.shared.volume().replica().keeps_inline(&op.verb) {
                continue;
            }
            match Arriving(&self.shared).whole(bytes) {
                Ok(file) => drop(ready.insert(content, file)),
                Err(error) => tracing::warn!(%error, "content could not be written"),
            }
        }
        ready
    }

    fn follow(&mut self, effects: Effects, announced: Announced) {
        let Effects { changed, sights, removed_files, wants_content, outputs, .. } = effects;
        self.shared.tell_kernel(changed, sights);
        self.shared.volume().told(announced);
        self.shared.volume().remove_files(removed_files);
        if wants_content {
            self.shared.wants_content();
        }
        for output in outputs {
            match output {
                SessionOutput::Upload(chunks) => self.shared.upload(self.conversation, chunks),
                SessionOutput::Disconnect { reason, detail } => {
                    tracing::warn!(?reason, detail, "the conversation ended");
                    self.end_conversation(detail);
                }
                SessionOutput::Barrier { id } => self.shared.barrier_passed(id),
                SessionOutput::Wait => self.shared.wait_a_while(self.conversation),
                SessionOutput::Wanted { id, wanted } => self.shared.bring(self.conversation, id, wanted),
                SessionOutput::Role(role) => self.shared.role_changed(role),
                SessionOutput::Quota => self.shared.volume().quota_told(),
            }
        }
    }

    fn uploaded(&mut self, upload: Upload) {
        match upload {
            Upload::Done => self.shared.volume().replica().uploaded(),
            Upload::Lost(content) => {
                tracing::error!(?content, "content of a pending op is gone");
                let volume = self.shared.volume();
                let parked = {
                    let mut replica = volume.replica();
                    let parked = replica.lost(vfs::now(), content);
                    parked.map(|effects| (volume.announce(&replica, &effects.changed), effects))
                };
                match parked {
                    Ok((announced, effects)) => self.follow(effects, announced),
                    Err(error) => self.end_conversation(error.to_string()),
                }
            }
            Upload::Failed(why) => self.end_conversation(why),
        }
    }

    /// Seals what the journal has gathered, and sends what is sealed.
    fn send_ready(&mut self) {
        if self.outgoing.is_none() {
            return;
        }
        if let Err(error) = self.seal().and_then(|()| self.sync_sealed()) {
            self.shared.note_trouble(Trouble::Seal, error);
            return;
        }
        self.shared.no_trouble(Trouble::Seal);
        let ready = self.shared.volume().replica().outgoing();
        if let Some((commit, inline)) = ready {
            self.send(FromMember::Commit { commit, inline });
        }
    }

    fn seal(&mut self) -> Result<(), String> {
        let now = Instant::now();
        let ops = {
            let replica = self.shared.volume().replica();
            if replica.is_all_accepted() {
                self.pace.rested();
                return Ok(());
            }
            replica.journalled()
        };
        if self.pace.awaits_pause(now, ops) {
            self.pause_sealing(pace::INTERVAL);
            return Ok(());
        }
        let to_seal = self.shared.volume().replica().to_seal();
        let Some(seal) = to_seal else { return Ok(()) };
        let wait = self.pace.wait(now);
        if !seal.full && !wait.is_zero() {
            self.pause_sealing(wait);
            return Ok(());
        }
        self.pace.sealed(now, ops);
        if !seal.large.is_empty() {
            self.shared.volume().replica().sync_marks().map_err(|error| error.to_string())?;
        }
        // Order: content survives the loss of power before the commit that names it is sent.
        for (node, content) in seal.large {
            let file = self.shared.volume().replica().file_holding(node, content);
            if let Some(file) = file {
                self.shared.volume().files().sync(file).map_err(|error| error.to_string())?;
            }
        }
        let mut inline: Vec<(InlineContent, Vec<u8>)> = Vec::new();
        let mut seen = BTreeSet::new();
        for content in seal.inline {
            if !seen.insert(content.chunk) {
                continue;
            }
            match read_inline(&self.shared, content) {
                Some(bytes) => inline.push((content, bytes)),
                // The hub asks for it, unless it came with an earlier op.
                None => tracing::debug!(?content, "content of a pending op goes without it"),
            }
        }
        self.shared.volume().replica().seal(seal.count, inline).map_err(|error| error.to_string())
    }

    fn pause_sealing(&mut self, pause: Duration) {
        if !self.pausing {
            self.pausing = true;
            self.shared.pause_sealing(pause);
        }
    }

    /// Order: what is sealed survives the loss of power before it is sent. Meanwhile local work goes on.
    fn sync_sealed(&self) -> Result<(), String> {
        if self.shared.volume().replica().seal_is_unsynced() {
            self.shared.sync_rows().map_err(|error| error.to_string())?;
            self.shared.volume().replica().seal_synced();
        }
        Ok(())
    }

    /// Has the hub told soon how far this member has come, once for many entries.
    fn tell_later(&mut self) {
        let position = self.shared.volume().replica().position().map(|position| position.sequence);
        if !self.telling && self.outgoing.is_some() && position.is_some() && position != self.told {
            self.telling = true;
            self.shared.tell_later();
        }
    }

    fn tell(&mut self) {
        self.telling = false;
        let position = self.shared.volume().replica().position().map(|position| position.sequence);
        if let Some(sequence) = position.filter(|_| position != self.told && self.outgoing.is_some()) {
            self.told = position;
            self.send(FromMember::Applied { sequence });
        }
    }

    fn send(&mut self, message: FromMember) {
        let Some(outgoing) = &self.outgoing else { return };
        if outgoing.blocking_send(Outgoing::Message(message)).is_err() {
            // The link reports the end of the conversation itself.
            self.outgoing = None;
        }
    }

    fn end_conversation(&mut self, why: String) {
        if let Some(outgoing) = self.outgoing.take() {
            // Where there is no room for the reason the link still notes the end.
            let _ = outgoing.try_send(Outgoing::End(why));
        }
    }
}
