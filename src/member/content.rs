//! Content over the network: fetches what nodes want, uploads what the hub lacks.

use super::assemble::Assembler;
use crate::content::{self, ExtentReader, Step};
use crate::model::{ChunkId, ChunkList, Digest, Extent, Manifest, NodeId};
use crate::net::{Closed, Connection, ReceiveError, SendError};
use crate::wire::{ContentReply, ContentRequest};
use serde::de::DeserializeOwned;

/// Chunks asked for or sent on one content stream, at most. At 256 KiB each they are 8 MiB.
const CHUNKS_PER_STREAM_MAX: usize = 32;

/// Why content did not come or go.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("the connection ended: {0}")]
    Closed(#[from] Closed),
    #[error("content could not be sent: {0}")]
    Send(#[from] SendError),
    #[error("content could not be received: {0}")]
    Receive(#[from] ReceiveError),
    #[error("the hub has no chunk {0}: `fl0wfs hub gc` let go of this content, or it is damaged there")]
    Absent(ChunkId),
    #[error("chunk {0} is not here any more")]
    Lost(ChunkId),
    #[error("chunk {0} arrived damaged")]
    Damaged(ChunkId),
    #[error("there is no connection")]
    Offline,
    #[error("it did not arrive in time")]
    Late,
    #[error(transparent)]
    NoRoom(#[from] super::cache::NoRoom),
    #[error("the hub has no room")]
    HubFull,
    #[error("a manifest is damaged: {0}")]
    Manifest(#[from] content::InvalidList),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

/// Fetches chunks; `take` gets each as it comes, in the order asked for.
pub(super) async fn fetch_chunks(
    connection: &Connection,
    chunks: &[ChunkId],
    mut take: impl FnMut(ChunkId, Vec<u8>) -> Result<(), ContentError>,
) -> Result<(), ContentError> {
    for group in chunks.chunks(CHUNKS_PER_STREAM_MAX) {
        let (mut sender, mut receiver) = connection.open_content().await?;
        sender.send_message(&ContentRequest::Get(group.to_vec())).await?;
        for &chunk in group {
            let bytes = receiver.receive_message::<Option<Vec<u8>>>("chunk").await?.flatten();
            let bytes = bytes.ok_or(ContentError::Absent(chunk))?;
            content::verify(chunk, &bytes).map_err(|_| ContentError::Damaged(chunk))?;
            take(chunk, bytes)?;
        }
    }
    Ok(())
}

/// Uploads chunks, each read by `read` when its turn comes.
pub async fn upload(
    connection: &Connection,
    chunks: &[ChunkId],
    read: impl Fn(ChunkId) -> Option<Vec<u8>>,
) -> Result<(), ContentError> {
    for group in chunks.chunks(CHUNKS_PER_STREAM_MAX) {
        let (mut sender, mut receiver) = connection.open_content().await?;
        sender.send_message(&ContentRequest::Put(group.to_vec())).await?;
        for &chunk in group {
            let Some(bytes) = tokio::task::block_in_place(|| read(chunk)) else {
                sender.abandon();
                return Err(ContentError::Lost(chunk));
            };
            match sender.send(&bytes).await {
                // The hub has said why already.
                Err(SendError::Stopped) => break,
                sent => sent?,
            }
        }
        match receiver.receive_message::<ContentReply>("reply to an upload").await? {
            Some(ContentReply::Stored) => {}
            Some(ContentReply::Full) => return Err(ContentError::HubFull),
            Some(ContentReply::Damaged(chunk)) => return Err(ContentError::Damaged(chunk)),
            // A hub that stops reading without a word takes nothing now.
            None => return Err(ContentError::HubFull),
        }
    }
    Ok(())
}

/// Asks one question that has one frame for an answer.
pub async fn ask<T: DeserializeOwned>(
    connection: &Connection,
    request: &ContentRequest,
) -> Result<T, ContentError> {
    let (mut sender, mut receiver) = connection.open_content().await?;
    sender.send_message(request).await?;
    match receiver.receive_message::<T>("answer").await? {
        Some(answer) => Ok(answer),
        None => Err(ContentError::Offline),
    }
}

/// One node's content to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub node: NodeId,
    pub content: Digest,
    pub manifest: Manifest,
}

/// A chunk and where it stands in its content; bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub chunk: ChunkId,
    pub offset: u64,
    pub length: u64,
}

/// Chunks that need no network.
pub trait Nearby: Send + Sync {
    fn chunk(&self, chunk: ChunkId) -> Option<Vec<u8>>;

    /// A chunk of which it is known where it stands in its content.
    fn piece(&self, piece: &Piece) -> Option<Vec<u8>> {
        self.chunk(piece.chunk)
    }
}

/// The next chunks of a content, none at its end; the lists are fetched as they are come to.
async fn next_pieces(
    connection: Option<&Connection>,
    nearby: &impl Nearby,
    (reader, offset): (&mut ExtentReader, &mut u64),
) -> Result<Vec<Piece>, ContentError> {
    let mut pieces = Vec::new();
    while pieces.len() < CHUNKS_PER_STREAM_MAX {
        match reader.step()? {
            Step::Extent(Extent { chunk, length }) => {
                pieces.extend(chunk.map(|chunk| Piece { chunk, offset: *offset, length }));
                *offset += length;
            }
            Step::Fetch(list) => match nearby.chunk(list) {
                Some(bytes) => reader.take(&bytes)?,
                None => {
                    let mut listed = Ok(());
                    let connection = connection.ok_or(ContentError::Offline)?;
                    fetch_chunks(connection, &[list], |_, bytes| {
                        listed = reader.take(&bytes);
                        Ok(())
                    })
                    .await?;
                    listed?;
                }
            },
            Step::Named(_) | Step::End => break,
        }
    }
    Ok(pieces)
}

/// All chunks of a content in order, none where they are more than so many.
///
/// # Errors
/// [`ContentError::Offline`] where its lists are not here and there is no connection, and others.
pub async fn all_pieces(
    connection: Option<&Connection>,
    nearby: &impl Nearby,
    manifest: &Manifest,
    count_max: usize,
) -> Result<Option<Vec<Piece>>, ContentError> {
    let (mut reader, mut offset, mut pieces) = (ExtentReader::new(manifest), 0, Vec::new());
    loop {
        let group = next_pieces(connection, nearby, (&mut reader, &mut offset)).await?;
        if group.is_empty() {
            return Ok(Some(pieces));
        }
        pieces.extend(group);
        if pieces.len() > count_max {
            return Ok(None);
        }
    }
}

/// Hands a content's bytes to `write`, offset by offset, in bounded memory: what is nearby from there, the rest from the
/// hub, if it is reached.
///
/// # Errors
/// [`ContentError::Offline`] where the hub is needed and there is no connection, and others; part is written then.
pub async fn assemble(
    connection: Option<&Connection>,
    nearby: &impl Nearby,
    manifest: &Manifest,
    mut write: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
) -> Result<(), ContentError> {
    let (mut reader, mut offset) = (ExtentReader::new(manifest), 0);
    loop {
        let group = next_pieces(connection, nearby, (&mut reader, &mut offset)).await?;
        if group.is_empty() {
            return Ok(());
        }
        bring_pieces(connection, nearby, &group, &mut write).await?;
    }
}

/// Hands the bytes of some pieces to `write`, as [`assemble`] does.
///
/// # Errors
/// As there.
pub async fn bring_pieces(
    connection: Option<&Connection>,
    nearby: &impl Nearby,
    pieces: &[Piece],
    mut write: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
) -> Result<(), ContentError> {
    let mut missing = Vec::new();
    for piece in pieces {
        match tokio::task::block_in_place(|| nearby.piece(piece)) {
            Some(bytes) => tokio::task::block_in_place(|| write(piece.offset, &bytes))?,
            None => missing.push(piece),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let chunks: Vec<ChunkId> = missing.iter().map(|piece| piece.chunk).collect();
    let mut offsets = missing.iter().map(|piece| piece.offset);
    fetch_chunks(connection.ok_or(ContentError::Offline)?, &chunks, |_, bytes| {
        let offset = offsets.next().expect("an offset per chunk");
        tokio::task::block_in_place(|| write(offset, &bytes))?;
        Ok(())
    })
    .await
}

/// The bytes that a content takes on disk, as far as its manifest tells holes.
pub fn data_of(manifest: &Manifest) -> u64 {
    match &manifest.chunks {
        ChunkList::Flat(extents) => {
            extents.iter().filter(|extent| extent.chunk.is_some()).map(|extent| extent.length).sum()
        }
        ChunkList::Tree(_) => manifest.length,
    }
}

/// Fetches one content of any size into a file beside, in bounded memory; returns the file's number.
pub async fn fetch_large<A: Assembler>(
    connection: &Connection,
    assembler: &A,
    wanted: &Wanted,
) -> Result<u64, ContentError> {
    if let Some(file) = tokio::task::block_in_place(|| assembler.copy(wanted.node, wanted.content))? {
        return Ok(file);
    }
    let staging = assemble_large(connection, assembler, wanted).await?;
    Ok(tokio::task::block_in_place(|| assembler.finish(staging))?)
}

/// As [`fetch_large`], up to where the file has no number yet; no copy is made of what is held here.
pub async fn assemble_large<A: Assembler>(
    connection: &Connection,
    assembler: &A,
    wanted: &Wanted,
) -> Result<A::Staging, ContentError> {
    let Wanted { node, manifest, .. } = wanted;
    let staging = assembler.begin(manifest.length, data_of(manifest))?;
    let nearby = tokio::task::block_in_place(|| assembler.nearby(*node, manifest));
    let write = |offset, bytes: &[u8]| assembler.write(&staging, offset, bytes);
    assemble(Some(connection), &nearby, manifest, write).await?;
    Ok(staging)
}

/// Fetches many contents of one chunk each; `done` gets each with its file's number.
pub async fn fetch_small<A: Assembler>(
    connection: &Connection,
    assembler: &A,
    wanted: &[(Wanted, ChunkId)],
    mut done: impl FnMut(&Wanted, u64),
) -> Result<(), ContentError> {
    let mut away = Vec::new();
    for entry @ (wanted, chunk) in wanted {
        let here = tokio::task::block_in_place(|| match assembler.local(wanted.content, *chunk) {
            Some(bytes) => assembler.whole(&bytes).map(Some),
            None => assembler.copy(wanted.node, wanted.content),
        })?;
        match here {
            Some(file) => done(wanted, file),
            None => away.push(entry),
        }
    }
    let chunks: Vec<ChunkId> = away.iter().map(|(_, chunk)| *chunk).collect();
    let mut entries = away.iter().map(|(wanted, _)| wanted);
    fetch_chunks(connection, &chunks, |_, bytes| {
        let wanted = entries.next().expect("an entry per chunk");
        let file = tokio::task::block_in_place(|| assembler.whole(&bytes))?;
        done(wanted, file);
        Ok(())
    })
    .await
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
