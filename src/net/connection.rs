//! One connection between two keys, and the streams on it.

use super::closing::{CloseCode, Closed};
use super::frame::{FrameReceiver, FrameSender};
use super::key::PublicKey;
use super::{tls, transport};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

/// Control goes before content wherever both have something to send.
const CONTROL_PRIORITY: i32 = 1;
const CONTENT_PRIORITY: i32 = 0;
/// How long a closing connection waits for its last words to be heard.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(2);

/// Both halves of a stream.
pub type FrameStream = (FrameSender, FrameReceiver);

/// A connection; clones are the same one. Dropping the last of it and its streams closes it.
///
/// The member dials and opens all streams, the hub accepts them. The first is the control stream, on which
/// the member must speak first; the others carry content.
#[derive(Clone, Debug)]
pub struct Connection {
    quinn: quinn::Connection,
    peer: PublicKey,
    /// The dialing side's own endpoint, which must outlive the connection to say goodbye.
    endpoint: Option<quinn::Endpoint>,
    admitted: Arc<Once>,
}

impl Connection {
    /// None where the peer has shown no key, which TLS does not let happen.
    pub(super) fn new(quinn: quinn::Connection, endpoint: Option<quinn::Endpoint>) -> Option<Connection> {
        let shown = quinn.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        let (first, others) = shown.split_first()?;
        let peer = tls::shown_key(first, others)?;
        Some(Connection { quinn, peer, endpoint, admitted: Arc::new(Once::new()) })
    }

    /// The key the peer has proved to hold.
    pub fn peer(&self) -> PublicKey {
        self.peer
    }

    /// Where the peer is now; this changes when it moves to another network.
    pub fn remote_addr(&self) -> SocketAddr {
        let address = self.quinn.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// The current estimate of a round trip.
    pub fn rtt(&self) -> Duration {
        self.quinn.rtt()
    }

    /// Opens the control stream; the member calls this first, and once.
    ///
    /// # Errors
    /// [`Closed`] where the connection is no more; so with all the methods below.
    pub async fn open_control(&self) -> Result<FrameStream, Closed> {
        self.open(CONTROL_PRIORITY).await
    }

    /// Takes the control stream, once the member has sent something on it; the hub calls this first, and once.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn accept_control(&self) -> Result<FrameStream, Closed> {
        self.accept(CONTROL_PRIORITY).await
    }

    /// Opens a content stream. Waits until the hub accepts content, and while
    /// [`super::CONTENT_STREAMS_MAX`] of them are open.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn open_content(&self) -> Result<FrameStream, Closed> {
        self.open(CONTENT_PRIORITY).await
    }

    /// Takes the next content stream. The first call gives the member leave to open any, and room for more
    /// than a first message; so a hub calls it only once it knows whom it talks to.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn accept_content(&self) -> Result<FrameStream, Closed> {
        self.admitted.call_once(|| transport::admit(&self.quinn));
        self.accept(CONTENT_PRIORITY).await
    }

    async fn open(&self, priority: i32) -> Result<FrameStream, Closed> {
        let (send, receive) = self.quinn.open_bi().await?;
        Ok((FrameSender::new(send, priority), FrameReceiver::new(receive)))
    }

    async fn accept(&self, priority: i32) -> Result<FrameStream, Closed> {
        let (send, receive) = self.quinn.accept_bi().await?;
        Ok((FrameSender::new(send, priority), FrameReceiver::new(receive)))
    }

    /// Closes at once; what is under way is lost. The peer is told `code` and `reason`.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.quinn.close(code.to_wire(), reason.as_bytes());
    }

    /// Ends the `last` stream, waits (2 s at most) until the peer has all of it, and closes; so that a last
    /// message can be read. The dialing side also waits (as long) until its goodbye is out.
    pub async fn close_after(&self, last: FrameSender, code: CloseCode, reason: &str) {
        if !last.finish(LAST_WORDS_PATIENCE).await {
            tracing::debug!(peer = %self.remote_addr(), "closing although the last message was not taken");
        }
        self.close(code, reason);
        if let Some(endpoint) = &self.endpoint {
            let _ = tokio::time::timeout(LAST_WORDS_PATIENCE, endpoint.wait_idle()).await;
        }
    }

    /// Waits for the end of the connection and returns its cause.
    pub async fn closed(&self) -> Closed {
        self.quinn.closed().await.into()
    }

    /// The cause of the connection's end, None while it lives.
    pub fn close_reason(&self) -> Option<Closed> {
        self.quinn.close_reason().map(Closed::from)
    }
}
