//! Keys and values of a tree's rows in an ordered key-value space.
//!
//! A key is a tag byte and fields whose bytes sort as their values do. A name row stands under its
//! directory by a 63-bit hash of the name and then the name itself, so that a directory is listed in an
//! order that neither additions nor removals disturb, and the hash is a position in the listing.

use super::{Malformed, decode, encode};
use crate::model::{MemberNumber, Name, Node, NodeId, Place, Tombstone};
use crate::ops::{Change, ConflictRow};

const NODE: u8 = b'n';
const NAME: u8 = b'e';
const PLACE: u8 = b'p';
const TOMBSTONE: u8 = b't';
const CONFLICT: u8 = b'c';
const COPY: u8 = b'o';
const SUBDIRECTORIES: u8 = b'd';

/// Makes row keys.
pub struct RowKey;

impl RowKey {
    /// First byte of the keys that belong to a tree, all of them.
    pub const TAGS: [u8; 7] = [CONFLICT, SUBDIRECTORIES, NAME, NODE, COPY, PLACE, TOMBSTONE];

    pub fn node(id: NodeId) -> Vec<u8> {
        join(NODE, &[&id.to_bytes()])
    }

    /// Where the rows of all nodes begin.
    pub fn nodes() -> Vec<u8> {
        vec![NODE]
    }

    pub fn tombstone(id: NodeId) -> Vec<u8> {
        join(TOMBSTONE, &[&id.to_bytes()])
    }

    pub fn name(parent: NodeId, name: &Name) -> Vec<u8> {
        join(NAME, &[&parent.to_bytes(), &RowKey::name_order(name).to_be_bytes(), name.as_bytes()])
    }

    /// Where the rows of a directory's names begin that come after position `order`.
    pub fn names_after(parent: NodeId, order: u64) -> Vec<u8> {
        join(NAME, &[&parent.to_bytes(), &order.saturating_add(1).to_be_bytes()])
    }

    /// Where the rows of a directory's names begin.
    pub fn names_of(parent: NodeId) -> Vec<u8> {
        join(NAME, &[&parent.to_bytes()])
    }

    pub fn place(id: NodeId, place: &Place) -> Vec<u8> {
        join(PLACE, &[&id.to_bytes(), &place.parent.to_bytes(), place.name.as_bytes()])
    }

    /// Where the rows of a node's places begin.
    pub fn places_of(id: NodeId) -> Vec<u8> {
        join(PLACE, &[&id.to_bytes()])
    }

    pub fn conflict(node: NodeId, member: MemberNumber) -> Vec<u8> {
        join(CONFLICT, &[&node.to_bytes(), &member.0.to_be_bytes()])
    }

    /// Where the rows of a node's conflicts begin.
    pub fn conflicts_of(node: NodeId) -> Vec<u8> {
        join(CONFLICT, &[&node.to_bytes()])
    }

    /// Where all conflict rows begin.
    pub fn conflicts() -> Vec<u8> {
        vec![CONFLICT]
    }

    pub fn copy(copy: NodeId) -> Vec<u8> {
        join(COPY, &[&copy.to_bytes()])
    }

    /// The number of directories in a directory, a `u64`; absent where there is none.
    pub fn subdirectories(directory: NodeId) -> Vec<u8> {
        join(SUBDIRECTORIES, &[&directory.to_bytes()])
    }

    /// A name's position in the listing of its directory: 1 to 2^63-1, the same on every member.
    pub fn name_order(name: &Name) -> u64 {
        let hash = blake3::hash(name.as_bytes());
        let first = u64::from_be_bytes(hash.as_bytes()[..8].try_into().expect("8 bytes"));
        // 0 to 3 are kept for the listing's beginning and its two dots; i64::MAX for its end.
        (first >> 1).clamp(4, i64::MAX as u64 - 1)
    }
}

fn join(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(tag);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// What a row key says, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Node(NodeId),
    Tombstone(NodeId),
    Name(Place),
    Place(NodeId, Place),
    Conflict(NodeId, MemberNumber),
    Copy(NodeId),
    Subdirectories(NodeId),
}

/// Reads a row key.
///
/// # Errors
/// [`Malformed`] where the bytes are none.
pub fn decode_row_key(key: &[u8]) -> Result<Row, Malformed> {
    let malformed = || Malformed { what: "row key", detail: format!("{} bytes", key.len()) };
    let (&tag, rest) = key.split_first().ok_or_else(malformed)?;
    let (id, rest) = split_id(rest).ok_or_else(malformed)?;
    let name = |bytes: &[u8]| Name::new(bytes).map_err(|_| malformed());
    match tag {
        NODE if rest.is_empty() => Ok(Row::Node(id)),
        TOMBSTONE if rest.is_empty() => Ok(Row::Tombstone(id)),
        COPY if rest.is_empty() => Ok(Row::Copy(id)),
        SUBDIRECTORIES if rest.is_empty() => Ok(Row::Subdirectories(id)),
        NAME if rest.len() > 8 => Ok(Row::Name(Place { parent: id, name: name(&rest[8..])? })),
        PLACE => {
            let (parent, rest) = split_id(rest).ok_or_else(malformed)?;
            Ok(Row::Place(id, Place { parent, name: name(rest)? }))
        }
        CONFLICT => {
            let member = rest.try_into().map_err(|_| malformed())?;
            Ok(Row::Conflict(id, MemberNumber(u32::from_be_bytes(member))))
        }
        _ => Err(malformed()),
    }
}

/// Checks that a row from outside has a key and a value that decode.
///
/// # Errors
/// [`Malformed`].
pub fn check_row(key: &[u8], value: &[u8]) -> Result<(), Malformed> {
    match decode_row_key(key)? {
        Row::Node(_) => decode::<Node>("node row", value).map(drop),
        Row::Tombstone(_) => decode::<Tombstone>("tombstone row", value).map(drop),
        Row::Name(_) => decode::<NodeId>("name row", value).map(drop),
        Row::Subdirectories(_) => decode::<u64>("count of subdirectories", value).map(drop),
        Row::Conflict(..) => decode::<ConflictRow>("conflict row", value).map(drop),
        Row::Copy(_) => decode::<(NodeId, MemberNumber)>("copy row", value).map(drop),
        Row::Place(..) => Ok(()),
    }
}

fn split_id(bytes: &[u8]) -> Option<(NodeId, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<12>()?;
    Some((NodeId::from_bytes(*id), rest))
}

/// Encoded rows: key, and value or None for "no such row".
pub type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Row {
    /// Encodes one change as the rows it writes and removes.
    pub fn encode_change(change: &Change, rows: &mut Rows) {
        match change {
            Change::Node(id, node) => rows.push((RowKey::node(*id), node.as_ref().map(encode::<Node>))),
            Change::Tombstone(id, tombstone) => {
                rows.push((RowKey::tombstone(*id), tombstone.as_ref().map(encode::<Tombstone>)));
            }
            Change::Name { place, was, now } => {
                rows.push((RowKey::name(place.parent, &place.name), now.as_ref().map(encode::<NodeId>)));
                was.iter().for_each(|was| rows.push((RowKey::place(*was, place), None)));
                now.iter().for_each(|now| rows.push((RowKey::place(*now, place), Some(Vec::new()))));
            }
            Change::Conflict { node, member, was, now } => {
                let key = RowKey::conflict(*node, *member);
                rows.push((key, now.as_ref().map(encode::<ConflictRow>)));
                let copy = |row: &Option<ConflictRow>| row.as_ref().and_then(|row| row.copy);
                copy(was).into_iter().for_each(|copy| rows.push((RowKey::copy(copy), None)));
                let about = encode(&(*node, *member));
                copy(now).into_iter().for_each(|copy| rows.push((RowKey::copy(copy), Some(about.clone()))));
            }
        }
    }

    /// Reads the value of a [`Row::Copy`] row.
    pub fn decode_copy(value: &[u8]) -> Result<(NodeId, MemberNumber), Malformed> {
        decode("copy row", value)
    }
}
