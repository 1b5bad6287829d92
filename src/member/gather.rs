//! Contents gathered for merges: what is not on this machine comes from the hub into files beside the others.
//!
//! Invariant: the replica is not locked while anything is gathered; the files go when the merges are done.

use super::content::{ContentError, Wanted, fetch_large, fetch_small};
use super::files::Arriving;
use super::shared::Shared;
use crate::model::{ChunkId, Digest, Manifest, NodeId};
use crate::net::Connection;
use crate::sync::member::{Contents, Gathered, content_of};
use crate::vfs::ContentFiles;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is not here after so long keeps both sides' contents beside each other.
const PATIENCE: Duration = Duration::from_secs(20);

/// Contents for one message's merges.
pub struct Gathering {
    shared: Arc<Shared>,
    until: Instant,
    /// None is a content that cannot be had.
    found: BTreeMap<Digest, Option<u64>>,
}

impl Gathering {
    pub fn new(shared: Arc<Shared>) -> Gathering {
        Gathering { shared, until: Instant::now() + PATIENCE, found: BTreeMap::new() }
    }

    /// Fetches contents; waits for them.
    ///
    /// # Errors
    /// [`ContentError`] where the conversation is over.
    pub fn gather(&mut self, away: &[(NodeId, Manifest)]) -> Result<(), ContentError> {
        let connection = self.shared.connected().ok_or(ContentError::Offline)?;
        let runtime = self.shared.runtime().clone();
        let mut wanted: BTreeMap<Digest, Wanted> = BTreeMap::new();
        for (node, manifest) in away {
            let content = content_of(manifest);
            wanted.insert(content, Wanted { node: *node, content, manifest: manifest.clone() });
        }
        runtime.block_on(async {
            self.fetch_inline(&connection, &wanted).await;
            for (content, wanted) in wanted {
                if !self.found.contains_key(&content) {
                    let file = self.fetch(&connection, &wanted).await?;
                    self.found.insert(content, file);
                }
            }
            Ok(())
        })
    }

    /// Fetches what comes in one chunk each, many at a time; what does not come is left to be asked for alone.
    async fn fetch_inline(&mut self, connection: &Connection, wanted: &BTreeMap<Digest, Wanted>) {
        let small = |wanted: &Wanted| Some((wanted.clone(), wanted.manifest.inline_chunk()?));
        let small: Vec<(Wanted, ChunkId)> = wanted.values().filter_map(small).collect();
        let (shared, found) = (self.shared.clone(), &mut self.found);
        let arriving = Arriving(&shared);
        let fetching = fetch_small(connection, &arriving, &small, |wanted, file| {
            found.insert(wanted.content, Some(file));
        });
        if let Ok(Err(error)) = timeout_at(self.until, fetching).await {
            tracing::debug!(%error, "not all contents for merges came at once");
        }
    }

    async fn fetch(&self, connection: &Connection, wanted: &Wanted) -> Result<Option<u64>, ContentError> {
        let arriving = Arriving(&self.shared);
        match timeout_at(self.until, fetch_large(connection, &arriving, wanted)).await {
            Ok(Ok(file)) => Ok(Some(file)),
            Ok(Err(error)) if connection.close_reason().is_some() => Err(error),
            Ok(Err(error)) => {
                tracing::info!(%error, "a content for a merge cannot be had");
                Ok(None)
            }
            Err(_) => {
                tracing::info!("a content for a merge did not come in time");
                Ok(None)
            }
        }
    }
}

impl Contents for Gathering {
    fn gathered(&mut self, content: Digest) -> Gathered {
        match self.found.get(&content) {
            Some(Some(file)) => Gathered::In(*file),
            Some(None) => Gathered::Never,
            None => Gathered::Away,
        }
    }

    fn read(&mut self, file: u64, length: u64) -> Option<Vec<u8>> {
        let file = self.shared.volume().files().open_read(file).ok()?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, 0).ok().map(|()| bytes)
    }

    fn keep(&mut self, file: u64, bytes: &[u8]) -> bool {
        let files = self.shared.volume().files();
        let written = files.create(file).and_then(|mut made| {
            made.write_all(bytes)?;
            made.sync_data()
        });
        if let Err(error) = &written {
            tracing::warn!(%error, "a merged content could not be written");
            let _ = files.remove(file);
        }
        written.is_ok()
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.shared.volume().remove_files(self.found.values().flatten().copied().collect());
    }
}
