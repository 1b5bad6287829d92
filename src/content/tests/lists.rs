//! Laws of lists: what is listed is read back, and nothing else is.

use super::*;
use crate::content::list::{Entry, Lister};

/// Extents as content might have them, without the content: no two holes meet.
fn some_extents() -> impl Strategy<Value = Vec<Extent>> {
    let extent = (any::<bool>(), 1..=CHUNK_BYTES_MAX as u64);
    prop::collection::vec(extent, 1..9_000).prop_map(|drawn| {
        let mut extents: Vec<Extent> = Vec::new();
        for (at, (is_hole, length)) in drawn.into_iter().enumerate() {
            let after_hole = extents.last().is_none_or(|extent| extent.chunk.is_none());
            let chunk = (!is_hole || after_hole).then(|| chunk_id(&at.to_le_bytes()));
            extents.push(Extent { chunk, length });
        }
        extents
    })
}

/// The manifest of content with these extents, naming so many at most, and the chunks of its lists.
pub fn listed(extents: &[Extent], extents_max: usize) -> (Manifest, Chunks) {
    let (mut chunks, mut lister) = (Chunks::new(), Lister::new(extents_max));
    extents.iter().for_each(|extent| lister.push(*extent));
    let listed = lister.finish(|id, bytes| drop(chunks.insert(id, bytes.to_vec())));
    let length = extents.iter().map(|extent| extent.length).sum();
    (Manifest { length, chunks: listed, ..Manifest::empty() }, chunks)
}

/// What of the lists is lacking, as a hub finds it out that has only `held`.
fn lacking(manifest: &Manifest, held: &Chunks) -> Vec<ChunkId> {
    let (mut reader, mut lacking) = (ExtentReader::new(manifest), Vec::new());
    loop {
        match reader.step().unwrap() {
            Step::Extent(_) => {}
            Step::Named(chunk) => lacking.extend((!held.contains_key(&chunk)).then_some(chunk)),
            Step::Fetch(chunk) => match held.get(&chunk) {
                Some(bytes) => reader.take(bytes).unwrap(),
                None => {
                    lacking.push(chunk);
                    reader.pass_over();
                }
            },
            Step::End => return lacking,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn extents_come_back_from_however_many_lists_they_need(extents in some_extents(), extents_max in 1usize..6) {
        let (manifest, chunks) = listed(&extents, extents_max);
        prop_assert!(manifest.extents().len() <= extents_max);
        prop_assert_eq!(matches!(manifest.chunks, ChunkList::Flat(_)), extents.len() <= extents_max);
        prop_assert_eq!(extents_of(&manifest, |id| chunks.get(&id).cloned()), Ok(extents));
    }

    #[test]
    fn lists_that_are_lacking_are_asked_for_a_whole_list_at_a_time(
        extents in some_extents(), extents_max in 1usize..6, kept in any::<prop::sample::Index>(),
    ) {
        let (manifest, chunks) = listed(&extents, extents_max);
        let mut held: Chunks = chunks.clone().into_iter().skip(kept.index(chunks.len() + 1)).collect();
        for _ in 0..2 {
            held.extend(lacking(&manifest, &held).into_iter().map(|id| (id, chunks[&id].clone())));
        }
        prop_assert_eq!(lacking(&manifest, &held), vec![]);
        prop_assert_eq!(extents_of(&manifest, |id| held.get(&id).cloned()), Ok(extents));
    }

    #[test]
    fn a_list_of_any_bytes_gives_extents_that_add_up_or_an_error(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 1..500), length: u64,
    ) {
        let manifest = Manifest { length, chunks: ChunkList::Tree(vec![chunk(&bytes)]), ..Manifest::empty() };
        if let Ok(extents) = extents_of(&manifest, |_| Some(bytes.clone())) {
            prop_assert_eq!(extents.iter().map(|extent| u128::from(extent.length)).sum::<u128>(), u128::from(length));
        }
    }
}

#[test]
fn hostile_lists_are_refused_with_their_reason() {
    let entry = |tag: u8, id: u8, length: u64| [&[tag][..], &[id; 32], &length.to_le_bytes()].concat();
    let cases = [
        ("an empty extent", entry(0, 0, 0), 0, InvalidList::Length),
        (
            "a chunk too long",
            entry(1, 7, CHUNK_BYTES_MAX as u64 + 1),
            CHUNK_BYTES_MAX as u64 + 1,
            InvalidList::Length,
        ),
        ("too short a sum", entry(1, 7, 5), 6, InvalidList::Length),
        ("a sum that overflows", [entry(0, 0, u64::MAX), entry(0, 0, 2)].concat(), 1, InvalidList::Length),
        ("an unknown tag", entry(2, 7, 5), 5, InvalidList::Damaged),
        ("a hole with a chunk", entry(0, 7, 5), 5, InvalidList::Damaged),
        ("an entry cut off", entry(1, 7, 5)[..40].to_vec(), 5, InvalidList::Damaged),
    ];
    for (name, list, length, reason) in cases {
        let manifest = Manifest { length, chunks: ChunkList::Tree(vec![chunk(&list)]), ..Manifest::empty() };
        assert_eq!(extents_of(&manifest, |_| Some(list.clone())), Err(reason), "{name}");
    }
    let tree = |listed| Manifest { length: 5, chunks: ChunkList::Tree(listed), ..Manifest::empty() };
    let no_fetch = |_: ChunkId| -> Option<Vec<u8>> { panic!("nothing to fetch") };
    assert_eq!(extents_of(&tree(vec![hole(41)]), no_fetch), Err(InvalidList::Damaged));
    let endless = vec![Extent { length: u64::MAX / 2, ..chunk(b"x") }; 3];
    assert_eq!(extents_of(&tree(endless), no_fetch), Err(InvalidList::TooLong));
    let flat = Manifest { length: 5, chunks: ChunkList::Flat(vec![hole(5), hole(0)]), ..Manifest::empty() };
    assert_eq!(extents_of(&flat, no_fetch), Err(InvalidList::Length));
}

#[test]
fn lists_that_are_mixed_nested_too_deep_or_endless_are_refused() {
    let (mut chunks, mut length) = (Chunks::new(), 0);
    let mut list = |entries: &[Entry]| {
        let bytes: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
        length = bytes.len() as u64;
        let id = chunk_id(&bytes);
        chunks.insert(id, bytes);
        Entry::List { chunk: id, length }
    };
    let content = Entry::Content(hole(5));
    let one = list(&[content]);
    let two = list(&[one]);
    let cases = [
        ("three lists", list(&[two]), InvalidList::Damaged),
        ("content, then a list", list(&[content, one]), InvalidList::Damaged),
        ("a list, then content", list(&[one, content]), InvalidList::Damaged),
        ("the list twice", list(&[one, one]), InvalidList::Length),
        (
            "a chunk of nothing",
            list(&[Entry::List { chunk: chunk_id(b""), length: 0 }]),
            InvalidList::Damaged,
        ),
    ];
    let manifest = |entry: Entry| {
        let Entry::List { chunk, length } = entry else { panic!("a list") };
        let named = vec![Extent { chunk: Some(chunk), length }];
        Manifest { length: 5, chunks: ChunkList::Tree(named), ..Manifest::empty() }
    };
    assert_eq!(extents_of(&manifest(two), |id| chunks.get(&id).cloned()), Ok(vec![hole(5)]));
    for (name, entry, reason) in cases {
        assert_eq!(extents_of(&manifest(entry), |id| chunks.get(&id).cloned()), Err(reason), "{name}");
    }
    // The same list of holes, again and again: small to keep, long to read.
    let zeros = Entry::Content(hole(1)).encode().repeat(6_000);
    let again = Entry::List { chunk: chunk_id(&zeros), length: zeros.len() as u64 }.encode().repeat(6_000);
    let named = Extent { chunk: Some(chunk_id(&again)), length: again.len() as u64 };
    let endless = Manifest { length: u64::MAX, chunks: ChunkList::Tree(vec![named]), ..Manifest::empty() };
    let held = Chunks::from([(chunk_id(&zeros), zeros), (chunk_id(&again), again)]);
    assert_eq!(extents_of(&endless, |id| held.get(&id).cloned()), Err(InvalidList::TooLong));
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
    let missing = extents_of(&manifest, |_| None);
    assert!(matches!(missing, Err(InvalidList::Missing(_))));
    let damaged = extents_of(&manifest, |id| chunks.get(&id).map(|bytes| vec![9; bytes.len()]));
    assert_eq!(damaged, Err(InvalidList::Damaged));
}
