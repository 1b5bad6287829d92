//! Peers that do not keep to the rules harm themselves only.

use super::*;
use crate::wire::{FRAME_BYTES_MAX, FromMember};
use quinn::EndpointConfig;
use std::net::UdpSocket;
use std::sync::Arc;

/// Begins to connect as a member would, but for what `change` makes of its TLS.
fn dial_raw(hub: &Hub, change: impl Fn(&mut rustls::ClientConfig)) -> (quinn::Connecting, quinn::Endpoint) {
    let (mut crypto, _) = tls::client_config(&Identity::generate(), hub.fingerprint());
    change(&mut crypto);
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(crypto).unwrap();
    let endpoint = transport::endpoint(([127, 0, 0, 1], 0).into(), EndpointConfig::default(), None).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    (endpoint.connect_with(config, hub.address, "hub").unwrap(), endpoint)
}

/// A connection past the handshake whose streams take raw bytes, as an attacker with a key has it.
async fn attacker(hub: &Hub) -> (Connection, quinn::Connection, quinn::Endpoint) {
    let (connecting, endpoint) = dial_raw(hub, |_| {});
    let (accepted, connecting) = tokio::join!(hub.accept(), connecting);
    (accepted.unwrap(), connecting.unwrap(), endpoint)
}

/// What the hub's receiver makes of raw bytes followed by the end of the stream.
async fn received(bytes: &[u8]) -> Result<Option<FromMember>, ReceiveError> {
    let hub = Hub::start();
    let (accepted, raw, _endpoint) = attacker(&hub).await;
    let (mut send, _receive) = raw.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    let (_, mut receive) = soon(accepted.accept_control()).await.unwrap();
    let outcome = soon(receive.receive_message("message")).await;
    still_serves(&hub).await;
    outcome
}

async fn still_serves(hub: &Hub) {
    let (hub_side, member_side) = soon(hub.pair()).await;
    let mut control = member_side.open_control().await.unwrap();
    control.0.send(b"hello").await.unwrap();
    let (_, mut receive) = soon(hub_side.accept_control()).await.unwrap();
    assert_eq!(soon(receive.receive()).await, Ok(Some(b"hello".to_vec())));
}

#[tokio::test]
async fn random_bytes_on_the_port_leave_the_listener_working() {
    let hub = Hub::start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for round in 0..2000u32 {
        let mut datagram = vec![0; (round as usize * 7) % 1500];
        getrandom::fill(&mut datagram).unwrap();
        if let Some(first) = datagram.first_mut() {
            // A third looks like an initial packet, a third like one of a connection.
            *first = match round % 3 {
                0 => *first,
                1 => 0xc0 | (*first & 0x3f),
                _ => 0x40 | (*first & 0x3f),
            };
        }
        if round % 2 == 0 && datagram.len() > 5 {
            datagram[1..5].copy_from_slice(&1u32.to_be_bytes());
        }
        socket.send_to(&datagram, hub.address).unwrap();
    }
    still_serves(&hub).await;
}

#[tokio::test]
async fn an_oversized_frame_is_an_error_before_any_of_it_arrives() {
    for bytes in [FRAME_BYTES_MAX + 1, u32::MAX as usize] {
        let outcome = received(&(bytes as u32).to_le_bytes()).await;
        assert_eq!(outcome, Err(ReceiveError::Oversized { bytes }));
        assert!(outcome.unwrap_err().is_peers_fault());
    }
}

#[tokio::test]
async fn a_truncated_frame_is_an_error_wherever_it_is_cut() {
    for cut in [&b"\x05"[..], b"\x05\0\0", b"\x05\0\0\0", b"\x05\0\0\0four"] {
        assert_eq!(received(cut).await, Err(ReceiveError::Truncated), "{cut:?}");
    }
}

#[tokio::test]
async fn a_frame_of_garbage_is_malformed() {
    let mut frame = 300u32.to_le_bytes().to_vec();
    frame.extend_from_slice(&[0xff; 300]);
    let outcome = received(&frame).await;
    assert!(matches!(outcome, Err(ReceiveError::Malformed(_))), "{outcome:?}");
}

#[tokio::test]
async fn an_announced_length_reserves_no_memory() {
    let hub = Hub::start();
    let (accepted, raw, _endpoint) = attacker(&hub).await;
    let (mut send, _keep) = raw.open_bi().await.unwrap();
    send.write_all(&(FRAME_BYTES_MAX as u32).to_le_bytes()).await.unwrap();
    send.write_all(&[1; 1000]).await.unwrap();
    let (_, mut receive) = soon(accepted.accept_control()).await.unwrap();
    let waiting = timeout(Duration::from_millis(300), receive.receive()).await;
    assert!(waiting.is_err(), "the frame is not complete");
    assert!(receive.reserved() <= 64 * 1024, "{} bytes for 1,004", receive.reserved());
}

#[tokio::test]
async fn a_stranger_gets_one_stream_and_little_room() {
    let hub = Hub::start();
    let (_accepted, raw, _endpoint) = attacker(&hub).await;
    let (mut send, _receive) = raw.open_bi().await.unwrap();
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(300), send.write(&[0; 65536])).await {
        sent += written.unwrap();
    }
    assert!(sent <= 256 * 1024, "{sent} bytes taken from a stranger");
    assert!(timeout(Duration::from_millis(200), raw.open_bi()).await.is_err());
    assert!(timeout(Duration::from_millis(200), raw.open_uni()).await.is_err());
    assert_eq!(raw.max_datagram_size(), None);
}

#[tokio::test]
async fn peers_that_never_finish_their_handshake_do_not_block_others() {
    let hub = Hub::start();
    let mut unfinished = Vec::new();
    // So many that addresses are validated from some point on.
    for _ in 0..40 {
        // The first packet arrives, and nobody takes the handshake up.
        let (connecting, endpoint) = dial_raw(&hub, |_| {});
        let incoming = soon(hub.listener.accept()).await.unwrap();
        unfinished.push((incoming, connecting, endpoint));
    }
    still_serves(&hub).await;
}

#[tokio::test]
async fn a_peer_that_shows_no_key_gets_no_connection() {
    let hub = Hub::start();
    let (connecting, _endpoint) = dial_raw(&hub, |crypto| crypto.client_auth_cert_resolver = Arc::new(NoKey));
    let (accepted, connecting) = soon(async { tokio::join!(hub.accept(), connecting) }).await;
    assert!(matches!(accepted, Err(HandshakeError::Failed(_))), "{accepted:?}");
    if let Ok(connection) = connecting {
        assert!(matches!(soon(connection.closed()).await, quinn::ConnectionError::ConnectionClosed(_)));
    }
    still_serves(&hub).await;
}

#[derive(Debug)]
struct NoKey;

impl rustls::client::ResolvesClientCert for NoKey {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn another_protocol_is_refused_in_the_handshake() {
    let hub = Hub::start();
    let (connecting, _endpoint) = dial_raw(&hub, |crypto| crypto.alpn_protocols = vec![b"h3".to_vec()]);
    let (accepted, connecting) = soon(async { tokio::join!(hub.accept(), connecting) }).await;
    assert!(matches!(accepted, Err(HandshakeError::Failed(_))), "{accepted:?}");
    assert!(connecting.is_err());
}
