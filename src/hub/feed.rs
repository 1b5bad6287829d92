//! The log as a member is fed from it: entries read from the store, in pages, with small content put back in.

use super::batch::{ENTRY_INLINE_BYTES_MAX, entry_frame};
use super::chunks::SpaceChunks;
use crate::model::{CommitNumber, INLINE_BYTES_MAX, MemberNumber, Sequence};
use crate::store::RocksStore;
use crate::sync::hub::HubSync;
use crate::wire::{Answer, FromHub, Inline, LogEntry, encode};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Frames read ahead of a member, in bytes.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Reads for one member's conversation.
#[derive(Clone)]
pub struct Feed {
    pub hub: HubSync,
    pub store: RocksStore,
    pub chunks: SpaceChunks,
    pub member: MemberNumber,
    /// What the member was told at its welcome: its own later commits were sent in this conversation, and wait
    /// for their answers.
    pub accepted: CommitNumber,
}

impl Feed {
    /// Frames for the entries from one sequence up to another, and the sequence after the last of them. At least
    /// one, where there is one.
    pub fn page(&self, from: Sequence, upto: Sequence) -> (Vec<Bytes>, Sequence) {
        let (mut frames, mut bytes, mut next) = (Vec::new(), 0, from);
        let entries = self.hub.entries(&self.store, from).take_while(|entry| entry.sequence <= upto);
        for entry in entries {
            next = Sequence(entry.sequence.0 + 1);
            let frame = self.frame(entry);
            bytes += frame.len();
            frames.push(frame);
            if bytes > PAGE_BYTES_MAX {
                break;
            }
        }
        (frames, next)
    }

    fn frame(&self, entry: LogEntry) -> Bytes {
        if entry.member == self.member && entry.number > self.accepted {
            let LogEntry { sequence, time, chain, number, .. } = entry;
            let answer = Answer::Accept { sequence, time, chain };
            return encode(&FromHub::Answer { number, answer }).into();
        }
        let inline = if entry.member == self.member { Vec::new() } else { self.small_content(&entry) };
        entry_frame(entry, inline)
    }

    fn small_content(&self, entry: &LogEntry) -> Vec<Inline> {
        let (mut inline, mut bytes, mut seen) = (Vec::new(), 0, BTreeSet::new());
        let manifests = entry.ops.iter().filter_map(|op| op.verb.manifest());
        for manifest in manifests {
            let Some(chunk) = manifest.inline_chunk().filter(|chunk| seen.insert(*chunk)) else { continue };
            // A manifest can say less than it names, so what counts is what was read.
            let Some(content) = self.chunks.bytes(chunk) else { continue };
            bytes += content.len();
            if bytes > ENTRY_INLINE_BYTES_MAX {
                break;
            }
            if content.len() as u64 <= INLINE_BYTES_MAX {
                inline.push(Inline { chunk, bytes: content });
            }
        }
        inline
    }
}
