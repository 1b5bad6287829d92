//! Content flows fast, and control flows past it.

use super::*;
use std::time::Instant;

const CONTENT_BYTES: usize = 64 * 1024 * 1024;
const CHUNK_BYTES: usize = 256 * 1024;

/// Sends content on a stream of its own; returns how many bytes the peer confirmed.
async fn upload(connection: Connection) -> u64 {
    let (mut send, mut receive) = connection.open_content().await.unwrap();
    let chunk = bytes::Bytes::from(vec![5; CHUNK_BYTES]);
    for _ in 0..CONTENT_BYTES / CHUNK_BYTES {
        send.send_bytes(chunk.clone()).await.unwrap();
    }
    assert!(send.finish(PATIENCE).await);
    receive.receive_message("count").await.unwrap().unwrap()
}

/// Takes every content stream and confirms what came on it.
async fn take_uploads(connection: Connection) {
    while let Ok((mut send, mut receive)) = connection.accept_content().await {
        tokio::spawn(async move {
            let mut bytes = 0u64;
            while let Some(chunk) = receive.receive().await.unwrap() {
                assert!(chunk.iter().all(|byte| *byte == 5));
                bytes += chunk.len() as u64;
            }
            send.send_message(&bytes).await.unwrap();
            send.finish(PATIENCE).await;
        });
    }
}

/// Sends every control frame back.
async fn echo((mut send, mut receive): FrameStream) {
    while let Ok(Some(frame)) = receive.receive().await {
        send.send(&frame).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_content_does_not_hold_up_control() {
    let Line { _hub, hub_side, member_side, hub_control, member_control } = Line::open().await;
    tokio::spawn(echo(hub_control));
    tokio::spawn(take_uploads(hub_side));
    let begin = Instant::now();
    let uploads: Vec<_> = (0..2).map(|_| tokio::spawn(upload(member_side.clone()))).collect();
    let (mut send, mut receive) = member_control;
    let mut round_trips = Vec::new();
    while uploads.iter().any(|upload| !upload.is_finished()) {
        let sent = Instant::now();
        send.send(&[9; 1000]).await.unwrap();
        assert_eq!(soon(receive.receive()).await.unwrap().unwrap().len(), 1000);
        round_trips.push(sent.elapsed());
    }
    let seconds = begin.elapsed().as_secs_f64();
    for upload in uploads {
        assert_eq!(upload.await.unwrap(), CONTENT_BYTES as u64);
    }
    round_trips.sort();
    let (half, worst) = (round_trips[round_trips.len() / 2], *round_trips.last().unwrap());
    let rate = 2.0 * CONTENT_BYTES as f64 / seconds / 1024.0 / 1024.0;
    eprintln!("{rate:.0} MiB/s; {} control round trips, p50 {half:?}, worst {worst:?}", round_trips.len());
    assert!(round_trips.len() > 5);
    assert!(half < Duration::from_millis(500), "p50 {half:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_nobody_reads_does_not_hold_up_control() {
    let Line { _hub, hub_side, member_side, hub_control, member_control } = Line::open().await;
    tokio::spawn(echo(hub_control));
    let accepting = tokio::spawn(async move {
        let mut unread = Vec::new();
        while let Ok(stream) = hub_side.accept_content().await {
            unread.push(stream);
        }
    });
    let mut stuck = Vec::new();
    for _ in 0..CONTENT_STREAMS_MAX {
        let mut stream = soon(member_side.open_content()).await.unwrap();
        let fill = timeout(Duration::from_millis(100), async {
            loop {
                stream.0.send(&[5; CHUNK_BYTES]).await.unwrap();
            }
        });
        assert!(fill.await.is_err(), "an unread stream takes no more than its window");
        stuck.push(stream);
    }
    let (mut send, mut receive) = member_control;
    for _ in 0..20 {
        soon(send.send(&[9; 100_000])).await.unwrap();
        assert_eq!(soon(receive.receive()).await.unwrap().unwrap().len(), 100_000);
    }
    member_side.close(CloseCode::Done, "");
    accepting.await.unwrap();
}
