//! Bytes made to harm: lengths that lie, names that are none, tags nobody knows.

use super::golden::commit_of_every_verb;
use super::*;
use crate::model::{
    ChunkId, ChunkList, CommitNumber, Extent, InvalidName, MemberName, MemberNumber, Name, NodeId, Place,
    Round, SpaceName, Timestamp,
};
use crate::ops::{Op, Verb};

/// A length as the encoding writes large ones: a mark, then eight bytes.
fn length_of(length: u64) -> Vec<u8> {
    [&[253][..], &length.to_le_bytes()].concat()
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_reserved() {
    for length in [FRAME_BYTES_MAX as u64 + 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        let lying = [length_of(length), vec![7; 40]].concat();
        assert!(decode::<Vec<u8>>("bytes", &lying).is_err(), "{length} bytes");
        assert!(decode::<String>("text", &lying).is_err(), "{length} bytes of text");
        assert!(decode::<Vec<Op>>("ops", &lying).is_err(), "{length} ops");
        assert!(decode::<Vec<(Vec<u8>, Vec<u8>)>>("rows", &lying).is_err(), "{length} rows");
        assert!(decode::<Name>("name", &lying).is_err(), "a name of {length}");
        let get = [vec![0], lying].concat();
        assert!(decode::<ContentRequest>("request", &get).is_err(), "{length} chunks");
    }
}

#[test]
fn a_length_beyond_the_bytes_is_refused() {
    for length in [41, 1000, FRAME_BYTES_MAX as u64 - 100] {
        let lying = [length_of(length), vec![7; 40]].concat();
        assert!(decode::<Vec<u8>>("bytes", &lying).is_err(), "{length}");
    }
}

#[test]
fn many_small_things_that_claim_more_than_a_frame_are_refused() {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = vec![(vec![0; 1000], vec![0; 1000]); 2_200];
    let bytes = encode(&FromHub::SnapshotRows(rows));
    assert!(bytes.len() > FRAME_BYTES_MAX);
    assert!(decode::<FromHub>("message", &bytes).is_err());
}

/// A commit of `ops` equal ops, each of its smallest: 6 bytes that take hundreds in memory.
fn commit_of_settles(ops: usize) -> Vec<u8> {
    let settle = Verb::Settle { node: NodeId::ROOT, member: MemberNumber(1) };
    let op = Op { time: Timestamp::default(), verb: settle };
    assert_eq!(encode(&op).len(), 6);
    encode(&Commit { number: CommitNumber(1), ops: vec![op; ops] })
}

#[test]
fn few_bytes_that_would_take_much_memory_are_refused() {
    let bytes = commit_of_settles(FRAME_BYTES_MAX / 6 - 2);
    assert!(bytes.len() <= FRAME_BYTES_MAX);
    let error = decode::<Commit>("commit", &bytes).expect_err("700,000 ops");
    assert!(error.to_string().contains("memory"), "{error}");
    // Holes of one byte, 2 bytes each and 24 times that in memory; and attributes that are nothing.
    let hole = Extent { chunk: None, length: 1 };
    let holes = encode(&ChunkList::Flat(vec![hole; FRAME_BYTES_MAX / 2 - 8]));
    assert!(decode::<ChunkList>("chunks", &holes).is_err());
    let nothing: Vec<(Vec<u8>, Option<Vec<u8>>)> = vec![(vec![], None); FRAME_BYTES_MAX / 2 - 8];
    assert!(decode::<Vec<(Vec<u8>, Option<Vec<u8>>)>>("attributes", &encode(&nothing)).is_err());
}

#[test]
fn a_commit_of_as_much_as_one_may_hold_takes_its_size_in_memory_and_no_more_than_it_may() {
    let ops = 2 * COMMIT_OPS_MAX;
    let bytes = commit_of_settles(ops);
    let (commit, memory) = decode_within::<Commit>("commit", &bytes, MESSAGE_MEMORY_MAX).expect("a commit");
    assert!(memory <= bytes.len() * MEMORY_PER_BYTE_MAX);
    assert_eq!((commit.ops.len(), memory), (ops, ops * size_of::<Op>()));
    assert!(decode_within::<Commit>("commit", &bytes, memory).is_ok());
    assert!(decode_within::<Commit>("commit", &bytes, memory - 1).is_err());
    // What is made of bytes takes no more than they do.
    let inline = vec![Inline { chunk: ChunkId([1; 32]), bytes: vec![7; 64 * 1024] }; 17];
    let commit = SealedCommit { round: Round(0), commit };
    let message = encode(&FromMember::Commit { commit, inline });
    let (_, both) = decode_within::<FromMember>("message", &message, MESSAGE_MEMORY_MAX).expect("a message");
    assert_eq!(both, memory + 17 * size_of::<Inline>());
    assert!(both < MESSAGE_MEMORY_MAX / 4);
}

#[test]
fn illegal_names_are_refused_wherever_they_stand() {
    let long = vec![b'x'; 256];
    let illegal: [&[u8]; 8] = [b"", b".", b"..", b"a/b", b"/", b"a\0", b"\0", &long];
    for bytes in illegal {
        let place = encode(&(NodeId::ROOT, bytes.to_vec()));
        let error = decode::<Place>("place", &place).expect_err("an illegal name");
        let reason = Name::new(bytes).expect_err("an illegal name").to_string();
        assert!(error.to_string().contains(&reason), "{error} instead of {reason}");
    }
    assert_eq!(Name::new(&b"fine"[..]).map(|name| name.as_bytes().len()), Ok(4));
}

#[test]
fn an_op_with_an_illegal_name_is_refused_whole() {
    let commit = commit_of_every_verb();
    let bytes = encode(&commit);
    let mut tried = 0;
    for at in 0..bytes.len() - 4 {
        // Every name of the sample begins with these letters.
        if &bytes[at..at + 4] == b"name" {
            for byte in *b"/\0" {
                let mut damaged = bytes.clone();
                damaged[at + 2] = byte;
                assert!(decode::<Commit>("commit", &damaged).is_err(), "at {at}");
                tried += 1;
            }
        }
    }
    let names = commit.ops.iter().map(|op| match &op.verb {
        Verb::Move(_) => 2,
        Verb::Make(_) | Verb::Link(_) | Verb::Drop(_) => 1,
        _ => 0,
    });
    assert_eq!(tried, 2 * names.sum::<usize>());
}

#[test]
fn plain_names_are_checked_when_they_come_in() {
    for text in ["", "-x", "Upper", "a b", "a_b", "\u{e4}", "0123456789012345678901234567890123"] {
        let bytes = encode(&text);
        assert!(decode::<SpaceName>("space", &bytes).is_err(), "{text}");
        let error = decode::<MemberName>("member", &bytes).expect_err(text);
        assert!(error.to_string().contains(&InvalidName::NotPlain.to_string()), "{error}");
    }
    assert_eq!(
        decode::<String>("text", &encode(&[0xff_u8][..].to_vec())).map_err(|error| error.what),
        Err("text")
    );
}

#[test]
fn unknown_tags_are_refused() {
    for tag in [100, 200, 250] {
        assert!(decode::<Opening>("opening", &[tag; 50]).is_err());
        assert!(decode::<FromMember>("message", &[tag; 50]).is_err());
        assert!(decode::<FromHub>("message", &[tag; 50]).is_err());
        assert!(decode::<ContentReply>("reply", &[tag; 50]).is_err());
    }
    assert!(decode::<Option<u8>>("option", &[2, 0]).is_err());
    assert!(decode::<bool>("flag", &[2]).is_err());
}

#[test]
fn an_error_says_what_was_malformed() {
    let error = decode::<Opening>("opening", &[]).expect_err("nothing is no opening");
    assert!(error.to_string().starts_with("malformed opening: "), "{error}");
    let error = decode::<u8>("number", &[1, 2, 3]).expect_err("three bytes are no u8");
    assert_eq!(error.to_string(), "malformed number: 2 bytes too many");
}
