//! The list of extents as content: how a long manifest is kept, and read back.

use super::{CHUNK_BYTES_MAX, verify};
use crate::model::{ChunkId, ChunkList, Extent, Manifest};

/// Bytes of one extent in the list: 1 for what it is, 32 for the chunk, 8 for the length.
const ENTRY_BYTES: usize = 41;
/// The longest list that is read back, in bytes: over 6 million extents.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a manifest's list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    #[error("chunk {0} of the list is missing")]
    Missing(ChunkId),
    #[error("the list is longer than 256 MiB")]
    TooLong,
    #[error("the list is damaged")]
    Damaged,
    #[error("the extents do not add up to the content's length")]
    Length,
}

pub(super) fn encode_extent(extent: &Extent) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    if let Some(ChunkId(id)) = extent.chunk {
        entry[0] = 1;
        entry[1..33].copy_from_slice(&id);
    }
    entry[33..].copy_from_slice(&extent.length.to_le_bytes());
    entry
}

/// The content's extents; where the manifest is a tree, `fetch` gives the chunks of its list.
///
/// # Errors
/// [`InvalidList`] where the list is not there or not what it should be.
pub fn extents(
    manifest: &Manifest,
    mut fetch: impl FnMut(ChunkId) -> Option<Vec<u8>>,
) -> Result<Vec<Extent>, InvalidList> {
    let extents = match &manifest.chunks {
        ChunkList::Flat(extents) => extents.clone(),
        ChunkList::Tree(listed) => decode_list(&read_list(listed, &mut fetch)?)?,
    };
    let total = extents.iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.length));
    let sound = total == Some(manifest.length) && extents.iter().all(fits);
    if sound { Ok(extents) } else { Err(InvalidList::Length) }
}

/// Tells whether an extent has a length that one made by us could have.
fn fits(extent: &Extent) -> bool {
    let bytes_max = extent.chunk.map_or(u64::MAX, |_| CHUNK_BYTES_MAX as u64);
    (1..=bytes_max).contains(&extent.length)
}

fn read_list(
    listed: &[Extent],
    fetch: &mut impl FnMut(ChunkId) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, InvalidList> {
    let total = listed.iter().fold(0u64, |sum, extent| sum.saturating_add(extent.length));
    if total > LIST_BYTES_MAX {
        return Err(InvalidList::TooLong);
    }
    let mut list = Vec::new();
    for extent in listed {
        let chunk = extent.chunk.ok_or(InvalidList::Damaged)?;
        let bytes = fetch(chunk).ok_or(InvalidList::Missing(chunk))?;
        if bytes.len() as u64 != extent.length || verify(chunk, &bytes).is_err() {
            return Err(InvalidList::Damaged);
        }
        list.extend_from_slice(&bytes);
    }
    Ok(list)
}

fn decode_list(list: &[u8]) -> Result<Vec<Extent>, InvalidList> {
    let entries = list.chunks_exact(ENTRY_BYTES);
    if !entries.remainder().is_empty() {
        return Err(InvalidList::Damaged);
    }
    entries.map(decode_entry).collect()
}

fn decode_entry(entry: &[u8]) -> Result<Extent, InvalidList> {
    let (kind, rest) = entry.split_first().ok_or(InvalidList::Damaged)?;
    let (chunk, length) = rest.split_first_chunk::<32>().ok_or(InvalidList::Damaged)?;
    let length = u64::from_le_bytes(length.try_into().map_err(|_| InvalidList::Damaged)?);
    match kind {
        0 if *chunk == [0; 32] => Ok(Extent { chunk: None, length }),
        1 => Ok(Extent { chunk: Some(ChunkId(*chunk)), length }),
        _ => Err(InvalidList::Damaged),
    }
}
