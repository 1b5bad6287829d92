//! Laws of cutting, tagging and storing.

mod lists;

use super::*;
use crate::model::{ChunkId, ChunkList, Extent, Manifest};
use fastcdc::v2020::FastCDC;
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
    let extents = extents_of(manifest, |id| chunks.get(&id).cloned()).unwrap();
    let bytes = |extent: &Extent| match extent.chunk {
        Some(id) => chunks[&id].clone(),
        None => vec![0; extent.length as usize],
    };
    extents.iter().flat_map(bytes).collect()
}

fn extents_of(
    manifest: &Manifest,
    fetch: impl FnMut(ChunkId) -> Option<Vec<u8>>,
) -> Result<Vec<Extent>, InvalidList> {
    extents(manifest, fetch).collect()
}

/// Bytes without pattern, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// The extents that the rules ask for, found the plain way: block by block, run by run, all in memory.
fn expected_extents(bytes: &[u8]) -> Vec<Extent> {
    let mut expected: Vec<Extent> = Vec::new();
    let is_hole = |block: &[u8]| block.len() == HOLE_BYTES && block.iter().all(|byte| *byte == 0);
    let blocks: Vec<&[u8]> = bytes.chunks(HOLE_BYTES).collect();
    for run in blocks.chunk_by(|one, next| is_hole(one) == is_hole(next)) {
        let run_bytes = run.concat();
        if is_hole(run[0]) {
            expected.push(hole(run_bytes.len()));
        } else {
            let cuts = FastCDC::new(&run_bytes, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX);
            expected.extend(cuts.map(|cut| chunk(&run_bytes[cut.offset..][..cut.length])));
        }
    }
    expected
}

fn hole(length: usize) -> Extent {
    Extent { chunk: None, length: length as u64 }
}

fn chunk(bytes: &[u8]) -> Extent {
    Extent { chunk: Some(chunk_id(bytes)), length: bytes.len() as u64 }
}

/// A piece of content as a program leaves it.
#[derive(Clone, Debug)]
enum Piece {
    Noise(usize),
    Zeros(usize),
    Hole(usize),
}

fn a_piece() -> impl Strategy<Value = Piece> {
    let length =
        || prop_oneof![0usize..200, 60_000usize..70_000, 0usize..400_000, Just(65_536), Just(131_072)];
    prop_oneof![
        length().prop_map(Piece::Noise),
        length().prop_map(Piece::Zeros),
        length().prop_map(Piece::Hole)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn noise_zeros_and_holes_in_any_order_give_the_extents_of_the_rules(pieces in prop::collection::vec(a_piece(), 0..9)) {
        let (mut bytes, mut chunks, mut builder) = (Vec::new(), Chunks::new(), ManifestBuilder::new());
        let mut sink = |id: ChunkId, bytes: &[u8]| drop(chunks.insert(id, bytes.to_vec()));
        for (seed, piece) in pieces.iter().enumerate() {
            let piece_bytes = match piece {
                Piece::Noise(length) => noise(*length, seed as u64),
                Piece::Zeros(length) | Piece::Hole(length) => vec![0; *length],
            };
            match piece {
                Piece::Hole(length) => builder.push_hole(*length as u64, &mut sink),
                _ => builder.push(&piece_bytes, &mut sink),
            }
            bytes.extend(piece_bytes);
        }
        let manifest = builder.finish(&mut sink);
        prop_assert_eq!(&manifest.chunks, &ChunkList::Flat(expected_extents(&bytes)));
        prop_assert_eq!(manifest.length, bytes.len() as u64);
        prop_assert_eq!(manifest.md5.digest, <[u8; 16]>::from(Md5::digest(&bytes)));
        prop_assert_eq!(manifest.md5.parts, 0);
        prop_assert!(restore(&manifest, &chunks) == bytes);
    }

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
        for form in [0, 1, 2] {
            let hostile = [&[form][..], &bytes].concat();
            prop_assert!(decompress(&hostile, 1000).is_ok_and(|bytes| bytes.len() <= 1000)
                || decompress(&hostile, 1000) == Err(Damaged));
        }
    }

    #[test]
    fn a_stored_chunk_with_a_byte_changed_never_passes_for_the_chunk(
        seed: u64, length in 1usize..5000, compressible: bool, at: prop::sample::Index, flip in 1u8..,
    ) {
        let bytes = if compressible { noise(seed as usize % 50 + 1, seed).repeat(length / 10 + 1) } else { noise(length, seed) };
        let mut stored = compress(&bytes);
        let at = at.index(stored.len());
        stored[at] ^= flip;
        let read = decompress(&stored, CHUNK_BYTES_MAX);
        let passes = read.is_ok_and(|read| verify(chunk_id(&bytes), &read).is_ok() && read != bytes);
        prop_assert!(!passes);
    }
}

#[test]
fn only_whole_aligned_zero_blocks_are_holes() {
    let zeros = vec![0; 4 * HOLE_BYTES];
    let cases = [
        ("one block", zeros[..HOLE_BYTES].to_vec(), vec![hole(HOLE_BYTES)]),
        ("less than a block", zeros[..HOLE_BYTES - 1].to_vec(), vec![chunk(&zeros[..HOLE_BYTES - 1])]),
        ("a tail", zeros[..HOLE_BYTES + 7].to_vec(), vec![hole(HOLE_BYTES), chunk(&zeros[..7])]),
        ("neighbours merge", zeros[..3 * HOLE_BYTES].to_vec(), vec![hole(3 * HOLE_BYTES)]),
        (
            "a word and two blocks of zeros, one of them aligned",
            [b"word", &zeros[..2 * HOLE_BYTES - 4]].concat(),
            vec![chunk(&[b"word", &zeros[..HOLE_BYTES - 4]].concat()), hole(HOLE_BYTES)],
        ),
        (
            "a word at the end of the second block",
            [&zeros[..2 * HOLE_BYTES - 4], b"word"].concat(),
            vec![hole(HOLE_BYTES), chunk(&[&zeros[..HOLE_BYTES - 4], b"word"].concat())],
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(build(&[&bytes]).0.chunks, ChunkList::Flat(expected), "{name}");
    }
}

#[test]
fn a_byte_put_in_front_changes_the_first_chunk_and_little_else() {
    let bytes = noise(8_000_000, 5);
    let (before, after) = (build(&[&bytes]).1, build(&[b"x", &bytes]).1);
    let new = after.keys().filter(|id| !before.contains_key(*id)).count();
    assert!(before.len() > 60 && new <= 3, "{new} new of {}", after.len());
}

#[test]
fn a_hole_across_a_part_has_the_tag_of_written_zeros() {
    let part = 64 * 1024 * 1024;
    let mut sink = |_: ChunkId, _: &[u8]| {};
    let zeros = vec![0; 2 * part + 9];
    let cases = [
        ("one part", 0, part),
        ("a byte more", 0, part + 1),
        ("two parts", 0, 2 * part),
        ("off the grid", 5, 2 * part + 9),
    ];
    for (name, before, length) in cases {
        let mut holed = ManifestBuilder::new();
        holed.push(&noise(before, 6), &mut sink);
        holed.push_hole(length as u64, &mut sink);
        let written = build(&[&noise(before, 6), &zeros[..length]]).0;
        assert_eq!(holed.finish(&mut sink), written, "{name}");
        assert_eq!(
            written.md5.parts as usize,
            if before + length > part { (before + length).div_ceil(part) } else { 0 },
            "{name}"
        );
    }
    let digests = [Md5::digest(&zeros[..part]), Md5::digest(&zeros[..part])].concat();
    let mut two = ManifestBuilder::new();
    two.push_hole(2 * part as u64, &mut sink);
    assert_eq!(two.finish(&mut sink).md5.digest, <[u8; 16]>::from(Md5::digest(digests)));
}

#[test]
fn chunks_are_compressed_only_where_that_saves_a_tenth() {
    let text = b"the same line again and again\n".repeat(200);
    assert!(compress(&text).len() < text.len() / 10);
    for bytes in [noise(5000, 8), Vec::new(), b"short".to_vec()] {
        assert_eq!(compress(&bytes), [&[0][..], &bytes].concat());
    }
    assert_eq!(decompress(&[], 10), Err(Damaged));
    assert_eq!(decompress(&[0, 1, 2, 3], 2), Err(Damaged));
}

#[test]
fn a_frame_that_does_not_tell_its_length_is_refused() {
    let streamed = zstd::stream::encode_all(&[7; 5000][..], 1).unwrap();
    assert_eq!(decompress(&[&[1][..], &streamed].concat(), CHUNK_BYTES_MAX), Err(Damaged));
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
fn a_bomb_is_stopped_at_the_limit() {
    let bomb = compress(&vec![0; 10_000_000]);
    assert!(bomb.len() < 10_000);
    assert_eq!(decompress(&bomb, CHUNK_BYTES_MAX), Err(Damaged));
}

#[test]
fn nothing_has_the_md5_of_nothing() {
    assert_eq!(build(&[]).0, Manifest::empty());
}

/// Cuts and list encoding are part of the space's format: another value here is another format.
#[test]
fn a_known_content_has_the_chunks_it_always_had() {
    let bytes = noise(1_000_000, 9);
    let flat = build(&[&bytes]).0;
    let lengths: Vec<u64> = flat.extents().iter().map(|extent| extent.length).collect();
    let known =
        [67824, 72738, 53578, 74408, 101641, 52609, 122448, 120895, 29815, 107293, 110205, 73062, 13484];
    assert_eq!(lengths, known);
    let mut builder = ManifestBuilder::new();
    let mut sink = |_: ChunkId, _: &[u8]| {};
    for at in 0..1500 {
        builder.push(&bytes[at..at + 100], &mut sink);
        builder.push_hole(2 * HOLE_BYTES as u64 - 100, &mut sink);
    }
    let tree = builder.finish(&mut sink);
    let listed: Vec<String> = tree.chunk_ids().map(|id| id.to_string()[..16].to_owned()).collect();
    assert_eq!(listed, ["fb4ae4eebc855cc1"]);
    let extents: Vec<Extent> = (0u32..9_000).map(|at| chunk(&at.to_le_bytes())).collect();
    let twice = lists::listed(&extents, 2).0;
    let named: Vec<String> = twice.chunk_ids().map(|id| id.to_string()[..16].to_owned()).collect();
    assert_eq!(named, ["21a4559a5dda5e94"]);
}
