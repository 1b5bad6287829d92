//! The owner of a space: the thread through which everything about the space goes.

use super::admin::{AdminError, AdminRequest, AdminResponse};
use super::batch::Flow;
use super::chunks::Packed;
use super::gc::Sweep;
use super::outbox::Outbox;
use super::space::Space;
use super::wanting::Want;
use crate::model::{Incarnation, MemberName, MemberNumber, Sequence};
use crate::sync::hub::{Device, Refusal, TokenHash};
use crate::wire::{Enrol, FromHub, Hello, Inline, SealedCommit, Welcome};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Requests that wait for the owner; the senders of more wait themselves.
const REQUESTS_MAX: usize = 64;
/// Ops and requests judged before one write makes them durable.
const BATCH_OPS_MAX: usize = 2_000;
const BATCH_REQUESTS_MAX: usize = 64;

/// One connection's conversation with a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId {
    pub member: MemberNumber,
    /// Tells this connection of the member from earlier ones.
    pub number: u64,
}

/// Why an opening got no welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    Refused(Refusal),
    /// It cannot be written down now.
    NoRoom(String),
}

/// A welcome and what comes with it.
#[derive(Debug)]
pub struct Greeted {
    pub session: SessionId,
    pub welcome: Welcome,
    pub names: Vec<(MemberNumber, MemberName)>,
}

pub struct Greeting {
    pub device: Device,
    pub hello: Hello,
    pub fresh: Incarnation,
    pub outbox: Arc<Outbox>,
    pub reply: oneshot::Sender<Result<Greeted, Rejected>>,
}

pub struct Enrolment {
    pub device: Device,
    pub token: TokenHash,
    pub enrol: Enrol,
    pub reply: oneshot::Sender<Result<FromHub, Rejected>>,
}

/// What a member says after its welcome.
pub enum Said {
    Commit {
        commit: SealedCommit,
        /// Verified by whoever received it.
        inline: Vec<Inline>,
        packed: Vec<Packed>,
    },
    Barrier(u64),
    Applied(Sequence),
    /// It has looked for what was wanted of it.
    Looked(u64),
    /// Its connection has ended.
    Left,
}

pub enum Request {
    Hello(Box<Greeting>),
    Enrol(Box<Enrolment>),
    Said {
        session: SessionId,
        said: Said,
        /// Held until the request is done with, so that what waits here is bounded in bytes.
        room: Option<OwnedSemaphorePermit>,
    },
    Admin {
        request: AdminRequest,
        reply: oneshot::Sender<Result<AdminResponse, AdminError>>,
    },
    /// Contents that nothing needs are removed.
    Sweep(Sweep),
    /// Members are asked for chunks.
    Want(Want),
    /// The space is removed: everybody is told, and the owner ends.
    Retire,
    /// The hub stops: the owner ends.
    Stop,
}

/// A running owner.
#[derive(Debug)]
pub struct Owner {
    requests: mpsc::Sender<Request>,
    thread: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    /// Starts a space's owner. `failed` is called if it has to give up.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(space: Space, failed: impl Fn(String) + Send + 'static) -> std::io::Result<Owner> {
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let run = move || {
            // The state on disk may be unreadable, which the store says by a panic.
            let ended = catch_unwind(AssertUnwindSafe(|| run(space, queue)));
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => failed(reason),
                Err(_) => failed("a space's owner failed; the log says why".to_owned()),
            }
        };
        let thread = std::thread::Builder::new().name("space".into()).spawn(run)?;
        Ok(Owner { requests, thread: parking_lot::Mutex::new(Some(thread)) })
    }

    /// Hands in a request, waiting for its turn; false where the owner has ended.
    pub async fn send(&self, request: Request) -> bool {
        self.requests.send(request).await.is_ok()
    }

    /// Waits until the owner takes no more requests, since the hub stops or the space was removed.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    /// Hands in a request as [`Owner::send`] does, for a thread that serves nobody else.
    pub fn send_blocking(&self, request: Request) -> bool {
        self.requests.blocking_send(request).is_ok()
    }

    /// Waits until the owner has ended; it must have been told to. Blocks the thread.
    pub fn join(&self) {
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("a space's owner ended badly");
        }
    }
}

/// Serves requests until told to end, or until every sender is gone.
fn run(mut space: Space, mut queue: mpsc::Receiver<Request>) -> Result<(), String> {
    while let Some(first) = queue.blocking_recv() {
        let mut ops = ops_of(&first);
        let mut requests = vec![first];
        while ops < BATCH_OPS_MAX && requests.len() < BATCH_REQUESTS_MAX {
            let Ok(request) = queue.try_recv() else { break };
            ops += ops_of(&request);
            requests.push(request);
        }
        if space.process(requests)? == Flow::End {
            break;
        }
    }
    Ok(())
}

fn ops_of(request: &Request) -> usize {
    match request {
        Request::Said { said: Said::Commit { commit, .. }, .. } => commit.commit.ops.len(),
        _ => 0,
    }
}
