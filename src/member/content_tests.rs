//! Putting contents together from what is nearby.

use super::*;
use crate::content::ManifestBuilder;
use std::collections::BTreeMap;

struct Held(BTreeMap<ChunkId, Vec<u8>>);

impl Nearby for Held {
    fn chunk(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.0.get(&chunk).cloned()
    }
}

fn cut(bytes: &[u8]) -> (Manifest, Held) {
    let mut chunks = BTreeMap::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| drop(chunks.insert(id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut sink);
    (builder.finish(&mut sink), Held(chunks))
}

async fn assembled(held: &Held, manifest: &Manifest) -> Result<Vec<u8>, ContentError> {
    let mut bytes = vec![0; manifest.length as usize];
    let write = |offset: u64, chunk: &[u8]| {
        let at = offset as usize;
        bytes[at..at + chunk.len()].copy_from_slice(chunk);
        Ok(())
    };
    assemble(None, held, manifest, write).await.map(|()| bytes)
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_all_nearby_needs_no_hub() {
    for length in [0, 1, 5_000_000] {
        let bytes = noise(length);
        let (manifest, held) = cut(&bytes);
        assert!(assembled(&held, &manifest).await.unwrap() == bytes, "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_nearby_is_an_error_without_a_hub() {
    let (manifest, mut held) = cut(&noise(1_000_000));
    held.0.pop_last();
    assert!(matches!(assembled(&held, &manifest).await, Err(ContentError::Offline)));
}
