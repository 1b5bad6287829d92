//! One connection from its handshake to its end.

use super::clock::fresh_incarnation;
use super::content::ContentServer;
use super::feed::Feed;
use super::outbox::{Ending, Outbox};
use super::owner::{Enrolment, Greeted, Greeting, Rejected, Request, Said};
use super::reader::{Reader, ending_of};
use super::state::{HubState, OpenSpace};
use super::turns::Turn;
use super::writer::Writer;
use crate::net::{CloseCode, Connection, FrameReceiver, FrameSender, Incoming, TokenHash as NetTokenHash};
use crate::sync::hub::{Device, Refusal, TokenHash, check_format};
use crate::wire::{Enrol, FromHub, Hello, Opening, RefuseReason, Visit};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Who has not said what it wants by then is let go.
const OPENING_DEADLINE: Duration = Duration::from_secs(10);
/// How long a last message waits to be taken by a peer that takes nothing.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(5);
/// Connections with which one device visits.
pub const VISITS_EACH: usize = 64;
/// Connections from one address that have not been welcomed; so strangers do not keep everybody else out.
pub const STRANGERS_EACH: usize = 64;

/// Serves a connection attempt to its end. Nothing that happens here concerns any other.
pub async fn serve_connection(state: Arc<HubState>, incoming: Incoming) {
    let from = incoming.remote_addr();
    let connection = match incoming.handshake().await {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%from, %error, "no connection"),
    };
    // Not before the handshake, which shows that the address is the peer's.
    let Some(stranger) = state.strangers.take(neighbourhood(connection.remote_addr().ip())) else {
        let reason = "too many connections from this address have not said yet who they are";
        return connection.close(CloseCode::Stopping, reason);
    };
    let opened = timeout(OPENING_DEADLINE, async {
        let (sender, mut receiver) = connection.accept_control().await.ok()?;
        let opening = receiver.receive_message::<Opening>("opening").await;
        Some((sender, receiver, opening))
    });
    let Ok(Some((sender, receiver, opening))) = opened.await else {
        return connection.close(CloseCode::Refused, "no opening message came");
    };
    let peer = Peer { device: Device(connection.peer().fingerprint().0), state, connection, stranger };
    match opening {
        Ok(Some(Opening::Hello(hello))) => peer.hello(sender, receiver, hello).await,
        Ok(Some(Opening::Enrol(enrol))) => peer.enrol(sender, enrol).await,
        Ok(Some(Opening::Visit(visit))) => peer.visit((sender, receiver), visit).await,
        Ok(None) => peer.connection.close(CloseCode::Done, ""),
        Err(error) => match ending_of(error) {
            Ending::Refused(refusal) => refuse(&peer.connection, sender, refusal).await,
            _ => peer.connection.close(CloseCode::Done, ""),
        },
    }
    tracing::debug!(%from, "connection ended");
}

/// Addresses that one peer can be expected to have: an IPv6 network is given out as a whole.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Says why, and closes.
async fn refuse(connection: &Connection, mut sender: FrameSender, refusal: Refusal) {
    tracing::debug!(reason = ?refusal.reason, detail = %refusal.detail, "refused");
    let Refusal { reason, detail } = refusal;
    let code = match reason {
        RefuseReason::Malformed => CloseCode::Malformed,
        _ => CloseCode::Refused,
    };
    let message = FromHub::Refused { reason, detail: detail.clone() };
    match timeout(LAST_WORDS_PATIENCE, sender.send_message(&message)).await {
        Ok(Ok(())) => connection.close_after(sender, code, &detail).await,
        _ => connection.close(code, &detail),
    }
}

/// The other end of a connection, as far as it is known.
struct Peer {
    device: Device,
    state: Arc<HubState>,
    connection: Connection,
    /// Until it is welcomed.
    stranger: Turn<IpAddr>,
}

impl Peer {
    async fn enrol(self, mut sender: FrameSender, enrol: Enrol) {
        if let Err(refusal) = check_format(enrol.format) {
            return refuse(&self.connection, sender, refusal).await;
        }
        let Some(space) = self.state.space(&enrol.space) else {
            return refuse(&self.connection, sender, Refusal::unknown_invite()).await;
        };
        let token = TokenHash(NetTokenHash::of(&enrol.token).0);
        let (reply, answer) = oneshot::channel();
        let enrolment = Enrolment { device: self.device, token, enrol, reply };
        space.owner.send(Request::Enrol(Box::new(enrolment))).await;
        match answer.await {
            Ok(Ok(enrolled)) => match timeout(LAST_WORDS_PATIENCE, sender.send_message(&enrolled)).await {
                Ok(Ok(())) => self.connection.close_after(sender, CloseCode::Done, "enrolled").await,
                _ => self.connection.close(CloseCode::Done, "enrolled"),
            },
            Ok(Err(rejected)) => self.reject(sender, rejected).await,
            Err(_) => self.connection.close(CloseCode::Stopping, "the hub stops"),
        }
    }

    async fn reject(&self, sender: FrameSender, rejected: Rejected) {
        match rejected {
            Rejected::Refused(refusal) => refuse(&self.connection, sender, refusal).await,
            Rejected::NoRoom(reason) => self.connection.close(CloseCode::Stopping, &reason),
        }
    }

    async fn hello(self, sender: FrameSender, receiver: FrameReceiver, hello: Hello) {
        if let Err(refusal) = check_format(hello.format) {
            return refuse(&self.connection, sender, refusal).await;
        }
        // An outsider learns nothing from the difference between no such space and no such device.
        let Some(space) = self.state.space(&hello.space) else {
            return refuse(&self.connection, sender, Refusal::unknown()).await;
        };
        let outbox = Arc::new(Outbox::new());
        let (reply, answer) = oneshot::channel();
        let greeting = Greeting {
            device: self.device,
            hello: hello.clone(),
            fresh: fresh_incarnation(),
            outbox: outbox.clone(),
            reply,
        };
        space.owner.send(Request::Hello(Box::new(greeting))).await;
        match answer.await {
            Ok(Ok(greeted)) => self.converse((sender, receiver), space, greeted, hello, outbox).await,
            Ok(Err(rejected)) => self.reject(sender, rejected).await,
            Err(_) => self.connection.close(CloseCode::Stopping, "the hub stops"),
        }
    }

    /// Serves a device that only reads. It is no session of its space's owner: each of its requests asks anew whether
    /// it may.
    async fn visit(self, (mut sender, mut receiver): (FrameSender, FrameReceiver), visit: Visit) {
        if let Err(refusal) = check_format(visit.format) {
            return refuse(&self.connection, sender, refusal).await;
        }
        let store = self.state.store.clone();
        let space = self.state.space(&visit.space);
        let Some(space) = space.filter(|space| space.hub.role_of(&store, self.device).is_some()) else {
            return refuse(&self.connection, sender, Refusal::unknown()).await;
        };
        let Some(_turn) = self.state.visits.take(self.device) else {
            let reason = format!("this device visits with {VISITS_EACH} connections already");
            return self.connection.close(CloseCode::Stopping, &reason);
        };
        let visited = FromHub::Visited { space: space.hub.space(), head: space.hub.head(&store) };
        if !matches!(timeout(LAST_WORDS_PATIENCE, sender.send_message(&visited)).await, Ok(Ok(()))) {
            return self.connection.close(CloseCode::Done, "");
        }
        drop(self.stranger);
        let owner = space.owner.clone();
        let content = ContentServer { space, store, device: self.device, visits: true };
        let ending = tokio::select! {
            ending = content.run(self.connection.clone()) => ending,
            () = owner.ended() => Ending::Stopping("this space is served no longer".to_owned()),
            said = receiver.receive() => match said {
                Ok(Some(_)) => Ending::Refused(Refusal::new(RefuseReason::Malformed, "a visitor has nothing to say")),
                Ok(None) => Ending::Gone,
                Err(error) => ending_of(error),
            },
        };
        match ending {
            Ending::Refused(refusal) => refuse(&self.connection, sender, refusal).await,
            Ending::Gone => self.connection.close(CloseCode::Done, ""),
            Ending::Stopping(reason) => self.connection.close(CloseCode::Stopping, &reason),
        }
    }

    async fn converse(
        self,
        (sender, receiver): (FrameSender, FrameReceiver),
        space: OpenSpace,
        greeted: Greeted,
        hello: Hello,
        outbox: Arc<Outbox>,
    ) {
        drop(self.stranger);
        let session = greeted.session;
        let owner = space.owner.clone();
        let store = self.state.store.clone();
        tracing::info!(member = %greeted.welcome.name, from = %self.connection.remote_addr(), "connected");
        let feed = Feed {
            hub: space.hub,
            store: store.clone(),
            chunks: space.chunks.clone(),
            member: session.member,
            accepted: greeted.welcome.accepted,
        };
        let (device, snapshots) = (self.device, self.state.snapshots.clone());
        let writer = Writer { sender, outbox: outbox.clone(), feed, device, snapshots };
        let reader = Reader { receiver, session, owner: owner.clone(), state: self.state.clone() };
        let content = ContentServer { space, store, device: self.device, visits: false };
        let mut parts = JoinSet::new();
        let (connection, ending) = (self.connection.clone(), outbox.clone());
        parts.spawn(async move { ending.end(reader.run().await) });
        let ending = outbox.clone();
        let serving = parts.spawn(async move { ending.end(content.run(connection).await) });
        let (sender, ending) = writer.run(greeted, &hello).await;
        // Order: content ends before the last words, which may wait to be taken; the reader after them, because a
        // member that is told to say no more does not listen either.
        serving.abort();
        match ending {
            Ending::Refused(refusal) => refuse(&self.connection, sender, refusal).await,
            Ending::Gone => self.connection.close(CloseCode::Done, ""),
            Ending::Stopping(reason) => self.connection.close(CloseCode::Stopping, &reason),
        }
        parts.shutdown().await;
        owner.send(Request::Said { session, said: Said::Left, room: None }).await;
    }
}
