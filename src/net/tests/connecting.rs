//! Who may connect, what each side learns of the other, and how connections fail and end.

use super::*;
use std::net::UdpSocket;
use std::time::Instant;

#[tokio::test]
async fn each_side_sees_the_key_of_the_other() {
    let hub = Hub::start();
    let member = Identity::generate();
    let (accepted, dialed) = tokio::join!(hub.accept(), hub.dial(&member));
    let (accepted, dialed) = (accepted.unwrap(), dialed.unwrap());
    assert_eq!(accepted.peer(), member.public_key());
    assert_eq!(dialed.peer(), hub.identity.public_key());
    assert_eq!(dialed.remote_addr(), hub.address);
    assert!(accepted.remote_addr().ip().is_loopback());
    assert!(dialed.rtt() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_hub_with_another_key_is_not_talked_to() {
    let hub = Hub::start();
    let expected = Identity::generate().public_key().fingerprint();
    let dialer = Dialer::new(&Identity::generate());
    let connecting = dialer.connect("127.0.0.1", hub.address.port(), expected, PATIENCE);
    let (accepted, dialed) = soon(async { tokio::join!(hub.accept(), connecting) }).await;
    assert!(matches!(accepted, Err(HandshakeError::Failed(_))), "{accepted:?}");
    let error = dialed.unwrap_err();
    let found = hub.fingerprint();
    assert!(
        matches!(error, ConnectError::WrongHubKey { expected: e, found: f } if e == expected && f == found)
    );
    assert!(error.to_string().contains(&found.to_string()), "{error}");
}

#[tokio::test]
async fn a_name_is_looked_up_and_all_its_addresses_are_tried() {
    // "localhost" is ::1 and 127.0.0.1 on most machines; only the second listens.
    let hub = Hub::start();
    let member = Identity::generate();
    let dialer = Dialer::new(&member);
    let connecting = dialer.connect("localhost", hub.address.port(), hub.fingerprint(), PATIENCE);
    let (accepted, dialed) = soon(async { tokio::join!(hub.accept(), connecting) }).await;
    assert_eq!(accepted.unwrap().peer(), member.public_key());
    assert_eq!(dialed.unwrap().peer(), hub.identity.public_key());
}

#[tokio::test]
async fn a_name_that_nobody_has_is_not_found() {
    let hub = Hub::start().fingerprint();
    let dialer = Dialer::new(&Identity::generate());
    // Too long for any server to be asked, so the answer does not depend on where this runs.
    let name = "x".repeat(70);
    let error = dialer.connect(&name, 4711, hub, PATIENCE).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains(&name), "{error}");
}

#[tokio::test]
async fn a_port_without_listener_is_unreachable_long_before_the_deadline() {
    // Port 1: never given to anybody who asks for any port.
    let hub = Identity::generate().public_key().fingerprint();
    let begin = Instant::now();
    let dialed = Dialer::new(&Identity::generate()).connect("127.0.0.1", 1, hub, PATIENCE).await;
    let error = dialed.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(begin.elapsed() < PATIENCE / 3);
}

#[tokio::test]
async fn silence_is_a_timeout_at_the_deadline() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hub = Identity::generate().public_key().fingerprint();
    let dialer = Dialer::new(&Identity::generate());
    let deadline = Duration::from_millis(300);
    let error = soon(dialer.connect("127.0.0.1", port, hub, deadline)).await.unwrap_err();
    assert!(matches!(&error, ConnectError::TimedOut { after, .. } if *after == deadline), "{error:?}");
}

#[tokio::test]
async fn a_listener_that_is_closing_refuses() {
    let hub = Hub::start();
    let (_hub_side, member_side) = hub.pair().await;
    hub.listener.close(CloseCode::Stopping, "the hub is being stopped");
    let reason = soon(member_side.closed()).await;
    let stopped = "the hub is being stopped".to_owned();
    assert_eq!(reason, Closed::ByPeer { code: CloseCode::Stopping, reason: stopped });
    assert!(hub.listener.accept().await.is_none());
    soon(hub.listener.wait_idle(PATIENCE)).await;
    let error = soon(hub.dial(&Identity::generate())).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_close_tells_the_other_side_why() {
    let hub = Hub::start();
    let (hub_side, member_side) = hub.pair().await;
    assert_eq!(member_side.close_reason(), None);
    hub_side.close(CloseCode::Refused, "revoked\x1b[2J");
    let reason = Closed::ByPeer { code: CloseCode::Refused, reason: "revoked [2J".to_owned() };
    assert_eq!(soon(member_side.closed()).await, reason);
    assert_eq!(member_side.close_reason(), Some(reason));
    assert_eq!(soon(hub_side.closed()).await, Closed::Here);
}

#[tokio::test]
async fn dropping_a_side_ends_the_connection() {
    let hub = Hub::start();
    let (hub_side, member_side) = hub.pair().await;
    drop(member_side);
    let reason = soon(hub_side.closed()).await;
    assert_eq!(reason, Closed::ByPeer { code: CloseCode::Done, reason: String::new() });
}

#[tokio::test]
async fn content_waits_until_the_hub_accepts_it() {
    let mut line = Line::open().await;
    let early = timeout(Duration::from_millis(200), line.member_side.open_content()).await;
    assert!(early.is_err(), "no content stream before the hub has let the member in");
    let member = async {
        let (mut send, mut receive) = line.member_side.open_content().await.unwrap();
        send.send(b"get").await.unwrap();
        receive.receive().await
    };
    let hub = async {
        let (mut send, mut receive) = line.hub_side.accept_content().await.unwrap();
        let request = receive.receive().await;
        send.send(b"chunk").await.unwrap();
        request
    };
    let (got, asked) = soon(async { tokio::join!(member, hub) }).await;
    assert_eq!(got, Ok(Some(b"chunk".to_vec())));
    assert_eq!(asked, Ok(Some(b"get".to_vec())));
    line.hub_control.0.send(b"still here").await.unwrap();
    assert_eq!(soon(line.member_control.1.receive()).await, Ok(Some(b"still here".to_vec())));
}

#[tokio::test]
async fn no_more_content_streams_than_the_limit_are_open_at_once() {
    let line = Line::open().await;
    let accepting = line.hub_side.clone();
    let hub = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok(stream) = accepting.accept_content().await {
            streams.push(stream);
        }
        streams.len()
    });
    let mut open = Vec::new();
    for number in 0..CONTENT_STREAMS_MAX {
        let mut stream = soon(line.member_side.open_content()).await.unwrap();
        stream.0.send(&number.to_le_bytes()).await.unwrap();
        open.push(stream);
    }
    let one_more = timeout(Duration::from_millis(200), line.member_side.open_content()).await;
    assert!(one_more.is_err(), "the limit is reached");
    line.member_side.close(CloseCode::Done, "");
    assert!(soon(hub).await.unwrap() <= CONTENT_STREAMS_MAX as usize);
}
