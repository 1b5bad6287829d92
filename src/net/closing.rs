//! Why a connection ended.

use quinn::{ConnectionError, VarInt};
use std::fmt;

/// The number one side gives the other when it closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// Nothing more to say.
    Done,
    /// The peer sent what cannot be understood.
    Malformed,
    /// The peer is not served, or not any more.
    Refused,
    /// This process is ending; come again.
    Stopping,
    /// A number that this version gives no meaning.
    Other(u32),
}

impl CloseCode {
    pub(super) fn to_wire(self) -> VarInt {
        VarInt::from_u32(match self {
            CloseCode::Done => 0,
            CloseCode::Malformed => 1,
            CloseCode::Refused => 2,
            CloseCode::Stopping => 3,
            CloseCode::Other(number) => number,
        })
    }

    fn from_wire(code: VarInt) -> CloseCode {
        match code.into_inner() {
            0 => CloseCode::Done,
            1 => CloseCode::Malformed,
            2 => CloseCode::Refused,
            3 => CloseCode::Stopping,
            other => CloseCode::Other(u32::try_from(other).unwrap_or(u32::MAX)),
        }
    }
}

/// Why a connection is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    #[error("the connection was closed here")]
    Here,
    /// The peer closed it; its `reason` is safe to print.
    #[error("the other side closed the connection{}", shown(reason))]
    ByPeer { code: CloseCode, reason: String },
    #[error("nothing was heard from the other side any more")]
    TimedOut,
    #[error("the other side was restarted")]
    PeerRestarted,
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl From<ConnectionError> for Closed {
    fn from(error: ConnectionError) -> Closed {
        match error {
            ConnectionError::LocallyClosed => Closed::Here,
            ConnectionError::TimedOut => Closed::TimedOut,
            ConnectionError::Reset => Closed::PeerRestarted,
            ConnectionError::ApplicationClosed(close) => Closed::ByPeer {
                code: CloseCode::from_wire(close.error_code),
                reason: printable(&close.reason),
            },
            other => Closed::Broken(printable(other.to_string().as_bytes())),
        }
    }
}

fn shown(reason: &str) -> impl fmt::Display {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// Text of a peer, short and without what could steer a terminal.
pub(super) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire() {
        let named = [CloseCode::Done, CloseCode::Malformed, CloseCode::Refused, CloseCode::Stopping];
        for code in named.into_iter().chain([CloseCode::Other(77)]) {
            assert_eq!(CloseCode::from_wire(code.to_wire()), code);
        }
        assert_eq!(CloseCode::from_wire(VarInt::MAX), CloseCode::Other(u32::MAX));
    }

    #[test]
    fn a_peers_text_is_cut_and_cannot_steer_a_terminal() {
        assert_eq!(printable(b"\x1b[2Jhi\n\xff"), " [2Jhi \u{fffd}");
        assert_eq!(printable(&[b'x'; 100_000]).len(), 300);
    }
}
