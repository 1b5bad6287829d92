//! Chunks at rest: named by their hash, compressed where that pays.

use crate::model::ChunkId;
use zstd::zstd_safe::get_frame_content_size;

const RAW: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_LEVEL: i32 = 1;

/// A chunk whose bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunk is damaged")]
pub struct Damaged;

/// The name of a chunk.
pub fn chunk_id(bytes: &[u8]) -> ChunkId {
    ChunkId(*blake3::hash(bytes).as_bytes())
}

/// Checks that `bytes` are the chunk `id`.
///
/// # Errors
/// [`Damaged`].
pub fn verify(id: ChunkId, bytes: &[u8]) -> Result<(), Damaged> {
    if chunk_id(bytes) == id { Ok(()) } else { Err(Damaged) }
}

/// The stored form: a byte that says which, then the bytes, by zstd where that saves a tenth.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(bytes, ZSTD_LEVEL).ok();
    let pays = |packed: &Vec<u8>| packed.len() <= bytes.len() - bytes.len() / 10;
    match packed.filter(|packed| !bytes.is_empty() && pays(packed)) {
        Some(packed) => [&[ZSTD][..], &packed].concat(),
        None => [&[RAW][..], bytes].concat(),
    }
}

/// The bytes of a stored form, `bytes_max` at the most.
///
/// # Errors
/// [`Damaged`] where it is no stored form, or a longer one.
pub fn decompress(stored: &[u8], bytes_max: usize) -> Result<Vec<u8>, Damaged> {
    let (&form, packed) = stored.split_first().ok_or(Damaged)?;
    let bytes = match form {
        RAW => packed.to_vec(),
        ZSTD => unpack(packed, bytes_max)?,
        _ => return Err(Damaged),
    };
    if bytes.len() > bytes_max { Err(Damaged) } else { Ok(bytes) }
}

/// A frame tells its length, as all that [`compress`] makes do, so no more than that is ever reserved: a frame
/// unpacked as a stream could ask for a window of its own choice.
fn unpack(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Damaged> {
    let declared = get_frame_content_size(packed).ok().flatten().ok_or(Damaged)?;
    let length = usize::try_from(declared).ok().filter(|length| *length <= bytes_max).ok_or(Damaged)?;
    let bytes = zstd::bulk::decompress(packed, length).map_err(|_| Damaged)?;
    if bytes.len() == length { Ok(bytes) } else { Err(Damaged) }
}
