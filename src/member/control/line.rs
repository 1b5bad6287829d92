//! Lines of JSON with a limit on their length and on the time they may take.

use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Longer lines are not read. A batch of history is the longest there is.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// Reads lines from a socket.
pub(super) struct LineReader<'a> {
    stream: &'a UnixStream,
    buffer: Vec<u8>,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(stream: &'a UnixStream) -> LineReader<'a> {
        LineReader { stream, buffer: Vec::new() }
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
        let mut stream = self.stream;
        match stream.read(&mut chunk) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// Writes `value` as one line, within `patience` for each piece the peer takes.
pub(super) fn write_line<T: Serialize>(stream: &UnixStream, value: &T, patience: Duration) -> io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.set_write_timeout(Some(patience))?;
    let mut stream = stream;
    stream.write_all(&line)
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
