//! Chunks beside the rows.

use super::{keys, noise, open};
use crate::model::{ChunkId, SpaceId};
use crate::store::{ChunkRow, Chunks};
use std::path::Path;

const A: SpaceId = SpaceId([0xaa; 16]);
const LAST: SpaceId = SpaceId([0xff; 16]);

fn id(number: u64) -> ChunkId {
    ChunkId(*blake3::hash(&number.to_be_bytes()).as_bytes())
}

fn fill(chunks: &Chunks, space: SpaceId, count: u64, bytes: usize) {
    for number in 0..count {
        chunks.put_many(space, &[(id(number), noise(number, bytes))]).unwrap();
    }
}

#[test]
fn chunks_are_kept_by_space_and_do_not_show_among_rows() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let chunks = store.chunks();
    let both = [(id(1), b"one".to_vec()), (id(2), noise(2, 100_000))];
    chunks.put_many(A, &both).unwrap();
    assert!(chunks.has(A, id(1)) && chunks.has(A, id(2)) && !chunks.has(A, id(3)));
    assert!(!chunks.has(LAST, id(1)));
    assert_eq!(chunks.get(A, id(1)).unwrap(), Some(b"one".to_vec()));
    assert_eq!(chunks.get(LAST, id(1)).unwrap(), None);
    assert_eq!(chunks.kept_bytes(A, id(2)), Some(100_000));
    assert!(keys(&store).is_empty());
    drop((chunks, store));
    assert_eq!(open(directory.path()).chunks().get(A, id(2)).unwrap(), Some(noise(2, 100_000)));
}

#[test]
fn a_list_has_every_chunk_of_its_space_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let chunks = open(directory.path()).chunks();
    fill(&chunks, A, 50, 10);
    fill(&chunks, LAST, 3, 20);
    let mut expected: Vec<_> = (0..50).map(|number| ChunkRow { id: id(number), kept_bytes: 10 }).collect();
    expected.sort_by_key(|row| row.id);
    assert_eq!(chunks.list(A).collect::<Vec<_>>(), expected);
    assert_eq!(chunks.list(LAST).count(), 3);
    assert_eq!(chunks.list(SpaceId([0; 16])).count(), 0);
}

#[test]
fn removed_chunks_are_gone_and_the_others_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let chunks = open(directory.path()).chunks();
    fill(&chunks, A, 4, 5000);
    chunks.remove(A, &[id(0), id(2), id(99)]).unwrap();
    assert_eq!(
        (0..4).map(|number| chunks.has(A, id(number))).collect::<Vec<_>>(),
        [false, true, false, true]
    );
    assert_eq!(chunks.get(A, id(0)).unwrap(), None);
    assert_eq!(chunks.get(A, id(1)).unwrap(), Some(noise(1, 5000)));
}

/// What the store takes without its log, in bytes.
fn used(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let kept = files.filter(|file| file.path().extension().is_none_or(|extension| extension != "log"));
    kept.map(|file| file.metadata().unwrap().len()).sum()
}

#[test]
fn a_removed_space_gives_its_room_back_and_leaves_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    let chunks = open(directory.path()).chunks();
    fill(&chunks, LAST, 3, 50_000);
    fill(&chunks, A, 800, 60_000);
    let before = used(directory.path());
    assert!(before > 16_000_000, "{before} bytes: nothing was flushed");
    chunks.remove_space(A).unwrap();
    assert_eq!(chunks.list(A).count(), 0);
    assert_eq!(chunks.get(A, id(5)).unwrap(), None);
    assert_eq!(chunks.get(LAST, id(2)).unwrap(), Some(noise(2, 50_000)));
    let after = used(directory.path());
    assert!(after < 4_000_000, "{after} of {before} bytes are left");
    chunks.remove_space(LAST).unwrap();
    assert_eq!(chunks.list(LAST).count(), 0);
}

#[test]
fn the_room_of_removed_chunks_is_given_back_and_the_others_stay() {
    const COUNT: u64 = 1000;
    let directory = tempfile::tempdir().unwrap();
    let chunks = open(directory.path()).chunks();
    fill(&chunks, A, COUNT, 60_000);
    // The newest stay in memory, so what is removed below lies in files.
    let before = used(directory.path());
    let (kept, removed): (Vec<_>, Vec<_>) = (0..COUNT).partition(|number| number % 4 == 0);
    chunks.remove(A, &removed.iter().map(|number| id(*number)).collect::<Vec<_>>()).unwrap();
    chunks.give_back_room().unwrap();
    let after = used(directory.path());
    assert!(after < before / 2, "{after} of {before} bytes are left");
    for number in &kept {
        assert_eq!(chunks.get(A, id(*number)).unwrap(), Some(noise(*number, 60_000)));
    }
    assert_eq!(chunks.list(A).count(), kept.len());
    chunks.give_back_room().unwrap();
    assert!(used(directory.path()) <= after + 100_000, "a second time moves what need not move");
}
