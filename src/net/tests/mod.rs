//! Tests over loopback: two ends in one process, real sockets.

mod connecting;
mod frames;
mod hostile;
mod network;
mod relay;
mod throughput;
mod watch;

use super::*;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Far longer than anything here takes; it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A listener with a key of its own.
struct Hub {
    listener: Listener,
    identity: Identity,
    address: SocketAddr,
}

impl Hub {
    fn start() -> Hub {
        let identity = Identity::generate();
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &identity).unwrap();
        let address = listener.local_addr().unwrap();
        Hub { listener, identity, address }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.identity.public_key().fingerprint()
    }

    /// Waits for the next connection.
    async fn accept(&self) -> Result<Connection, HandshakeError> {
        self.listener.accept().await.unwrap().handshake().await
    }

    async fn dial(&self, member: &Identity) -> Result<Connection, ConnectError> {
        let port = self.address.port();
        Dialer::new(member).connect("127.0.0.1", port, self.fingerprint(), PATIENCE).await
    }

    /// Both ends of a new connection, the hub's first.
    async fn pair(&self) -> (Connection, Connection) {
        let member = Identity::generate();
        let (accepted, dialed) = tokio::join!(self.accept(), self.dial(&member));
        (accepted.unwrap(), dialed.unwrap())
    }
}

/// Two ends of a connection with its control stream open, and the hub they hang on.
struct Line {
    _hub: Hub,
    hub_side: Connection,
    member_side: Connection,
    hub_control: FrameStream,
    member_control: FrameStream,
}

impl Line {
    async fn open() -> Line {
        let hub = Hub::start();
        let (hub_side, member_side) = hub.pair().await;
        let mut member_control = member_side.open_control().await.unwrap();
        member_control.0.send(b"hello").await.unwrap();
        let mut hub_control = hub_side.accept_control().await.unwrap();
        assert_eq!(hub_control.1.receive().await, Ok(Some(b"hello".to_vec())));
        Line { _hub: hub, hub_side, member_side, hub_control, member_control }
    }
}

/// Fails the test instead of letting it hang.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("this ends soon")
}
