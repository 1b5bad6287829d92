//! Content-defined cutting of a run of bytes that arrives in pieces.

use super::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use fastcdc::v2020::FastCDC;

/// Bytes held at most; room enough that a byte is moved to the front about once.
const PENDING_BYTES_MAX: usize = 2 * CHUNK_BYTES_MAX;

/// Cuts a run of bytes as if it were there as a whole.
#[derive(Default)]
pub(super) struct Cutter {
    pending: Vec<u8>,
    /// Bytes at the front of `pending` that are cut.
    cut: usize,
}

impl Cutter {
    pub fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.pending.len() + bytes.len() > PENDING_BYTES_MAX {
                self.pending.drain(..self.cut);
                self.cut = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PENDING_BYTES_MAX - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            // A cut looks no further than the largest chunk: with that much here it is the final one.
            self.cut_while_left(CHUNK_BYTES_MAX, &mut sink);
        }
    }

    /// Ends the run: the next bytes begin a new one.
    pub fn end(&mut self, mut sink: impl FnMut(&[u8])) {
        self.cut_while_left(1, &mut sink);
        self.pending.clear();
        self.cut = 0;
    }

    fn cut_while_left(&mut self, left_min: usize, sink: &mut impl FnMut(&[u8])) {
        while self.pending.len() - self.cut >= left_min {
            let rest = &self.pending[self.cut..];
            let cutter = FastCDC::new(rest, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX);
            let (_, length) = cutter.cut(0, rest.len());
            sink(&rest[..length]);
            self.cut += length;
        }
    }
}
