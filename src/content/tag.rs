//! The MD5 tag: plain up to 64 MiB, over 64 MiB parts above.

use crate::model::Md5Tag;
use md5::{Digest, Md5};

const PART_BYTES: u64 = 64 * 1024 * 1024;
/// The MD5 of a part that is all zeros, known so that a large hole costs next to nothing.
const MD5_OF_ZERO_PART: [u8; 16] =
    [0x7f, 0x61, 0x4d, 0xa9, 0x32, 0x9c, 0xd3, 0xae, 0xbf, 0x59, 0xb9, 0x1a, 0xad, 0xc3, 0x0b, 0xf0];
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The tag of content that arrives in pieces.
#[derive(Default)]
pub(super) struct Tagger {
    part: Md5,
    part_bytes: u64,
    /// Over the MD5s of the parts that ended.
    ended: Md5,
    parts: u32,
}

impl Tagger {
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.begin_part_if_full();
            let room = usize::try_from(PART_BYTES - self.part_bytes).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.part.update(now);
            self.part_bytes += now.len() as u64;
            bytes = later;
        }
    }

    /// Zeros: a whole part of them is hashed once.
    pub fn push_zeros(&mut self, mut length: u64) {
        while length > 0 {
            self.begin_part_if_full();
            if self.part_bytes == 0 && length > PART_BYTES {
                self.end_part(MD5_OF_ZERO_PART);
                length -= PART_BYTES;
                continue;
            }
            let step = length.min(PART_BYTES - self.part_bytes).min(ZEROS.len() as u64);
            self.push(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())]);
            length -= step;
        }
    }

    /// A part ends when more follows it, so that content of exactly one part keeps a plain tag.
    fn begin_part_if_full(&mut self) {
        if self.part_bytes == PART_BYTES {
            let part = std::mem::take(&mut self.part);
            self.end_part(part.finalize().into());
            self.part_bytes = 0;
        }
    }

    fn end_part(&mut self, digest: [u8; 16]) {
        self.ended.update(digest);
        self.parts = self.parts.saturating_add(1);
    }

    pub fn finish(mut self) -> Md5Tag {
        let last = std::mem::take(&mut self.part).finalize().into();
        if self.parts == 0 {
            return Md5Tag { digest: last, parts: 0 };
        }
        self.end_part(last);
        Md5Tag { digest: self.ended.finalize().into(), parts: self.parts }
    }
}
