//! Any content in a file of its own, for whoever wants its bytes: an earlier version, or one side of a conflict.
//!
//! Invariant: the file holds exactly what the manifest says, each chunk verified or copied from a file that counts as
//! holding that content; it has no name, so nobody else opens it and it is gone with its last descriptor. Memory is
//! bounded. The replica and the files of the mount stay as they are: nothing here makes content count as present.

use super::assemble::Assembler;
use super::content::{ContentError, Nearby, Piece, assemble, data_of};
use super::files::Arriving;
use super::shared::Shared;
use crate::content::{self, CHUNK_BYTES_MAX};
use crate::model::{ChunkId, Digest, Manifest, NodeId};
use crate::ops::resolve_successor;
use crate::store::Staging;
use crate::sync::member::content_of;
use crate::vfs::ContentFiles;
use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::FileExt;

impl Shared {
    /// The bytes of a content, in a file without a name, open to read and write. What `node` holds today, which need
    /// not be this content, saves fetching. Blocks; not for tasks.
    ///
    /// # Errors
    /// [`ContentError::Offline`] where the hub is needed and not connected, [`ContentError::Absent`] where it does not
    /// keep the content any more, [`ContentError::Disk`], and others.
    pub fn fetch_to_file(&self, node: NodeId, manifest: &Manifest) -> Result<File, ContentError> {
        self.runtime().block_on(self.fetch_aside(node, manifest))
    }

    /// As [`Shared::fetch_to_file`], for tasks of a runtime with several threads.
    ///
    /// # Errors
    /// As there.
    pub async fn fetch_aside(&self, node: NodeId, manifest: &Manifest) -> Result<File, ContentError> {
        let staging = tokio::task::block_in_place(|| self.begin_aside(manifest))?;
        if tokio::task::block_in_place(|| self.copy_held(node, manifest, &staging))? {
            return Ok(opened(&staging)?);
        }
        let nearby = tokio::task::block_in_place(|| Here::of(self, node, manifest));
        let connection = self.connected();
        let write = |offset, bytes: &[u8]| Arriving(self).write(&staging, offset, bytes);
        assemble(connection.as_ref(), &nearby, manifest, write).await?;
        Ok(opened(&staging)?)
    }

    fn begin_aside(&self, manifest: &Manifest) -> io::Result<Staging> {
        Arriving(self).begin(manifest.length, data_of(manifest))
    }

    /// Copies a whole file that holds the content, where there is one.
    fn copy_held(&self, node: NodeId, manifest: &Manifest, staging: &Staging) -> io::Result<bool> {
        let content = content_of(manifest);
        let holding = || self.volume().replica().file_holding(node, content);
        let Some(file) = holding() else { return Ok(false) };
        match self.volume().files().copy_to(file, staging) {
            // A file is not written while it counts as holding a content: what still does was copied whole.
            Ok(()) if holding() == Some(file) => Ok(true),
            Ok(()) => Arriving(self).clear(staging, manifest.length).map(|()| false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The staged file from its beginning; its name goes with the staging.
fn opened(staging: &Staging) -> io::Result<File> {
    let mut file = staging.file().try_clone()?;
    file.rewind()?;
    Ok(file)
}

/// What of a content is on this machine: in the spool, or where the node's file holds the same bytes in the same place.
pub struct Here<'a> {
    shared: &'a Shared,
    content: Digest,
    file: Option<File>,
}

impl Here<'_> {
    pub fn of<'a>(shared: &'a Shared, node: NodeId, manifest: &Manifest) -> Here<'a> {
        let backing = {
            let replica = shared.volume().replica();
            let today = resolve_successor(&replica.view(), node);
            replica.known_ino_of(today).and_then(|ino| replica.inode(ino)).and_then(|inode| inode.backing)
        };
        let file = backing.and_then(|backing| shared.volume().files().open_read(backing.file).ok());
        Here { shared, content: content_of(manifest), file }
    }
}

impl Nearby for Here<'_> {
    fn chunk(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.shared.volume().replica().spooled(self.content, chunk)
    }

    fn piece(&self, piece: &Piece) -> Option<Vec<u8>> {
        let in_file = || {
            let length = usize::try_from(piece.length).ok().filter(|length| *length <= CHUNK_BYTES_MAX)?;
            let mut bytes = vec![0; length];
            self.file.as_ref()?.read_exact_at(&mut bytes, piece.offset).ok()?;
            // It may be another content, or be written at this moment: only what is the chunk counts.
            content::verify(piece.chunk, &bytes).ok().map(|()| bytes)
        };
        self.chunk(piece.chunk).or_else(in_file)
    }
}
