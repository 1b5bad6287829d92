//! Laws of cutting and tagging.

use super::*;
use crate::model::{ChunkId, ChunkList, Extent, Manifest};
use md5::{Digest, Md5};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Chunks = BTreeMap<ChunkId, Vec<u8>>;

fn build(pieces: &[&[u8]]) -> (Manifest, Chunks) {
    let mut chunks = Chunks::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| drop(chunks.insert(id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    pieces.iter().for_each(|piece| builder.push(piece, &mut sink));
    let manifest = builder.finish(&mut sink);
    (manifest, chunks)
}

fn restore(manifest: &Manifest, chunks: &Chunks) -> Vec<u8> {
    let extents = extents(manifest, |id| chunks.get(&id).cloned()).unwrap();
    let bytes = |extent: &Extent| match extent.chunk {
        Some(id) => chunks[&id].clone(),
        None => vec![0; extent.length as usize],
    };
    extents.iter().flat_map(bytes).collect()
}

/// Bytes without pattern, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_manifest_depends_on_the_bytes_and_not_on_how_they_come(
        length in 0usize..1_500_000, cuts in prop::collection::vec(0usize..1_500_000, 0..6), zeros in 0usize..900_000,
    ) {
        let mut bytes = noise(length, 7);
        let end = (zeros + 300_000).min(length);
        if zeros < end { bytes[zeros..end].fill(0); }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(length)).collect();
        cuts.extend([0, length]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let (whole, chunks) = build(&[&bytes]);
        prop_assert_eq!(&whole, &build(&pieces).0);
        prop_assert!(restore(&whole, &chunks) == bytes);
        prop_assert_eq!(whole.md5.digest, <[u8; 16]>::from(Md5::digest(&bytes)));
        prop_assert!(chunks.iter().all(|(id, bytes)| verify(*id, bytes).is_ok() && bytes.len() <= CHUNK_BYTES_MAX));
    }

    #[test]
    fn a_stored_chunk_comes_back_and_any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert_eq!(decompress(&compress(&bytes), 3000), Ok(bytes.clone()));
        let _ = decompress(&bytes, 3000);
    }
}

#[test]
fn written_zeros_and_holes_are_the_same_content() {
    let mut sink = |_: ChunkId, _: &[u8]| {};
    for (before, zeros, after) in
        [(0, 65_536, 0), (100, 200_000, 5), (65_536, 131_072, 1), (70_000, 10, 70_000)]
    {
        let bytes = [noise(before, 1), vec![0; zeros], noise(after, 2)].concat();
        let mut holed = ManifestBuilder::new();
        holed.push(&bytes[..before], &mut sink);
        holed.push_hole(zeros as u64, &mut sink);
        holed.push(&bytes[before + zeros..], &mut sink);
        assert_eq!(holed.finish(&mut sink), build(&[&bytes]).0, "{before} {zeros} {after}");
    }
}

#[test]
fn a_huge_hole_is_one_extent_and_costs_no_time() {
    let mut builder = ManifestBuilder::new();
    let mut sink = |_: ChunkId, _: &[u8]| panic!("a hole has no chunk");
    builder.push_hole(1 << 40, &mut sink);
    let manifest = builder.finish(&mut sink);
    assert_eq!(manifest.chunks, ChunkList::Flat(vec![Extent { chunk: None, length: 1 << 40 }]));
    assert_eq!(manifest.md5.parts, 16_384);
}

#[test]
fn the_tag_is_plain_up_to_64_mib_and_in_parts_above() {
    let part = 64 * 1024 * 1024;
    let bytes = noise(part + 1, 3);
    let plain = build(&[&bytes[..part]]).0.md5;
    assert_eq!((plain.digest, plain.parts), (Md5::digest(&bytes[..part]).into(), 0));
    let parts = [Md5::digest(&bytes[..part]), Md5::digest(&bytes[part..])].concat();
    let tag = build(&[&bytes]).0.md5;
    assert_eq!((tag.digest, tag.parts), (Md5::digest(parts).into(), 2));
    assert!(tag.to_string().ends_with("-2"));
}

#[test]
fn a_long_list_of_extents_is_content_itself() {
    let block = noise(64 * 1024, 4);
    let hole = vec![0; 64 * 1024];
    let mut chunks = Chunks::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| drop(chunks.insert(id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    for _ in 0..600 {
        builder.push(&block, &mut sink);
        builder.push_hole(hole.len() as u64, &mut sink);
    }
    let manifest = builder.finish(&mut sink);
    assert!(matches!(manifest.chunks, ChunkList::Tree(_)));
    assert!(restore(&manifest, &chunks) == [block, hole].concat().repeat(600));
    let missing = extents(&manifest, |_| None);
    assert!(matches!(missing, Err(InvalidList::Missing(_))));
    let damaged = extents(&manifest, |id| chunks.get(&id).map(|bytes| vec![9; bytes.len()]));
    assert_eq!(damaged, Err(InvalidList::Damaged));
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let bomb = compress(&vec![0; 10_000_000]);
    assert!(bomb.len() < 10_000);
    assert_eq!(decompress(&bomb, CHUNK_BYTES_MAX), Err(Damaged));
}

#[test]
fn nothing_has_the_md5_of_nothing() {
    assert_eq!(build(&[]).0, Manifest::empty());
}
