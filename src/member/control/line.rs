//! Lines of JSON, and files that come along, with a limit on their length and on the time they may take.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Longer lines are not read. A batch of history is the longest there is.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;
/// Files that can come with one piece of what is read; each line has one at most.
const FILES_MAX: usize = 4;

/// Reads lines from a socket.
pub(super) struct LineReader<'a> {
    stream: &'a UnixStream,
    buffer: Vec<u8>,
    /// What came along and has not been taken, in the order in which it came.
    files: VecDeque<File>,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(stream: &'a UnixStream) -> LineReader<'a> {
        LineReader { stream, buffer: Vec::new(), files: VecDeque::new() }
    }

    /// Reads one line and decodes it. A stream that ends gives `UnexpectedEof`, a deadline `TimedOut`, bytes that
    /// make no sense `InvalidData`.
    pub(super) fn read<T: DeserializeOwned>(&mut self, deadline: Instant) -> io::Result<T> {
        let mut searched = 0;
        let end = loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                break searched + end;
            }
            searched = self.buffer.len();
            if searched >= LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            self.fill(deadline)?;
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        serde_json::from_slice(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        self.stream.set_read_timeout(Some(time_left(deadline)?))?;
        let mut chunk = [0; CHUNK_BYTES];
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut along = RecvAncillaryBuffer::new(&mut room);
        let parts = &mut [IoSliceMut::new(&mut chunk)];
        match recvmsg(self.stream, parts, &mut along, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) if received.bytes == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => {
                for message in along.drain() {
                    if let RecvAncillaryMessage::ScmRights(files) = message {
                        self.files.extend(files.map(File::from));
                    }
                }
                self.buffer.extend_from_slice(&chunk[..received.bytes]);
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(Errno::AGAIN) => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The file that came with the line just read: no line is whole before its file is here, and files keep the order
    /// of their lines.
    pub(super) fn next_file(&mut self) -> Option<File> {
        self.files.pop_front()
    }
}

/// Writes `value` as one line, within `patience` for each piece the peer takes, or without an end.
pub(super) fn write_line<T: Serialize>(
    stream: &UnixStream,
    value: &T,
    patience: Option<Duration>,
) -> io::Result<()> {
    let line = line_of(value)?;
    stream.set_write_timeout(patience)?;
    let mut stream = stream;
    stream.write_all(&line)
}

/// As [`write_line`], with an open file.
pub(super) fn write_line_with<T: Serialize>(
    stream: &UnixStream,
    value: &T,
    file: &File,
    patience: Duration,
) -> io::Result<()> {
    let line = line_of(value)?;
    stream.set_write_timeout(Some(patience))?;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = SendAncillaryBuffer::new(&mut room);
    let files = [file.as_fd()];
    if !along.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("there is no room for a file"));
    }
    // The file goes with the line's first bytes.
    let sent = loop {
        match sendmsg(stream, &[IoSlice::new(&line)], &mut along, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => break sent?,
        }
    };
    let mut stream = stream;
    stream.write_all(&line[sent..])
}

fn line_of<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
    line.push(b'\n');
    Ok(line)
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
