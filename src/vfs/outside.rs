//! What is done to the space from beside the mount, by a command: before it, programs' work is captured; and what a
//! backing file holds that no program wrote is described.

pub use super::reading::Described;

use super::error::VfsError;
use super::host::ContentFiles;
use super::reading::read_manifest;
use super::volume::Volume;
use crate::model::NodeId;
use crate::sync::Store;

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Gets into the log what programs have done so far to these nodes, so that an op about them comes after it.
    ///
    /// # Errors
    /// What was written cannot be captured: no room, or the disk's own errors.
    pub fn settle_nodes(&self, nodes: &[NodeId]) -> Result<(), VfsError> {
        self.settle_before_op(&[])?;
        let inos: Vec<_> = nodes.iter().filter_map(|node| self.known_ino(*node)).collect();
        inos.into_iter().try_for_each(|ino| self.capture_now(ino))
    }

    /// Reads a backing file that nobody writes and no inode names yet.
    ///
    /// # Errors
    /// Those of `pread(2)`; [`VfsError::FileTooLarge`].
    pub fn describe_file(&self, file: u64) -> Result<Described, VfsError> {
        let file = self.files.open_read(file)?;
        let described = read_manifest(&file, || true, |_, _| Ok(()))?;
        described.ok_or_else(|| VfsError::State("a file changed although nobody writes it".into()))
    }
}
