//! Frames on a stream: a `u32` length, little-endian, and that many bytes.
//!
//! Invariant: a receiver holds at most 64 KiB or twice what has arrived of a frame, whatever length was
//! announced; and a stream never goes on after half a frame, neither sent nor received.

use super::closing::Closed;
use crate::wire::{FRAME_BYTES_MAX, Malformed, decode, encode};
use bytes::{BufMut, Bytes};
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::io::AsyncReadExt;

const LENGTH_BYTES: usize = 4;
/// A frame up to this size gets its memory at once.
const FIRST_BYTES: usize = 64 * 1024;
/// The code of a stream abandoned in the middle of a frame.
const ABANDONED: VarInt = VarInt::from_u32(1);

/// Why a frame was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("a frame of {bytes} bytes is longer than {FRAME_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("the other side does not read this stream any more")]
    Stopped,
    /// An earlier send was given up half-way, so nothing more can follow on this stream.
    #[error("this stream was abandoned in the middle of a frame")]
    Abandoned,
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why no frame was received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    #[error("a frame of {bytes} bytes was announced, more than {FRAME_BYTES_MAX}")]
    Oversized { bytes: usize },
    #[error("the stream ended in the middle of a frame")]
    Truncated,
    #[error("the other side abandoned this stream")]
    Abandoned,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl ReceiveError {
    /// Whether the peer broke the protocol, rather than went away.
    pub fn is_peers_fault(&self) -> bool {
        !matches!(self, ReceiveError::Abandoned | ReceiveError::Closed(_))
    }
}

/// The sending half of a stream. Dropped between frames it ends the stream cleanly.
#[derive(Debug)]
pub struct FrameSender {
    stream: SendStream,
    mid_frame: bool,
}

impl FrameSender {
    pub(super) fn new(stream: SendStream, priority: i32) -> FrameSender {
        // Fails only on a stream that is over, and then there is nothing to put first.
        let _ = stream.set_priority(priority);
        FrameSender { stream, mid_frame: false }
    }

    /// Sends one frame. Waits while the peer has no room for it.
    ///
    /// # Errors
    /// [`SendError`]; after any but [`SendError::TooLong`] the stream is of no more use, and so it is when
    /// this was cancelled half-way.
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), SendError> {
        self.send_bytes(Bytes::copy_from_slice(frame)).await
    }

    /// Encodes `message` and sends it as one frame.
    ///
    /// # Errors
    /// As [`FrameSender::send`].
    pub async fn send_message<T: Serialize>(&mut self, message: &T) -> Result<(), SendError> {
        self.send_bytes(encode(message).into()).await
    }

    /// Sends one frame without copying it.
    ///
    /// # Errors
    /// As [`FrameSender::send`].
    pub async fn send_bytes(&mut self, frame: Bytes) -> Result<(), SendError> {
        let bytes = frame.len();
        let too_long = SendError::TooLong { bytes };
        let length = u32::try_from(bytes).map_err(|_| too_long.clone())?;
        if bytes > FRAME_BYTES_MAX {
            return Err(too_long);
        }
        if self.mid_frame {
            return Err(SendError::Abandoned);
        }
        self.mid_frame = true;
        // Both in one call, so that a small frame leaves in one packet.
        let mut parts = [Bytes::copy_from_slice(&length.to_le_bytes()), frame];
        self.stream.write_all_chunks(&mut parts).await?;
        self.mid_frame = false;
        Ok(())
    }

    /// Gives the stream up: the peer is told that nothing more comes of it, and that this is no end.
    pub fn abandon(mut self) {
        self.mid_frame = true;
    }

    /// Ends the stream and waits until the peer has all of it, `patience` at most; returns whether it has.
    pub async fn finish(mut self, patience: Duration) -> bool {
        if self.mid_frame || self.stream.finish().is_err() {
            return false;
        }
        matches!(tokio::time::timeout(patience, self.stream.stopped()).await, Ok(Ok(None)))
    }
}

/// Half a frame must not look like a clean end.
impl Drop for FrameSender {
    fn drop(&mut self) {
        if self.mid_frame {
            // Fails only on a stream that is over already.
            let _ = self.stream.reset(ABANDONED);
        }
    }
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> SendError {
        match error {
            WriteError::ConnectionLost(error) => SendError::Closed(error.into()),
            WriteError::Stopped(_) => SendError::Stopped,
            WriteError::ClosedStream | WriteError::ZeroRttRejected => SendError::Abandoned,
        }
    }
}

/// The receiving half of a stream. Dropped, it tells the peer to stop sending.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: RecvStream,
    /// What has arrived of the length of the frame that is arriving,
    head: Vec<u8>,
    /// and what of its bytes.
    body: Vec<u8>,
}

impl FrameReceiver {
    pub(super) fn new(stream: RecvStream) -> FrameReceiver {
        FrameReceiver { stream, head: Vec::with_capacity(LENGTH_BYTES), body: Vec::new() }
    }

    /// Receives the next frame; None where the stream ended cleanly. Cancelling this loses nothing.
    ///
    /// # Errors
    /// [`ReceiveError`]; the stream is of no more use then.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, ReceiveError> {
        while self.head.len() < LENGTH_BYTES {
            let missing = LENGTH_BYTES - self.head.len();
            if read_some(&mut self.stream, &mut self.head, missing).await? == 0 {
                let clean = self.head.is_empty();
                return if clean { Ok(None) } else { Err(ReceiveError::Truncated) };
            }
        }
        let bytes = announced(&self.head)?;
        while self.body.len() < bytes {
            let missing = bytes - self.body.len();
            make_room(&mut self.body, missing);
            if read_some(&mut self.stream, &mut self.body, missing).await? == 0 {
                return Err(ReceiveError::Truncated);
            }
        }
        self.head.clear();
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// Receives the next frame and decodes it as `what`; None where the stream ended cleanly.
    ///
    /// # Errors
    /// [`ReceiveError`], of which [`ReceiveError::Malformed`] leaves the stream usable.
    pub async fn receive_message<T: DeserializeOwned>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<T>, ReceiveError> {
        let Some(frame) = self.receive().await? else { return Ok(None) };
        Ok(Some(decode(what, &frame)?))
    }

    /// Bytes of memory held for the frame that is arriving.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.body.capacity()
    }
}

fn announced(head: &[u8]) -> Result<usize, ReceiveError> {
    let length: [u8; LENGTH_BYTES] = head.try_into().expect("the whole length is there");
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > FRAME_BYTES_MAX { Err(ReceiveError::Oversized { bytes }) } else { Ok(bytes) }
}

/// Lets a full buffer grow to twice its size, but not beyond what is missing.
fn make_room(body: &mut Vec<u8>, missing: usize) {
    if body.len() == body.capacity() {
        body.reserve_exact(missing.min(body.len().max(FIRST_BYTES)));
    }
}

/// Appends what is there, `missing` bytes at most; 0 only where the stream has ended. Cancelling this
/// loses nothing.
async fn read_some(
    stream: &mut RecvStream,
    buffer: &mut Vec<u8>,
    missing: usize,
) -> Result<usize, ReceiveError> {
    let room = buffer.capacity() - buffer.len();
    let read = stream.read_buf(&mut buffer.limit(missing.min(room))).await;
    read.map_err(|error| match error.downcast::<ReadError>() {
        Ok(error) => error.into(),
        Err(_) => ReceiveError::Abandoned,
    })
}

impl From<ReadError> for ReceiveError {
    fn from(error: ReadError) -> ReceiveError {
        match error {
            ReadError::ConnectionLost(error) => ReceiveError::Closed(error.into()),
            ReadError::Reset(_)
            | ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => ReceiveError::Abandoned,
        }
    }
}
