//! The network edge: QUIC connections between keys, and frames on their streams.
//!
//! Invariant: whatever a peer sends, it costs this process bounded memory and at most that peer's own
//! connection; and a [`Connection`] exists only where the peer has proved to hold [`Connection::peer`]'s
//! key, and on the member's side only where that key is the hub's it was told to expect.
//! This layer does not know what messages mean, who may do what (any key connects; the hub decides at
//! the hello), nor when to try again: it connects once, when asked.

#![allow(
    clippy::disallowed_methods,
    reason = "an edge: sockets, clocks, randomness and the key file belong here"
)]

mod key;
mod identity;
mod token;
mod invite;
mod tls;
mod transport;
mod frame;
mod closing;
mod connection;
mod reset;
mod listen;
mod dial;
mod probe;
mod backoff;
mod watch;

pub use backoff::{Backoff, RETRY_DELAY_MAX, RETRY_DELAY_MIN};
pub use closing::{CloseCode, Closed};
pub use connection::{Connection, FrameStream};
pub use dial::{ConnectError, Dialer};
pub use frame::{FrameReceiver, FrameSender, ReceiveError, SendError};
pub use identity::{Identity, IdentityError};
pub use invite::{Invite, InviteError};
pub use key::{Fingerprint, InvalidFingerprint, PublicKey};
pub use listen::{HandshakeError, Incoming, Listener};
pub use token::{InvalidToken, Token, TokenHash};
pub use transport::{CONTENT_STREAMS_MAX, DEAD_AFTER, KEEP_ALIVE_INTERVAL};
pub use watch::NetworkWatch;

#[cfg(test)]
mod tests;
