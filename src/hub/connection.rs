//! One connection from its handshake to its end.

use super::clock::fresh_incarnation;
use super::content::ContentServer;
use super::feed::Feed;
use super::outbox::{Ending, Outbox};
use super::owner::{Enrolment, Greeted, Greeting, Rejected, Request, Said};
use super::reader::{Reader, ending_of};
use super::state::{HubState, OpenSpace};
use super::writer::Writer;
use crate::net::{CloseCode, Connection, FrameReceiver, FrameSender, Incoming, TokenHash as NetTokenHash};
use crate::sync::hub::{Device, Refusal, TokenHash};
use crate::wire::{Enrol, FromHub, Hello, Opening, RefuseReason};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Who has not said what it wants by then is let go.
const OPENING_DEADLINE: Duration = Duration::from_secs(10);

/// Serves a connection attempt to its end. Nothing that happens here concerns any other.
pub async fn serve_connection(state: Arc<HubState>, incoming: Incoming) {
    let from = incoming.remote_addr();
    let connection = match incoming.handshake().await {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%from, %error, "no connection"),
    };
    let opened = timeout(OPENING_DEADLINE, async {
        let (sender, mut receiver) = connection.accept_control().await.ok()?;
        let opening = receiver.receive_message::<Opening>("opening").await;
        Some((sender, receiver, opening))
    });
    let Ok(Some((sender, receiver, opening))) = opened.await else {
        return connection.close(CloseCode::Refused, "no opening message came");
    };
    let peer = Peer { device: Device(connection.peer().fingerprint().0), state, connection };
    match opening {
        Ok(Some(Opening::Hello(hello))) => peer.hello(sender, receiver, hello).await,
        Ok(Some(Opening::Enrol(enrol))) => peer.enrol(sender, enrol).await,
        Ok(None) => peer.connection.close(CloseCode::Done, ""),
        Err(error) => match ending_of(error) {
            Ending::Refused(refusal) => refuse(&peer.connection, sender, refusal).await,
            _ => peer.connection.close(CloseCode::Done, ""),
        },
    }
    tracing::debug!(%from, "connection ended");
}

/// Says why, and closes.
pub async fn refuse(connection: &Connection, mut sender: FrameSender, refusal: Refusal) {
    tracing::debug!(reason = ?refusal.reason, detail = %refusal.detail, "refused");
    let Refusal { reason, detail } = refusal;
    let code = match reason {
        RefuseReason::Malformed => CloseCode::Malformed,
        _ => CloseCode::Refused,
    };
    let told = sender.send_message(&FromHub::Refused { reason, detail: detail.clone() }).await;
    match told {
        Ok(()) => connection.close_after(sender, code, &detail).await,
        Err(_) => connection.close(code, &detail),
    }
}

/// The other end of a connection, as far as it is known.
struct Peer {
    device: Device,
    state: Arc<HubState>,
    connection: Connection,
}

impl Peer {
    async fn enrol(self, mut sender: FrameSender, enrol: Enrol) {
        let Some(space) = self.state.space(&enrol.space) else {
            return refuse(&self.connection, sender, Refusal::unknown_invite()).await;
        };
        let token = TokenHash(NetTokenHash::of(&enrol.token).0);
        let (reply, answer) = oneshot::channel();
        let enrolment = Enrolment { device: self.device, token, enrol, reply };
        space.owner.send(Request::Enrol(Box::new(enrolment))).await;
        match answer.await {
            Ok(Ok(enrolled)) => {
                if sender.send_message(&enrolled).await.is_ok() {
                    self.connection.close_after(sender, CloseCode::Done, "enrolled").await;
                }
            }
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

    async fn converse(
        self,
        (sender, receiver): (FrameSender, FrameReceiver),
        space: OpenSpace,
        greeted: Greeted,
        hello: Hello,
        outbox: Arc<Outbox>,
    ) {
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
        let writer = Writer { sender, outbox: outbox.clone(), feed };
        let reader = Reader { receiver, session, owner: owner.clone(), state: self.state.clone() };
        let content = ContentServer { space, store, device: self.device };
        let mut parts = JoinSet::new();
        let (connection, ending) = (self.connection.clone(), outbox.clone());
        parts.spawn(async move { ending.end(reader.run().await) });
        let ending = outbox.clone();
        parts.spawn(async move { ending.end(content.run(connection).await) });
        // The writer has the last word; when it has said it the others have nothing left to do.
        writer.run(&self.connection, greeted, &hello).await;
        parts.shutdown().await;
        owner.send(Request::Said { session, said: Said::Left, room: None }).await;
    }
}
