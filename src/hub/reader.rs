//! The member's side of a control stream: what it says after its welcome.

use super::chunks::pack;
use super::outbox::Ending;
use super::owner::{Owner, Request, Said, SessionId};
use super::state::HubState;
use crate::content::verify;
use crate::model::INLINE_BYTES_MAX;
use crate::net::{FrameReceiver, ReceiveError};
use crate::sync::hub::Refusal;
use crate::wire::{FromMember, Inline, RefuseReason};
use std::sync::Arc;

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
            let bytes = frame.len();
            let message = match crate::wire::decode("member's message", &frame) {
                Ok(message) => message,
                Err(error) => return malformed(error),
            };
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
                FromMember::Applied { sequence } => Said::Applied(sequence),
            };
            if !self.hand_in(said, bytes).await {
                return Ending::Gone;
            }
        }
    }

    async fn hand_in(&self, said: Said, bytes: usize) -> bool {
        let permits = HubState::permits_for(2 * bytes);
        // The semaphore is never closed, so this only waits.
        let room = self.state.waiting.clone().acquire_many_owned(permits).await.ok();
        self.owner.send(Request::Said { session: self.session, said, room }).await
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
