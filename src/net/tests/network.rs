//! What the network does to a connection: moves it, slows it, cuts it; and a hub that comes back.

use super::relay::Relay;
use super::*;
use std::time::Instant;

const FAST: f64 = 1e9;

/// A connection through `relay`, both ends, the hub's first.
async fn pair_through(relay: &Relay, hub: &Hub) -> (Connection, Connection) {
    let dialer = Dialer::new(&Identity::generate());
    let connecting = dialer.connect("127.0.0.1", relay.address.port(), hub.fingerprint(), PATIENCE);
    let (accepted, dialed) = soon(async { tokio::join!(hub.accept(), connecting) }).await;
    (accepted.unwrap(), dialed.unwrap())
}

async fn say((from, to): (&mut FrameSender, &mut FrameReceiver), word: &[u8]) {
    from.send(word).await.unwrap();
    assert_eq!(soon(to.receive()).await, Ok(Some(word.to_vec())));
}

#[tokio::test]
async fn a_member_that_moves_to_another_address_keeps_its_connection() {
    let hub = Hub::start();
    let mut relay = Relay::start(hub.address, FAST).await;
    let (hub_side, member_side) = pair_through(&relay, &hub).await;
    let mut member = member_side.open_control().await.unwrap();
    member.0.send(b"hello").await.unwrap();
    let mut accepted = hub_side.accept_control().await.unwrap();
    assert_eq!(soon(accepted.1.receive()).await, Ok(Some(b"hello".to_vec())));
    let before = hub_side.remote_addr();
    relay.move_member().await;
    for round in 0..20u8 {
        say((&mut member.0, &mut accepted.1), &[round; 3000]).await;
        say((&mut accepted.0, &mut member.1), &[round; 3000]).await;
    }
    assert_ne!(hub_side.remote_addr(), before);
}

#[tokio::test]
async fn a_hub_that_was_killed_and_started_again_ends_old_connections_at_once() {
    let old = Hub::start();
    let relay = Relay::start(old.address, FAST).await;
    let (_hub_side, member_side) = pair_through(&relay, &old).await;
    // The same key, and no memory of the connection.
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &old.identity).unwrap();
    relay.lead_to(listener.local_addr().unwrap());
    let begin = Instant::now();
    let (mut send, _receive) = member_side.open_control().await.unwrap();
    send.send(b"are you there?").await.unwrap();
    assert_eq!(soon(member_side.closed()).await, Closed::PeerRestarted);
    assert!(begin.elapsed() < DEAD_AFTER / 2);
}

#[tokio::test]
async fn another_hub_cannot_end_the_connection_of_this_one() {
    let hub = Hub::start();
    let relay = Relay::start(hub.address, FAST).await;
    let (_hub_side, member_side) = pair_through(&relay, &hub).await;
    let other = Hub::start();
    relay.lead_to(other.address);
    let (mut send, _receive) = member_side.open_control().await.unwrap();
    send.send(b"are you there?").await.unwrap();
    let ended = timeout(Duration::from_secs(2), member_side.closed()).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn a_cut_wire_is_noticed_by_both_sides() {
    let hub = Hub::start();
    let relay = Relay::start(hub.address, FAST).await;
    let (hub_side, member_side) = pair_through(&relay, &hub).await;
    relay.cut();
    let begin = Instant::now();
    let both = async { tokio::join!(hub_side.closed(), member_side.closed()) };
    let (hub_reason, member_reason) = soon(both).await;
    assert_eq!((hub_reason, member_reason), (Closed::TimedOut, Closed::TimedOut));
    assert!(begin.elapsed() < DEAD_AFTER + KEEP_ALIVE_INTERVAL + Duration::from_secs(3));
}

#[tokio::test]
async fn a_quiet_connection_stays_alive_longer_than_the_timeout() {
    let hub = Hub::start();
    let (hub_side, member_side) = hub.pair().await;
    let ended = async { tokio::join!(hub_side.closed(), member_side.closed()) };
    let waited = timeout(DEAD_AFTER + KEEP_ALIVE_INTERVAL, ended).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_over_a_slow_line_does_not_hold_up_a_small_save() {
    let hub = Hub::start();
    // 16 Mbit/s: the upload below would take seconds on its own.
    let relay = Relay::start(hub.address, 2e6).await;
    let (hub_side, member_side) = pair_through(&relay, &hub).await;
    let (mut send, mut receive) = member_side.open_control().await.unwrap();
    send.send(b"hello").await.unwrap();
    let (mut answers, mut requests) = soon(hub_side.accept_control()).await.unwrap();
    let taking = tokio::spawn(async move {
        let (_answers, mut content) = hub_side.accept_content().await.unwrap();
        while let Ok(Some(_)) = content.receive().await {}
    });
    let answering = tokio::spawn(async move {
        while let Ok(Some(request)) = requests.receive().await {
            answers.send(&request[..1]).await.unwrap();
        }
    });
    assert_eq!(soon(receive.receive()).await, Ok(Some(b"h".to_vec())));
    let (mut upload, _) = soon(member_side.open_content()).await.unwrap();
    let uploading = tokio::spawn(async move { while upload.send(&[5; 256 * 1024]).await.is_ok() {} });
    let mut round_trips = Vec::new();
    for _ in 0..40 {
        let begin = Instant::now();
        send.send(&[9; 1000]).await.unwrap();
        assert_eq!(soon(receive.receive()).await, Ok(Some(vec![9])));
        round_trips.push(begin.elapsed());
    }
    round_trips.sort();
    eprintln!("p50 {:?}, worst {:?}", round_trips[20], round_trips[39]);
    assert!(!uploading.is_finished());
    // What is in the line already goes first; the 2 MiB that wait behind it, a second's worth, do not.
    assert!(round_trips[20] < Duration::from_millis(500), "p50 {:?}", round_trips[20]);
    member_side.close(CloseCode::Done, "");
    uploading.await.unwrap();
    taking.await.unwrap();
    answering.await.unwrap();
}
