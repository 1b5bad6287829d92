//! Content streams: chunks up, chunks down, and answers about history.

use super::chunks::Packed;
use super::clock::now;
use super::outbox::Ending;
use super::reader::ending_of;
use super::state::OpenSpace;
use crate::content::{CHUNK_BYTES_MAX, compress, verify};
use crate::model::{ChunkId, Role};
use crate::net::{Connection, FrameReceiver, FrameSender, ReceiveError, SendError};
use crate::store::RocksStore;
use crate::sync::hub::{Device, HubSync, Refusal};
use crate::sync::{Txn, WriteError};
use crate::wire::{ContentReply, ContentRequest, RefuseReason, encode};
use std::time::Duration;
use tokio::task::JoinSet;

/// Bytes of an upload gathered for one write.
const UPLOAD_BYTES_MAX: usize = 512 * 1024;
/// Chunks of a download read ahead of their sending.
const DOWNLOAD_CHUNKS: usize = 4;
/// How long an upload's last answer waits to be taken.
const REPLY_PATIENCE: Duration = Duration::from_secs(10);

/// Serves the content streams of one conversation.
#[derive(Clone)]
pub struct ContentServer {
    pub space: OpenSpace,
    pub store: RocksStore,
    pub device: Device,
    /// Only reads: its conversation is no member's.
    pub visits: bool,
}

/// Why a content stream ended early.
enum Broken {
    /// The peer broke the protocol.
    Fault(Ending),
    Gone,
}

impl From<ReceiveError> for Broken {
    fn from(error: ReceiveError) -> Broken {
        match ending_of(error) {
            Ending::Gone => Broken::Gone,
            fault => Broken::Fault(fault),
        }
    }
}

impl From<SendError> for Broken {
    fn from(_: SendError) -> Broken {
        Broken::Gone
    }
}

impl ContentServer {
    /// Serves streams until the connection ends or one of them breaks the protocol.
    pub async fn run(self, connection: Connection) -> Ending {
        let mut streams: JoinSet<Result<(), Broken>> = JoinSet::new();
        loop {
            tokio::select! {
                stream = connection.accept_content() => match stream {
                    Ok((sender, receiver)) => {
                        streams.spawn(self.clone().serve(sender, receiver));
                    }
                    Err(_) => return Ending::Gone,
                },
                Some(ended) = streams.join_next() => match ended {
                    Ok(Err(Broken::Fault(ending))) => return ending,
                    Ok(_) => {}
                    Err(error) => tracing::error!(%error, "a content stream failed"),
                },
            }
        }
    }

    async fn serve(self, sender: FrameSender, mut receiver: FrameReceiver) -> Result<(), Broken> {
        let request = receiver.receive_message("content request").await?;
        // Who was shut out may still be connected, if only to hear so.
        let role = self.space.hub.role_of(&self.store, self.device);
        let request = match (request, role) {
            (Some(request), Some(_)) => request,
            (Some(_), None) if self.visits => return Err(Broken::Fault(shut_out())),
            _ => return Ok(()),
        };
        match request {
            ContentRequest::Get(chunks) => self.download(sender, chunks).await,
            ContentRequest::Put(chunks) => self.upload(sender, receiver, chunks).await,
            question => {
                let (hub, store) = (self.space.hub, self.store);
                let found = tokio::task::spawn_blocking(move || look_up(hub, &store, question)).await;
                answer_encoded(sender, &found.map_err(|_| Broken::Gone)?).await
            }
        }
    }

    async fn download(self, mut sender: FrameSender, chunks: Vec<ChunkId>) -> Result<(), Broken> {
        for some in chunks.chunks(DOWNLOAD_CHUNKS) {
            let (held, some) = (self.space.chunks.clone(), some.to_vec());
            let read = tokio::task::spawn_blocking(move || {
                some.into_iter().map(|chunk| held.bytes(chunk)).collect::<Vec<_>>()
            });
            for bytes in read.await.map_err(|_| Broken::Gone)? {
                sender.send_message(&bytes).await?;
            }
        }
        finish(sender).await
    }

    async fn upload(
        self,
        sender: FrameSender,
        mut receiver: FrameReceiver,
        chunks: Vec<ChunkId>,
    ) -> Result<(), Broken> {
        // Readers bring nothing but what was asked of them: their mounts do not offer it.
        let role = self.space.hub.role_of(&self.store, self.device).filter(|_| !self.visits);
        if role.is_none_or(|role| role < Role::Writer) && !self.space.chunks.are_wanted(&chunks) {
            return Ok(());
        }
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        for chunk in chunks {
            let frame = receiver.receive().await?.ok_or(Broken::Fault(too_few()))?;
            if frame.len() > CHUNK_BYTES_MAX {
                return Err(Broken::Fault(too_long()));
            }
            bytes += frame.len();
            gathered.push((chunk, frame));
            if bytes >= UPLOAD_BYTES_MAX {
                bytes = 0;
                if let Some(reply) = self.keep(std::mem::take(&mut gathered)).await? {
                    return answer(sender, &reply).await;
                }
            }
        }
        let reply = self.keep(gathered).await?.unwrap_or(ContentReply::Stored);
        answer(sender, &reply).await
    }

    /// Verifies, packs, keeps and leases chunks; None where that went well.
    async fn keep(&self, gathered: Vec<(ChunkId, Vec<u8>)>) -> Result<Option<ContentReply>, Broken> {
        let (held, hub, store) = (self.space.chunks.clone(), self.space.hub, self.store.clone());
        let kept = tokio::task::spawn_blocking(move || {
            let mut packed: Vec<Packed> = Vec::with_capacity(gathered.len());
            let mut leases = Txn::new(&store);
            let ids: Vec<ChunkId> = gathered.iter().map(|(chunk, _)| *chunk).collect();
            hub.lease(&mut leases, &ids, now());
            for (chunk, bytes) in gathered {
                if verify(chunk, &bytes).is_err() {
                    return Some(ContentReply::Damaged(chunk));
                }
                packed.push((chunk, compress(&bytes)));
            }
            match held.keep_uploaded(packed, leases.batch()) {
                Ok(()) => None,
                Err(WriteError::Full) => Some(ContentReply::Full),
                Err(WriteError::Failed(error)) => {
                    // The next commit finds the same and stops the hub.
                    tracing::error!(%error, "content could not be kept");
                    Some(ContentReply::Full)
                }
            }
        });
        kept.await.map_err(|_| Broken::Gone)
    }
}

/// The answer to a question about history, encoded.
fn look_up(hub: HubSync, store: &RocksStore, question: ContentRequest) -> Vec<u8> {
    match question {
        ContentRequest::History { of, before, limit } => encode(&hub.log_of(store, &of, before, limit)),
        ContentRequest::Since { after, limit } => encode(&hub.log_since(store, after, limit)),
        ContentRequest::Holders { path, before } => encode(&hub.holders_of(store, &path, before)),
        ContentRequest::Log { after, limit } => encode(&hub.log_page(store, after, limit)),
        ContentRequest::SequenceAt(time) => encode(&hub.sequence_at(store, time)),
        ContentRequest::VersionOf { node, version } => encode(&hub.version_of(store, node, version)),
        ContentRequest::Get(_) | ContentRequest::Put(_) => unreachable!("these are about chunks"),
    }
}

async fn answer<T: serde::Serialize>(sender: FrameSender, reply: &T) -> Result<(), Broken> {
    answer_encoded(sender, &encode(reply)).await
}

async fn answer_encoded(mut sender: FrameSender, reply: &[u8]) -> Result<(), Broken> {
    sender.send(reply).await?;
    finish(sender).await
}

/// Ends the stream in order, so that what was sent last is not lost with it.
async fn finish(sender: FrameSender) -> Result<(), Broken> {
    sender.finish(REPLY_PATIENCE).await;
    Ok(())
}

/// A visitor hears it from here: there is no session of it that its space's owner could end.
fn shut_out() -> Ending {
    Ending::Refused(Refusal::new(RefuseReason::Revoked, "an administrator has revoked this device"))
}

fn too_few() -> Ending {
    Ending::Refused(Refusal::new(RefuseReason::Malformed, "an upload ended before its last chunk"))
}

fn too_long() -> Ending {
    let detail = format!("a chunk is longer than {CHUNK_BYTES_MAX} bytes");
    Ending::Refused(Refusal::new(RefuseReason::Malformed, detail))
}
