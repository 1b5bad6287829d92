//! The member's side of a control stream: what it says after its welcome.

use super::chunks::pack;
use super::outbox::Ending;
use super::owner::{Owner, Request, Said, SessionId};
use super::state::HubState;
use crate::content::verify;
use crate::model::INLINE_BYTES_MAX;
use crate::net::{FrameReceiver, ReceiveError};
use crate::sync::hub::Refusal;
use crate::wire::{FromMember, Inline, MEMORY_PER_BYTE_MAX, MESSAGE_MEMORY_MAX, RefuseReason, decode_within};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Reads one conversation.
pub struct Reader {
    pub receiver: FrameReceiver,
    pub session: SessionId,
    pub owner: Arc<Owner>,
    pub state: Arc<HubState>,
}

impl Reader {
    /// Hands everything the member says to the space's owner, until it stops, or says what nobody should.
    pub async fn run(mut self) -> Ending {
        loop {
            let frame = match self.receiver.receive().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ending::Gone,
                Err(error) => return ending_of(error),
            };
            let mut room = self.room_for(&frame).await;
            let decoded = decode_within("member's message", &frame, MESSAGE_MEMORY_MAX);
            let (message, memory) = match decoded {
                Ok(decoded) => decoded,
                Err(error) => return malformed(error),
            };
            keep_room(&mut room, HubState::permits_for(2 * frame.len() + memory));
            drop(frame);
            let said = match message {
                FromMember::Commit { commit, inline } => {
                    if let Some(ending) = check_inline(&inline) {
                        return ending;
                    }
                    let packed = pack(&inline);
                    Said::Commit { commit, inline, packed }
                }
                FromMember::Barrier { id } => Said::Barrier(id),
                FromMember::Looked { id } => Said::Looked(id),
                FromMember::Applied { sequence } => Said::Applied(sequence),
            };
            if !self.owner.send(Request::Said { session: self.session, said, room }).await {
                return Ending::Gone;
            }
        }
    }

    /// Waits for room for whatever the frame may decode to, before it is decoded; its small content is there twice,
    /// once packed.
    async fn room_for(&self, frame: &[u8]) -> Option<OwnedSemaphorePermit> {
        let memory_max = MESSAGE_MEMORY_MAX.min(frame.len().saturating_mul(MEMORY_PER_BYTE_MAX));
        let permits = HubState::permits_for(2 * frame.len() + memory_max);
        // The semaphore is never closed, so this only waits.
        self.state.waiting.clone().acquire_many_owned(permits).await.ok()
    }
}

/// Gives back what the message turned out not to need.
fn keep_room(room: &mut Option<OwnedSemaphorePermit>, permits: u32) {
    if let Some(room) = room {
        let surplus = room.num_permits().saturating_sub(permits as usize);
        drop(room.split(surplus));
    }
}

fn check_inline(inline: &[Inline]) -> Option<Ending> {
    for Inline { chunk, bytes } in inline {
        if bytes.len() as u64 > INLINE_BYTES_MAX {
            return Some(malformed("content over 64 KiB came inside a commit"));
        }
        if verify(*chunk, bytes).is_err() {
            return Some(malformed("content that came inside a commit is not what it is named"));
        }
    }
    None
}

/// What a connection's end, or its breach of the protocol, means for the conversation.
pub fn ending_of(error: ReceiveError) -> Ending {
    if error.is_peers_fault() { malformed(error) } else { Ending::Gone }
}

fn malformed(detail: impl ToString) -> Ending {
    Ending::Refused(Refusal::new(RefuseReason::Malformed, detail.to_string()))
}
