//! What follows a batch: answers and fan-out where it was written, excuses where there was no room.

use super::admin::{AdminError, AdminResponse, Done};
use super::owner::{Greeted, Greeting, Rejected, SessionId};
use super::space::{NO_ROOM, Space, no_room};
use crate::model::{CommitNumber, MemberNumber};
use crate::sync::Txn;
use crate::sync::hub::{Device, Judgement, Refusal};
use crate::wire::{Answer, FromHub, Inline, LogEntry, Welcome, encode};
use bytes::Bytes;
use tokio::sync::oneshot;

/// Content that rides along with one entry, in bytes; with the entry itself it stays below a frame.
pub const ENTRY_INLINE_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;

/// Whether the owner goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    On,
    End,
}

/// A commit with the answer it gets.
pub struct Judged {
    pub session: SessionId,
    pub number: CommitNumber,
    pub judgement: Judgement,
    pub inline: Vec<Inline>,
}

/// What is to be said about a request once its batch is durable.
pub enum Outcome {
    Hello {
        greeting: Box<Greeting>,
        welcomed: Result<(SessionId, Welcome), Refusal>,
    },
    Enrol {
        device: Device,
        enrolled: Result<FromHub, Rejected>,
        reply: oneshot::Sender<Result<FromHub, Rejected>>,
    },
    Judged(Box<Judged>),
    /// An answer that nothing was written for.
    Note {
        session: SessionId,
        number: CommitNumber,
        answer: Answer,
    },
    Barrier {
        session: SessionId,
        id: u64,
    },
    Admin {
        result: Result<Done, AdminError>,
        reply: oneshot::Sender<Result<AdminResponse, AdminError>>,
    },
}

impl Space {
    /// Says what is to be said; everything it rests on is durable.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Hello { greeting, welcomed } => self.welcome(*greeting, welcomed),
            Outcome::Enrol { device, enrolled, reply } => {
                if let Ok(FromHub::Enrolled { role, .. }) = &enrolled {
                    self.change_role(device, *role);
                }
                // Whoever asked may have gone; that changes nothing here, nor below.
                let _ = reply.send(enrolled);
            }
            Outcome::Judged(judged) => self.answer(*judged),
            Outcome::Note { session, number, answer } => self.note(session, number, answer),
            Outcome::Barrier { session, id } => self.barrier(session, id),
            Outcome::Admin { result, reply } => {
                if let Ok(Done { cut: Some(device), .. }) = &result {
                    self.cut(*device);
                }
                if result.as_ref().is_ok_and(|done| done.again) {
                    self.sessions.values().for_each(|session| session.outbox.push_note(&FromHub::TryAgain));
                }
                let _ = reply.send(result.map(|done| done.response));
            }
        }
    }

    /// Says what is to be said where nothing of the batch was written, for want of room.
    pub(super) fn give_up(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Hello { greeting, welcomed } => {
                if let Ok((id, _)) = &welcomed {
                    self.sessions.retain(|_, session| session.id != *id);
                }
                self.welcome_unwritten(*greeting);
            }
            Outcome::Enrol { enrolled: Ok(_), reply, .. } => {
                let _ = reply.send(Err(Rejected::NoRoom(NO_ROOM.to_owned())));
            }
            Outcome::Judged(judged) => self.note(judged.session, judged.number, no_room()),
            Outcome::Admin { result: Ok(_), reply } => {
                let _ = reply.send(Err(AdminError::Full));
            }
            other => self.settle(other),
        }
    }

    fn welcome(&mut self, greeting: Greeting, welcomed: Result<(SessionId, Welcome), Refusal>) {
        let (session, welcome) = match welcomed {
            Ok(welcomed) => welcomed,
            Err(refusal) => {
                let _ = greeting.reply.send(Err(Rejected::Refused(refusal)));
                return;
            }
        };
        let before = greeting.hello.member.map(|(_, member, _)| member);
        if before != Some(welcome.member) {
            let newcomer = FromHub::Members(vec![(welcome.member, welcome.name.clone())]);
            let others = self.sessions.values().filter(|other| other.id != session);
            others.for_each(|other| other.outbox.push_note(&newcomer));
        }
        // After a welcome even where there is none: the member may remember one that is gone.
        if let Some(welcomed) = self.session(session) {
            welcomed.outbox.push_news(&FromHub::Quota(self.hub.quota(&self.store)));
        }
        let names = self.hub.names(&self.store);
        let _ = greeting.reply.send(Ok(Greeted { session, welcome, names }));
    }

    /// Lets in a member that is known already although its new secret cannot be written down: the one it has
    /// shown stays its secret. A newcomer has to come again.
    fn welcome_unwritten(&mut self, greeting: Greeting) {
        let mut unwritten = Txn::new(&self.store);
        let shown = greeting.hello.member.map(|(_, member, shown)| (member, shown));
        let fresh = shown.map_or(greeting.fresh, |(_, shown)| shown);
        // A number that was another's could not be written down as this one's.
        let none_unused = |_| true;
        let welcomed = self.hub.hello(&mut unwritten, greeting.device, &greeting.hello, fresh, &none_unused);
        drop(unwritten);
        match welcomed {
            Ok(welcome) if shown.is_some_and(|(member, _)| member == welcome.member) => {
                let session = self.begin_session(&greeting, &welcome);
                self.set_unfenced(session);
                self.welcome(greeting, Ok((session, welcome)));
            }
            Ok(_) => {
                let _ = greeting.reply.send(Err(Rejected::NoRoom(NO_ROOM.to_owned())));
            }
            Err(refusal) => self.welcome(greeting, Err(refusal)),
        }
    }

    fn answer(&mut self, judged: Judged) {
        let Judged { session, number, judgement, inline } = judged;
        let answer = FromHub::Answer { number, answer: judgement.answer };
        let Some(entry) = judgement.entry else {
            return self.send_note(session, &answer);
        };
        let sequence = entry.sequence;
        // Its author has the content; the answer stands for the entry, in the entry's place.
        if let Some(author) = self.session(session) {
            author.outbox.push_entry(sequence, encode(&answer).into());
        }
        let others: Vec<MemberNumber> =
            self.sessions.values().filter(|other| other.id != session).map(|other| other.id.member).collect();
        if !others.is_empty() {
            let frame = entry_frame(entry, inline);
            let others = others.iter().filter_map(|member| self.sessions.get(member));
            others.for_each(|other| other.outbox.push_entry(sequence, frame.clone()));
        }
    }

    /// Tells everybody the quota where it is not as it was last; one message, whatever the batch had in it.
    pub(super) fn tell_quota(&mut self) {
        let quota = self.hub.quota(&self.store);
        if quota != self.quota {
            self.quota = quota;
            self.sessions.values().for_each(|session| session.outbox.push_news(&FromHub::Quota(quota)));
        }
    }

    fn note(&self, session: SessionId, number: CommitNumber, answer: Answer) {
        self.send_note(session, &FromHub::Answer { number, answer });
    }

    fn barrier(&self, session: SessionId, id: u64) {
        let head = self.hub.head(&self.store);
        self.send_note(session, &FromHub::Barrier { id, head });
    }

    fn send_note(&self, session: SessionId, message: &FromHub) {
        if let Some(session) = self.session(session) {
            session.outbox.push_note(message);
        }
    }
}

/// An entry as it goes to a member, with as much of the small content as fits.
pub fn entry_frame(entry: LogEntry, mut inline: Vec<Inline>) -> Bytes {
    let mut bytes = 0;
    inline.retain(|inline| {
        bytes += inline.bytes.len();
        bytes <= ENTRY_INLINE_BYTES_MAX
    });
    encode(&FromHub::Entry { entry, inline }).into()
}
