//! The network side of a member: dials the hub, again and again, and passes messages both ways.

use super::driver::Event;
use super::remote::Remote;
use crate::net::{
    Backoff, CloseCode, ConnectError, Connection, Dialer, FrameReceiver, FrameSender, Identity, NetworkWatch,
};
use crate::wire::{FromHub, FromMember, Opening};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Messages on their way to the hub, at most.
const OUTGOING_MAX: usize = 8;

/// Why there is no connection, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    Connecting,
    Connected,
    Unreachable(String),
    /// The hub answers, and wants nothing to do with this member.
    Refused(String),
}

/// What the driver gives to the link.
pub enum Outgoing {
    Message(FromMember),
    /// This side ends the conversation, for a reason that is told to people.
    End(String),
}

/// What the link needs of the member.
pub trait Conversation: Send + Sync + 'static {
    fn state(&self, state: LinkState);
    /// Content moves for as long as the returned task runs.
    fn content(self: Arc<Self>, connection: Connection) -> tokio::task::JoinHandle<()>;
}

/// How a conversation ended.
enum Ended {
    /// The network or the hub's process went away.
    Gone(String),
    Refused(String),
    /// This side ended it, for a reason that the next attempt may find again.
    HereBecause(String),
    Stopping,
}

/// Keeps the conversation going until the driver is gone.
pub async fn run<C: Conversation>(
    remote: Remote,
    identity: Identity,
    member: Arc<C>,
    events: mpsc::Sender<Event>,
) {
    let dialer = Dialer::new(&identity);
    let (mut backoff, mut watch) = (Backoff::new(), NetworkWatch::new());
    while !events.is_closed() {
        member.state(LinkState::Connecting);
        let dialed = dialer.connect(&remote.host, remote.port, remote.hub, CONNECT_DEADLINE).await;
        match dialed {
            Ok(connection) => {
                let (ended, welcomed) = converse(&member, connection, &events).await;
                member.state(match ended {
                    Ended::Gone(why) => {
                        if welcomed {
                            backoff.reset();
                        }
                        LinkState::Unreachable(why)
                    }
                    Ended::HereBecause(why) => LinkState::Unreachable(why),
                    Ended::Refused(why) => LinkState::Refused(why),
                    Ended::Stopping => return,
                });
                if events.send(Event::Ended).await.is_err() {
                    return;
                }
            }
            Err(error) => member.state(LinkState::Unreachable(explain(&error))),
        }
        let delay = backoff.next_delay();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = watch.changed() => backoff.reset(),
            () = events.closed() => return,
        }
    }
}

fn explain(error: &ConnectError) -> String {
    error.to_string()
}

/// One conversation, from hello to its end; returns how it ended, and whether it ever began.
async fn converse<C: Conversation>(
    member: &Arc<C>,
    connection: Connection,
    events: &mpsc::Sender<Event>,
) -> (Ended, bool) {
    let (mut sender, receiver) = match connection.open_control().await {
        Ok(stream) => stream,
        Err(closed) => return (Ended::Gone(closed.to_string()), false),
    };
    // Order: the driver makes the hello when it has taken all that the last conversation brought.
    let (ask, hello) = oneshot::channel();
    let (outgoing, to_send) = mpsc::channel(OUTGOING_MAX);
    if events.send(Event::Connected(outgoing, ask)).await.is_err() {
        return (Ended::Stopping, false);
    }
    let Ok(hello) = hello.await else { return (Ended::Stopping, false) };
    if let Err(error) = sender.send_message(&Opening::Hello(hello)).await {
        return (Ended::Gone(error.to_string()), false);
    }
    let content = member.clone().content(connection.clone());
    let mut welcomed = false;
    let ended = tokio::select! {
        ended = receive(receiver, events, member.as_ref(), &mut welcomed) => ended,
        ended = send(sender, to_send) => ended,
        () = events.closed() => Ended::Stopping,
    };
    content.abort();
    connection.close(CloseCode::Done, "the conversation is over");
    (ended, welcomed)
}

async fn send(mut sender: FrameSender, mut to_send: mpsc::Receiver<Outgoing>) -> Ended {
    while let Some(outgoing) = to_send.recv().await {
        match outgoing {
            Outgoing::Message(message) => {
                if let Err(error) = sender.send_message(&message).await {
                    return Ended::Gone(error.to_string());
                }
            }
            Outgoing::End(why) => return Ended::HereBecause(why),
        }
    }
    Ended::HereBecause("this member ended the conversation; its log says why".into())
}

async fn receive<C: Conversation>(
    mut receiver: FrameReceiver,
    events: &mpsc::Sender<Event>,
    member: &C,
    welcomed: &mut bool,
) -> Ended {
    loop {
        match receiver.receive_message::<FromHub>("message of the hub").await {
            Ok(Some(message)) => {
                let refused =
                    if let FromHub::Refused { detail, .. } = &message { Some(detail.clone()) } else { None };
                if matches!(message, FromHub::Welcome(_)) {
                    *welcomed = true;
                    member.state(LinkState::Connected);
                }
                if events.send(Event::Hub(message)).await.is_err() {
                    return Ended::Stopping;
                }
                if let Some(detail) = refused {
                    return Ended::Refused(detail);
                }
            }
            Ok(None) => return Ended::Gone("the hub ended the conversation".into()),
            Err(error) => return Ended::Gone(error.to_string()),
        }
    }
}
