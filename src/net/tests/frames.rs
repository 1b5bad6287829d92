//! Frames: whole or not at all.

use super::*;
use crate::wire::{ContentReply, ContentRequest, FRAME_BYTES_MAX};

#[tokio::test]
async fn frames_of_every_size_arrive_as_they_were_sent() {
    let line = Line::open().await;
    let (mut send, mut receive) = (line.member_control.0, line.hub_control.1);
    let sizes = [0, 1, 3, 4, 5, 1199, 1200, 65_536, 1_000_003, FRAME_BYTES_MAX];
    let frame = |size: usize| -> Vec<u8> { (0..size).map(|at| (at % 251) as u8).collect() };
    let sending = async {
        for size in sizes {
            send.send(&frame(size)).await.unwrap();
        }
    };
    let receiving = async {
        for size in sizes {
            assert!(receive.receive().await.unwrap().unwrap() == frame(size), "{size} bytes");
        }
    };
    soon(async { tokio::join!(sending, receiving) }).await;
}

#[tokio::test]
async fn a_message_arrives_and_a_stream_ends_cleanly() {
    let line = Line::open().await;
    let (mut send, mut receive) = (line.member_control.0, line.hub_control.1);
    let request = ContentRequest::Get(Vec::new());
    send.send_message(&request).await.unwrap();
    assert_eq!(soon(receive.receive_message("request")).await, Ok(Some(request)));
    assert!(soon(send.finish(PATIENCE)).await);
    assert_eq!(soon(receive.receive_message::<ContentReply>("reply")).await, Ok(None));
}

#[tokio::test]
async fn a_frame_too_long_is_not_sent_and_harms_nothing() {
    let line = Line::open().await;
    let (mut send, mut receive) = (line.member_control.0, line.hub_control.1);
    let bytes = FRAME_BYTES_MAX + 1;
    assert_eq!(send.send(&vec![0; bytes]).await, Err(SendError::TooLong { bytes }));
    send.send(b"next").await.unwrap();
    assert_eq!(soon(receive.receive()).await, Ok(Some(b"next".to_vec())));
}

#[tokio::test]
async fn receiving_may_be_cancelled_anywhere_and_loses_nothing() {
    let line = Line::open().await;
    let (mut send, mut receive) = (line.member_control.0, line.hub_control.1);
    let frames: Vec<Vec<u8>> = (1..60).map(|n| vec![n as u8; n * 3001]).collect();
    let expected = frames.clone();
    let sending = tokio::spawn(async move {
        for frame in frames {
            send.send(&frame).await.unwrap();
        }
        send
    });
    let mut received = Vec::new();
    while received.len() < expected.len() {
        tokio::select! {
            biased;
            frame = receive.receive() => received.push(frame.unwrap().unwrap()),
            // Ready at once: every receive that would have to wait is cancelled.
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(received == expected);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_send_given_up_half_way_is_never_taken_for_a_whole_frame() {
    let line = Line::open().await;
    let (mut send, mut receive) = (line.member_control.0, line.hub_control.1);
    // Nobody reads, so the stranger's window fills and the frame stays under way.
    let half = timeout(Duration::from_millis(200), send.send(&vec![1; FRAME_BYTES_MAX])).await;
    assert!(half.is_err());
    assert_eq!(send.send(b"next").await, Err(SendError::Abandoned));
    drop(send);
    assert_eq!(soon(receive.receive()).await, Err(ReceiveError::Abandoned));
}

#[tokio::test]
async fn a_last_message_is_read_although_the_connection_was_closed_behind_it() {
    for _ in 0..20 {
        let line = Line::open().await;
        let mut last = line.hub_control.0;
        let mut receive = line.member_control.1;
        let refusal = vec![7; 100_000];
        let closing = async {
            last.send(&refusal).await.unwrap();
            line.hub_side.close_after(last, CloseCode::Refused, "unknown").await;
        };
        let reading = async {
            // Only looked at once the connection is gone.
            let reason = line.member_side.closed().await;
            (receive.receive().await, reason)
        };
        let ((), (message, reason)) = soon(async { tokio::join!(closing, reading) }).await;
        assert!(message == Ok(Some(refusal)));
        assert!(matches!(reason, Closed::ByPeer { code: CloseCode::Refused, .. }), "{reason}");
    }
}

#[tokio::test]
async fn a_last_message_that_nobody_takes_delays_the_close_only_so_long() {
    let line = Line::open().await;
    let mut send = line.member_control.0;
    // More than the window of a hub that does not read.
    soon(send.send(&[1; 200_000])).await.unwrap();
    let begin = std::time::Instant::now();
    soon(line.member_side.close_after(send, CloseCode::Done, "")).await;
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(matches!(soon(line.hub_side.closed()).await, Closed::ByPeer { .. }));
}

#[tokio::test]
async fn a_stream_that_the_other_side_dropped_cannot_be_sent_on() {
    let line = Line::open().await;
    let mut send = line.member_control.0;
    drop(line.hub_control.1);
    let outcome = soon(async {
        loop {
            if let Err(error) = send.send(&[0; 1000]).await {
                break error;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(outcome.await, SendError::Stopped);
}
