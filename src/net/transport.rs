//! Numbers that bound a connection: windows, streams, timeouts.
//!
//! Invariant: content cannot starve control. Even if every content stream a peer may have open is full and
//! nobody reads it, the windows of the connection still hold one stream's worth, the control stream's.

use quinn::{EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::{io, time::Duration};

/// Content streams a member may have open at once; opening one more waits for one to end.
pub const CONTENT_STREAMS_MAX: u32 = 15;
/// How often a member with nothing to say tells the hub that it is there.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Silence of this length ends a connection.
pub const DEAD_AFTER: Duration = Duration::from_secs(15);

/// Bytes a stream may have under way or unread: 320 Mbit/s at a round trip of 50 ms, for each.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// Bytes all streams of a connection may have under way or unread, and as many kept until acknowledged.
const WINDOW_BYTES: u32 = (1 + CONTENT_STREAMS_MAX) * STREAM_WINDOW_BYTES;
/// The same for a peer of which nothing is known but its key: enough for a first message.
const STRANGER_WINDOW_BYTES: u32 = 256 * 1024;
/// Asked of the kernel for each socket, which may give less; its usual 208 KiB overflow at high rates.
const SOCKET_BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// Bytes a connection attempt may send before its handshake is taken up, and all attempts together.
const INCOMING_BUFFER_BYTES: u64 = 16 * 1024;
const INCOMING_BUFFER_TOTAL_BYTES: u64 = 4 * 1024 * 1024;
/// Connection attempts that may wait to be taken up.
const INCOMING_MAX: usize = 1024;

/// The member's side: it opens all streams and keeps the connection alive.
pub(super) fn dialing() -> TransportConfig {
    let mut config = common();
    config.max_concurrent_bidi_streams(0u32.into());
    config.receive_window(WINDOW_BYTES.into());
    config.keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
    config
}

/// The hub's side: as for a stranger, until [`admit`] is called.
pub(super) fn accepting() -> TransportConfig {
    let mut config = common();
    config.max_concurrent_bidi_streams(1u32.into());
    config.receive_window(STRANGER_WINDOW_BYTES.into());
    config
}

/// Gives an accepted connection its full windows and its content streams.
pub(super) fn admit(connection: &quinn::Connection) {
    connection.set_receive_window(WINDOW_BYTES.into());
    connection.set_max_concurrent_bi_streams((1 + CONTENT_STREAMS_MAX).into());
}

/// Keeps unfinished connection attempts from holding much memory.
pub(super) fn bound_incoming(config: &mut quinn::ServerConfig) {
    config.max_incoming(INCOMING_MAX);
    config.incoming_buffer_size(INCOMING_BUFFER_BYTES);
    config.incoming_buffer_size_total(INCOMING_BUFFER_TOTAL_BYTES);
}

fn common() -> TransportConfig {
    let mut config = TransportConfig::default();
    let dead_after = IdleTimeout::try_from(DEAD_AFTER).expect("15 s is a valid timeout");
    config.max_concurrent_uni_streams(0u32.into());
    config.max_idle_timeout(Some(dead_after));
    config.stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES));
    config.send_window(WINDOW_BYTES.into());
    config.datagram_receive_buffer_size(None);
    config
}

/// Binds a UDP socket to `address` and makes it a QUIC endpoint, which dials only unless given a `server`.
pub(super) fn endpoint(
    address: SocketAddr,
    config: EndpointConfig,
    server: Option<quinn::ServerConfig>,
) -> io::Result<quinn::Endpoint> {
    let socket = UdpSocket::bind(address)?;
    // Larger buffers only save retransmissions; where the kernel refuses them all works as well.
    let _ = set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(config, server, socket, runtime)
}
