//! The MD5 tag: plain up to 64 MiB, over 64 MiB parts above.

use crate::model::Md5Tag;
use md5::{Digest, Md5};

const PART_BYTES: u64 = 64 * 1024 * 1024;
const ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The tag of content that arrives in pieces.
pub(super) struct Tagger {
    part: Md5,
    part_bytes: u64,
    parts: Vec<[u8; 16]>,
    zero_part: Option<[u8; 16]>,
}

impl Tagger {
    pub fn new() -> Tagger {
        Tagger { part: Md5::new(), part_bytes: 0, parts: Vec::new(), zero_part: None }
    }

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
                let digest = *self.zero_part.get_or_insert_with(zero_part);
                self.parts.push(digest);
                length -= PART_BYTES;
                continue;
            }
            let step = length.min(PART_BYTES - self.part_bytes).min(ZEROS.len() as u64);
            self.part.update(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())]);
            self.part_bytes += step;
            length -= step;
        }
    }

    /// A part ends when more follows it, so that content of exactly one part keeps a plain tag.
    fn begin_part_if_full(&mut self) {
        if self.part_bytes == PART_BYTES {
            let part = std::mem::replace(&mut self.part, Md5::new());
            self.parts.push(part.finalize().into());
            self.part_bytes = 0;
        }
    }

    pub fn finish(mut self) -> Md5Tag {
        let last: [u8; 16] = self.part.finalize().into();
        if self.parts.is_empty() {
            return Md5Tag { digest: last, parts: 0 };
        }
        self.parts.push(last);
        let mut whole = Md5::new();
        self.parts.iter().for_each(|part| whole.update(part));
        let parts = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        Md5Tag { digest: whole.finalize().into(), parts }
    }
}

fn zero_part() -> [u8; 16] {
    let mut part = Md5::new();
    (0..PART_BYTES / ZEROS.len() as u64).for_each(|_| part.update(ZEROS));
    part.finalize().into()
}
