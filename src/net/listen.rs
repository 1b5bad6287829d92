//! The accepting side.
//!
//! Invariant: accepting never waits for a peer. A handshake runs in whatever task calls
//! [`Incoming::handshake`], has a deadline, and above a number of unfinished ones a peer must first prove
//! that it is where it says (a retry), above a larger number it is turned away.

use super::closing::{CloseCode, Closed};
use super::connection::Connection;
use super::identity::Identity;
use super::{reset, tls, transport};
use quinn::crypto::rustls::QuicServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, time::Duration};
use tokio::time::timeout;

/// A peer that has not finished its handshake by then is given up.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// With this many handshakes unfinished, addresses are validated before more are begun,
const HANDSHAKES_BEFORE_RETRY: usize = 32;
/// and with this many no more are begun.
const HANDSHAKES_MAX: usize = 512;

/// A UDP port on which connections are accepted; clones are the same one.
#[derive(Clone, Debug)]
pub struct Listener {
    endpoint: quinn::Endpoint,
    unfinished: Arc<AtomicUsize>,
}

/// A connection attempt of which nothing is known yet but where it says it comes from.
#[derive(Debug)]
pub struct Incoming {
    incoming: quinn::Incoming,
    slot: Slot,
}

/// Why a connection attempt came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error("the handshake took longer than {} s", HANDSHAKE_DEADLINE.as_secs())]
    TimedOut,
    #[error("the handshake failed: {0}")]
    Failed(Closed),
    #[error("the peer has shown no key")]
    NoKey,
}

/// Counts one unfinished handshake while it lives.
#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(counter: &Arc<AtomicUsize>) -> Slot {
        counter.fetch_add(1, Ordering::Relaxed);
        Slot(counter.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Listener {
    /// Binds the UDP port `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// What the system says, for instance that the port is in use.
    pub fn bind(address: SocketAddr, identity: &Identity) -> io::Result<Listener> {
        let crypto = QuicServerConfig::try_from(tls::server_config(identity)).map_err(io::Error::other)?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport::accepting()));
        transport::bound_incoming(&mut config);
        let endpoint = transport::endpoint(address, reset::endpoint_config(identity), Some(config))?;
        Ok(Listener { endpoint, unfinished: Arc::default() })
    }

    /// Where this listens, with the port it was given.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Waits for the next connection attempt; None once the listener is closed.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            let incoming = self.endpoint.accept().await?;
            let unfinished = self.unfinished.load(Ordering::Relaxed);
            if unfinished >= HANDSHAKES_MAX {
                incoming.refuse();
            } else if unfinished >= HANDSHAKES_BEFORE_RETRY && !incoming.remote_address_validated() {
                // Fails only where the address is validated, which it is not.
                let _ = incoming.retry();
            } else {
                return Some(Incoming { incoming, slot: Slot::take(&self.unfinished) });
            }
        }
    }

    /// Closes the port and every connection on it, telling the peers `code` and `reason`.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.endpoint.close(code.to_wire(), reason.as_bytes());
    }

    /// Waits until all peers have been told that their connections are closed, `patience` at most.
    pub async fn wait_idle(&self, patience: Duration) {
        let _ = timeout(patience, self.endpoint.wait_idle()).await;
    }
}

impl Incoming {
    /// Where the attempt says it comes from.
    pub fn remote_addr(&self) -> SocketAddr {
        let address = self.incoming.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// Completes the handshake, within 10 s. To be called in a task of its own.
    ///
    /// # Errors
    /// [`HandshakeError`]; none of them is this side's fault.
    pub async fn handshake(self) -> Result<Connection, HandshakeError> {
        let Incoming { incoming, slot: _slot } = self;
        let failed = |error| HandshakeError::Failed(Closed::from(error));
        let connecting = incoming.accept().map_err(failed)?;
        let connection = timeout(HANDSHAKE_DEADLINE, connecting).await;
        let connection = connection.map_err(|_| HandshakeError::TimedOut)?.map_err(failed)?;
        Connection::new(connection, None).ok_or(HandshakeError::NoKey)
    }
}
