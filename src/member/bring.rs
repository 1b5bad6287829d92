//! Chunks that the hub has lost, looked for in the files of this member and brought back.
//!
//! The hub says which nodes have or had them. What stands in a node's file now is cut as it was when it was captured,
//! so that chunks come out by their names, those of a long file's lists among them. A file that is written meanwhile
//! makes other chunks, which nobody wants; none is ever brought under a name that is not its own.

use super::content::{self, ContentError};
use super::driver::Event;
use super::shared::Shared;
use crate::content::ManifestBuilder;
use crate::model::{ChunkId, NodeId};
use crate::net::Connection;
use crate::ops::resolve_successor;
use crate::vfs::ContentFiles;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::task::block_in_place;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Found chunks that wait to be sent, in bytes.
const FOUND_BYTES_MAX: usize = 4 * 1024 * 1024;

type Found = BTreeMap<ChunkId, Vec<u8>>;

impl Shared {
    /// Brings what there is of what the hub wants, and has it said that all has been looked through.
    pub(super) fn bring(self: &Arc<Self>, conversation: u64, id: u64, wanted: Vec<(NodeId, Vec<ChunkId>)>) {
        let shared = self.clone();
        self.runtime().spawn(async move {
            if let Some(connection) = shared.connection() {
                for (node, chunks) in wanted {
                    if let Err(error) = shared.bring_of(&connection, node, chunks).await {
                        tracing::warn!(%error, "what the hub wants could not be brought");
                    }
                }
            }
            let _ = shared.events().send(Event::Looked(conversation, id)).await;
        });
    }

    async fn bring_of(
        &self,
        connection: &Connection,
        node: NodeId,
        chunks: Vec<ChunkId>,
    ) -> Result<(), ContentError> {
        let Some(file) = block_in_place(|| self.file_of(node)) else { return Ok(()) };
        let mut search = Search::new(file, chunks);
        loop {
            let found = block_in_place(|| search.next_found())?;
            if found.is_empty() {
                return Ok(());
            }
            let ids: Vec<ChunkId> = found.keys().copied().collect();
            tracing::info!(%node, chunks = ids.len(), "the hub gets chunks back");
            content::upload(connection, &ids, |chunk| found.get(&chunk).cloned()).await?;
        }
    }

    /// The backing file of what a node is now.
    fn file_of(&self, node: NodeId) -> Option<File> {
        let backing = {
            let replica = self.volume().replica();
            let today = resolve_successor(&replica.view(), node);
            replica.known_ino_of(today).and_then(|ino| replica.inode(ino))?.backing?
        };
        self.volume().files().open_read(backing.file).ok()
    }
}

/// A file on its way through the cutter.
struct Search {
    file: Option<File>,
    builder: Option<ManifestBuilder>,
    wanted: BTreeSet<ChunkId>,
}

impl Search {
    fn new(file: File, wanted: Vec<ChunkId>) -> Search {
        let wanted = wanted.into_iter().collect();
        Search { file: Some(file), builder: Some(ManifestBuilder::new()), wanted }
    }

    /// Some of the wanted chunks; none when there are no more.
    fn next_found(&mut self) -> io::Result<Found> {
        let (mut found, mut bytes) = (Found::new(), 0);
        let mut buffer = vec![0; READ_BYTES];
        while let Some(file) = &mut self.file {
            let count = file.read(&mut buffer)?;
            let wanted = &mut self.wanted;
            let mut sink = |chunk: ChunkId, content: &[u8]| {
                if wanted.remove(&chunk) {
                    bytes += content.len();
                    found.insert(chunk, content.to_vec());
                }
            };
            match self.builder.take() {
                Some(builder) if count == 0 => drop(builder.finish(&mut sink)),
                Some(mut builder) => {
                    builder.push(&buffer[..count], &mut sink);
                    self.builder = Some(builder);
                }
                None => {}
            }
            if count == 0 || self.wanted.is_empty() {
                self.file = None;
            }
            if bytes >= FOUND_BYTES_MAX {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn wanted_chunks_are_found_in_a_file_and_no_others() {
        let mut bytes = vec![0; 9 * 1024 * 1024];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        let mut all = Vec::new();
        let mut builder = ManifestBuilder::new();
        let mut sink = |chunk: ChunkId, content: &[u8]| all.push((chunk, content.to_vec()));
        builder.push(&bytes, &mut sink);
        builder.finish(&mut sink);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let absent = ChunkId([7; 32]);
        let wanted: Vec<ChunkId> = all.iter().skip(1).map(|(chunk, _)| *chunk).chain([absent]).collect();
        let mut search = Search::new(file.reopen().unwrap(), wanted);
        let mut found = Found::new();
        loop {
            let some = search.next_found().unwrap();
            assert!(some.values().map(Vec::len).sum::<usize>() < 2 * FOUND_BYTES_MAX);
            if some.is_empty() {
                break;
            }
            found.extend(some);
        }
        assert_eq!(found, all.into_iter().skip(1).collect::<Found>());
    }
}
