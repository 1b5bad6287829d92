//! Learning early that nobody listens.
//!
//! QUIC hears no refusal: a dead port is silence until a timeout. The kernel does hear it, on a socket that
//! is connected, so a byte is sent from such a socket beside the handshake; a hub ignores it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A probe may get lost, so it is repeated.
const INTERVAL: Duration = Duration::from_secs(1);

/// Completes when the network says that `address` cannot be reached, with what it says; never otherwise.
pub(super) async fn unreachable(address: SocketAddr) -> io::Error {
    match probe(address).await {
        Err(error) if tells(&error) => error,
        // Without a probe the handshake alone decides.
        _ => std::future::pending().await,
    }
}

async fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(unspecified(address)).await?;
    socket.connect(address).await?;
    let mut answer = [0; 1];
    loop {
        socket.send(&[0]).await?;
        if let Ok(heard) = timeout(INTERVAL, socket.recv(&mut answer)).await {
            heard?;
        }
    }
}

/// Whether the error is about the other end or the way there.
fn tells(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

/// Any port on this machine, in `address`'s family.
pub(super) fn unspecified(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    }
}
