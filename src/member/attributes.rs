//! The space's attributes file, as far as people are to be told of it: a line that cannot be read stops all merging.

use super::shared::Shared;
use crate::merge::Attributes;
use crate::model::{Name, NodeId};
use crate::ops::Tree;
use crate::rebase::ATTRIBUTES_NAME;
use crate::sync::member::content_of;
use crate::vfs::ContentFiles;
use std::io::Read;

/// More is not read; the parser refuses less.
const READ_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why the attributes file cannot be read; None where it can, where there is none, or where its content is still to come.
pub fn problem(shared: &Shared) -> Option<String> {
    let name = Name::new(ATTRIBUTES_NAME).expect("a plain word is a name");
    let file = {
        let replica = shared.volume().replica();
        let node = replica.view().child(NodeId::ROOT, &name)?;
        let manifest = replica.view().node(node)?.manifest()?.clone();
        let backing = replica.inode(replica.known_ino_of(node)?)?.backing?;
        Some(backing.file).filter(|_| backing.content == Some(content_of(&manifest)))?
    };
    let mut content = Vec::new();
    shared.volume().files().open_read(file).ok()?.take(READ_BYTES_MAX).read_to_end(&mut content).ok()?;
    let error = Attributes::parse(&content).err()?;
    Some(format!("{ATTRIBUTES_NAME}: {error}; nothing is merged until it can be read"))
}
