//! A space as its owner holds it: the state machine, the store, and who is connected.

use super::admin::{AdminContext, AdminError, AdminRequest, administer};
use super::batch::{Flow, Judged, Outcome};
use super::chunks::{Packed, SpaceChunks};
use super::clock::now;
use super::gc::{self, Sweep};
use super::outbox::{Ending, Outbox};
use super::owner::{Enrolment, Greeting, Rejected, Request, Said, SessionId};
use super::wanting::Wanting;
use crate::model::{MemberNumber, Quota, Role, Timestamp};
use crate::store::RocksStore;
use crate::sync::hub::{Device, HubSync, Refusal};
use crate::sync::{Durability, Store, Txn, WriteError};
use crate::wire::{Answer, FromHub, Inline, RefuseReason, SealedCommit, Welcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Connections that one device may have to a space.
pub(super) const SESSIONS_EACH: usize = 256;

/// A connected member.
pub struct Session {
    pub id: SessionId,
    pub device: Device,
    pub role: Role,
    pub outbox: Arc<Outbox>,
    pub since: Timestamp,
    /// Its hello could not be written down, so neither could its fence.
    pub unfenced: bool,
}

pub struct Space {
    pub(super) hub: HubSync,
    pub(super) store: RocksStore,
    pub(super) chunks: SpaceChunks,
    pub(super) admin: AdminContext,
    pub(super) sessions: BTreeMap<MemberNumber, Session>,
    /// As all who are connected have been told.
    pub(super) quota: Option<Quota>,
    sessions_begun: u64,
    pub(super) wanting: Option<Wanting>,
    pub(super) wants_made: u64,
}

/// A member's commit on its way to be judged.
struct Commit {
    session: SessionId,
    commit: SealedCommit,
    inline: Vec<Inline>,
}

/// A batch under way: what it writes, and what is to be said once that is durable.
pub(super) struct Work<'a> {
    pub txn: Txn<'a, RocksStore>,
    pub outcomes: Vec<Outcome>,
    pub durability: Durability,
    pub flow: Flow,
    /// Members whose fence is among the writes.
    pub fenced: Vec<SessionId>,
}

impl Space {
    pub fn new(hub: HubSync, store: RocksStore, admin: AdminContext) -> Space {
        let chunks = SpaceChunks::new(hub.space(), store.chunks());
        let quota = hub.quota(&store);
        Space {
            hub,
            store,
            chunks,
            admin,
            quota,
            sessions: BTreeMap::new(),
            sessions_begun: 0,
            wanting: None,
            wants_made: 0,
        }
    }

    /// Judges requests, makes what they write durable in one step, and then answers and fans out.
    ///
    /// # Errors
    /// The store cannot be written, for another reason than a full device: the hub has to stop.
    pub fn process(&mut self, requests: Vec<Request>) -> Result<Flow, String> {
        let store = self.store.clone();
        let txn = Txn::new(&store);
        let (durability, flow) = (Durability::Process, Flow::On);
        let mut work = Work { txn, outcomes: vec![], durability, flow, fenced: vec![] };
        for request in requests {
            self.handle(&mut work, request);
        }
        let Work { txn, outcomes, durability, flow, fenced } = work;
        let batch = txn.into_batch();
        let written = if batch.is_empty() { Ok(()) } else { store.commit(batch, durability) };
        match written {
            Ok(()) => {
                outcomes.into_iter().for_each(|outcome| self.settle(outcome));
                // Order: after the answers, so that no member counts what it has sent twice.
                self.tell_quota();
            }
            Err(WriteError::Full) => {
                // Order: before sessions begin anew, which know best what is written of them.
                fenced.into_iter().for_each(|session| self.set_unfenced(session));
                outcomes.into_iter().for_each(|outcome| self.give_up(outcome));
            }
            Err(WriteError::Failed(reason)) => return Err(reason),
        }
        if flow == Flow::End {
            self.sessions.clear();
        }
        self.check_wanting();
        Ok(flow)
    }

    fn handle(&mut self, work: &mut Work, request: Request) {
        match request {
            Request::Hello(greeting) => self.hello(work, greeting),
            Request::Enrol(enrolment) => self.enrol(work, *enrolment),
            Request::Said { session, said, room } => {
                self.said(work, session, said);
                drop(room);
            }
            Request::Admin { request, reply } => {
                let result = self.administer(work, request);
                work.outcomes.push(Outcome::Admin { result, reply });
            }
            Request::Sweep(Sweep { marks, some, reply }) => {
                let swept = gc::remove(&self.hub, &work.txn, &self.chunks, &marks, some);
                // Whoever asked may have gone.
                let _ = reply.send(swept);
            }
            Request::Want(want) => self.want(want),
            Request::Retire => {
                let refusal = Refusal::new(RefuseReason::Removed, "this space was removed");
                self.end_all(&Ending::Refused(refusal));
                work.flow = Flow::End;
            }
            Request::Stop => {
                self.end_all(&Ending::Stopping("the hub stops".to_owned()));
                work.flow = Flow::End;
            }
        }
    }

    fn hello(&mut self, work: &mut Work, greeting: Box<Greeting>) {
        let of_device = self.sessions.values().filter(|session| session.device == greeting.device);
        if of_device.count() >= SESSIONS_EACH {
            let reason = format!("this device has {SESSIONS_EACH} connections to this space already");
            // Whoever asked may have gone.
            let _ = greeting.reply.send(Err(Rejected::NoRoom(reason)));
            return;
        }
        work.durability = Durability::Power;
        let Greeting { device, hello, fresh, .. } = &*greeting;
        let connected = |member| self.sessions.contains_key(&member);
        let welcomed = self.hub.hello(&mut work.txn, *device, hello, *fresh, &connected);
        let welcomed = welcomed.map(|welcome| {
            let session = self.begin_session(&greeting, &welcome);
            (session, welcome)
        });
        work.outcomes.push(Outcome::Hello { greeting, welcomed });
    }

    /// Enters a session in place of the member's earlier one, whose commits count no more from here on.
    pub(super) fn begin_session(&mut self, greeting: &Greeting, welcome: &Welcome) -> SessionId {
        self.sessions_begun += 1;
        let id = SessionId { member: welcome.member, number: self.sessions_begun };
        greeting.outbox.begin(welcome.head);
        let session = Session {
            id,
            device: greeting.device,
            role: welcome.role,
            outbox: greeting.outbox.clone(),
            since: now(),
            unfenced: false,
        };
        if let Some(earlier) = self.sessions.insert(welcome.member, session) {
            let refusal = Refusal::new(RefuseReason::Replaced, "this member has connected anew");
            earlier.outbox.end(Ending::Refused(refusal));
        }
        id
    }

    fn enrol(&mut self, work: &mut Work, enrolment: Enrolment) {
        work.durability = Durability::Power;
        let Enrolment { device, token, enrol, reply } = enrolment;
        let enrolled = self.hub.enrol(&mut work.txn, device, token, &enrol, now());
        work.outcomes.push(Outcome::Enrol { device, enrolled: enrolled.map_err(Rejected::Refused), reply });
    }

    fn said(&mut self, work: &mut Work, session: SessionId, said: Said) {
        // What an earlier connection of the member still had queued is dropped.
        if self.session(session).is_none() {
            return;
        }
        match said {
            Said::Commit { commit, inline, packed } => {
                let commit = Commit { session, commit, inline };
                self.commit(work, commit, packed);
            }
            Said::Barrier(id) => work.outcomes.push(Outcome::Barrier { session, id }),
            Said::Applied(sequence) => self.hub.applied(&mut work.txn, session.member, sequence),
            Said::Looked(id) => self.looked(session, id),
            Said::Left => drop(self.sessions.remove(&session.member)),
        }
    }

    fn commit(&mut self, work: &mut Work, commit: Commit, packed: Vec<Packed>) {
        let Commit { session, commit, inline } = commit;
        let number = commit.commit.number;
        let may_write = self.session(session).is_some_and(|session| session.role >= Role::Writer);
        // Order: content before the entry that needs it, in one log of the store, which is synced as a whole.
        if may_write && self.chunks.keep_inline(packed).is_err() {
            return work.outcomes.push(Outcome::Note { session, number, answer: no_room() });
        }
        self.fence_anew(work, session);
        let judgement = self.hub.commit(&mut work.txn, session.member, commit, &self.chunks, now());
        let Some(judgement) = judgement else { return };
        if judgement.entry.is_some() {
            work.durability = Durability::Power;
        }
        work.outcomes.push(Outcome::Judged(Box::new(Judged { session, number, judgement, inline })));
    }

    fn fence_anew(&mut self, work: &mut Work, session: SessionId) {
        let unfenced = self.sessions.get_mut(&session.member).filter(|session| session.unfenced);
        if let Some(session) = unfenced {
            // The rest of the batch sees the fence; if the batch is not written, it has to be made again.
            session.unfenced = false;
            self.hub.fence(&mut work.txn, session.id.member);
            work.fenced.push(session.id);
        }
    }

    /// Remembers that a session's fence is not written down.
    pub(super) fn set_unfenced(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id.member).filter(|session| session.id == id) {
            session.unfenced = true;
        }
    }

    fn administer(
        &mut self,
        work: &mut Work,
        request: AdminRequest,
    ) -> Result<super::admin::Done, AdminError> {
        work.durability = Durability::Power;
        let sessions = &self.sessions;
        let connected = |member| sessions.get(&member).map(|session: &Session| session.since);
        administer(&self.hub, &mut work.txn, request, &self.admin, &connected)
    }

    /// The session, if it is still the member's.
    pub(super) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id.member).filter(|session| session.id == id)
    }

    fn end_all(&mut self, ending: &Ending) {
        self.sessions.values().for_each(|session| session.outbox.end(ending.clone()));
    }

    /// Cuts all connections of a device.
    pub(super) fn cut(&mut self, device: Device) {
        let refusal = Refusal::new(RefuseReason::Revoked, "an administrator has revoked this device");
        for session in self.sessions.values().filter(|session| session.device == device) {
            session.outbox.end(Ending::Refused(refusal.clone()));
        }
        self.sessions.retain(|_, session| session.device != device);
    }

    /// Tells a device's members their new role.
    pub(super) fn change_role(&mut self, device: Device, role: Role) {
        let sessions = self.sessions.values_mut();
        for session in sessions.filter(|session| session.device == device && session.role != role) {
            session.role = role;
            session.outbox.push_note(&FromHub::Role(role));
        }
    }
}

/// What a member is told while nothing can be written.
pub(super) fn no_room() -> Answer {
    Answer::Wait { reason: NO_ROOM.to_owned() }
}

pub(super) const NO_ROOM: &str = "the hub has no room: its disk is full";
