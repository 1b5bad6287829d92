//! Content-defined cutting of a run of bytes that arrives in pieces.

use super::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use fastcdc::v2020::FastCDC;

/// Cuts a run of bytes as if it were there as a whole.
#[derive(Default)]
pub(super) struct Cutter {
    /// What is not cut yet; no more than twice the largest chunk.
    pending: Vec<u8>,
}

impl Cutter {
    pub fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES_MAX));
            self.pending.extend_from_slice(now);
            bytes = later;
            // A cut looks no further than the largest chunk: with that much here it is the final one.
            self.cut(CHUNK_BYTES_MAX, &mut sink);
        }
    }

    /// Ends the run: the next bytes begin a new one.
    pub fn end(&mut self, mut sink: impl FnMut(&[u8])) {
        self.cut(1, &mut sink);
    }

    fn cut(&mut self, pending_min: usize, sink: &mut impl FnMut(&[u8])) {
        let mut start = 0;
        while self.pending.len() - start >= pending_min {
            let rest = &self.pending[start..];
            let cutter = FastCDC::new(rest, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX);
            let (_, length) = cutter.cut(0, rest.len());
            sink(&rest[..length]);
            start += length;
        }
        self.pending.drain(..start);
    }
}
