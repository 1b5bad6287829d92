//! The network side of a member: dials the hub, again and again, and passes messages both ways.

use super::driver::Event;
use super::remote::Remote;
use crate::net::{
    Backoff, CloseCode, ConnectError, Connection, Dialer, FrameReceiver, Identity, NetworkWatch,
};
use crate::wire::{FromHub, FromMember, Hello, Opening};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Messages on their way to the hub, at most.
const OUTGOING_MAX: usize = 8;

/// Why there is no connection, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    Connecting,
    Connected,
    Unreachable(String),
}

/// What the link needs of the member.
pub trait Conversation: Send + Sync + 'static {
    /// The hello to open with.
    fn hello(&self) -> Hello;
    fn state(&self, state: LinkState);
    /// Content moves for as long as the returned task runs.
    fn content(self: Arc<Self>, connection: Connection) -> tokio::task::JoinHandle<()>;
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
                let ended = converse(&member, connection, &events, &mut backoff).await;
                member.state(LinkState::Unreachable(ended));
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

/// One conversation, from hello to its end; returns how it ended.
async fn converse<C: Conversation>(
    member: &Arc<C>,
    connection: Connection,
    events: &mpsc::Sender<Event>,
    backoff: &mut Backoff,
) -> String {
    let (mut sender, receiver) = match connection.open_control().await {
        Ok(stream) => stream,
        Err(closed) => return closed.to_string(),
    };
    let hello = Opening::Hello(member.hello());
    if let Err(error) = sender.send_message(&hello).await {
        return error.to_string();
    }
    let (outgoing, mut to_send) = mpsc::channel::<FromMember>(OUTGOING_MAX);
    if events.send(Event::Connected(outgoing)).await.is_err() {
        return "stopping".into();
    }
    let content = member.clone().content(connection.clone());
    let sending = async {
        while let Some(message) = to_send.recv().await {
            if let Err(error) = sender.send_message(&message).await {
                return error.to_string();
            }
        }
        "stopping".to_string()
    };
    let ended = tokio::select! {
        ended = receive(receiver, events, backoff, member.as_ref()) => ended,
        ended = sending => ended,
        () = events.closed() => "stopping".to_string(),
    };
    content.abort();
    connection.close(CloseCode::Done, "the conversation is over");
    ended
}

async fn receive<C: Conversation>(
    mut receiver: FrameReceiver,
    events: &mpsc::Sender<Event>,
    backoff: &mut Backoff,
    member: &C,
) -> String {
    loop {
        match receiver.receive_message::<FromHub>("message of the hub").await {
            Ok(Some(message)) => {
                let refused =
                    if let FromHub::Refused { detail, .. } = &message { Some(detail.clone()) } else { None };
                if matches!(message, FromHub::Welcome(_)) {
                    backoff.reset();
                    member.state(LinkState::Connected);
                }
                if events.send(Event::Hub(message)).await.is_err() {
                    return "stopping".into();
                }
                if let Some(detail) = refused {
                    return detail;
                }
            }
            Ok(None) => return "the hub ended the conversation".into(),
            Err(error) => return error.to_string(),
        }
    }
}
