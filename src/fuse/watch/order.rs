//! What the daemon and the repeater say to each other, as frames over pipes.

use std::io::{self, Read, Write};

/// Nothing that is said is longer, but for what is watched.
const FRAME_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// What the repeater is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Look up this name in the mount's root. The daemon knows by it who asks, the repeater that it is the right mount.
    Hello(Vec<u8>),
    /// Say which inodes of the mount are watched.
    Look,
    Call(Call),
}

/// A system call on the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub deed: Deed,
    pub at: At,
    /// Where something moves to.
    pub to: At,
}

/// A name, and the directory it is in as a path from the mount's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    pub directory: Vec<u8>,
    pub name: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Makes a file, and closes it.
    MakeEmpty,
    MakeOther,
    MakeDirectory,
    /// Takes a file's content away, and closes it.
    Write,
    /// Shows as a file's new content, and changes nothing.
    Change,
    /// Opens a file to write it, and closes it.
    Close,
    Touch,
    Remove,
    RemoveDirectory,
    Move,
    Exchange,
}

const DEEDS: [Deed; 11] = [
    Deed::MakeEmpty,
    Deed::MakeOther,
    Deed::MakeDirectory,
    Deed::Write,
    Deed::Change,
    Deed::Close,
    Deed::Touch,
    Deed::Remove,
    Deed::RemoveDirectory,
    Deed::Move,
    Deed::Exchange,
];

/// What the repeater answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// The call's error number.
    Failed(i32),
    Watched(Marks),
}

/// What is watched of a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Somebody watches all of it.
    pub everything: bool,
    pub inodes: Vec<u64>,
}

impl Order {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Order::Hello(name) => put(&mut bytes, 0, &[name]),
            Order::Look => put(&mut bytes, 1, &[]),
            Order::Call(Call { deed, at, to }) => {
                let tag = 2 + DEEDS.iter().position(|known| known == deed).unwrap_or_default() as u8;
                put(&mut bytes, tag, &[&at.directory, &at.name, &to.directory, &to.name]);
            }
        }
        bytes
    }

    /// None where this is no order.
    pub fn decode(bytes: &[u8]) -> Option<Order> {
        let (tag, rest) = bytes.split_first()?;
        let mut texts = texts(rest)?.into_iter();
        Some(match tag {
            0 => Order::Hello(texts.next()?),
            1 => Order::Look,
            tag => {
                let deed = *DEEDS.get(usize::from(*tag) - 2)?;
                let mut at = || Some(At { directory: texts.next()?, name: texts.next()? });
                Order::Call(Call { deed, at: at()?, to: at()? })
            }
        })
    }
}

impl Answer {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Answer::Done => vec![0],
            Answer::Failed(errno) => [&[1], &errno.to_le_bytes()[..]].concat(),
            Answer::Watched(marks) => {
                let numbers = marks.inodes.iter().flat_map(|ino| ino.to_le_bytes());
                [2, u8::from(marks.everything)].into_iter().chain(numbers).collect()
            }
        }
    }

    /// None where this is no answer.
    pub fn decode(bytes: &[u8]) -> Option<Answer> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            0 => Answer::Done,
            1 => Answer::Failed(i32::from_le_bytes(rest.try_into().ok()?)),
            2 => {
                let (everything, numbers) = rest.split_first()?;
                let (numbers, []) = numbers.as_chunks::<8>() else { return None };
                let inodes = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
                Answer::Watched(Marks { everything: *everything != 0, inodes })
            }
            _ => return None,
        })
    }
}

fn put(bytes: &mut Vec<u8>, tag: u8, texts: &[&Vec<u8>]) {
    bytes.push(tag);
    for text in texts {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(*text);
    }
}

fn texts(mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let (length, more) = rest.split_first_chunk::<4>()?;
        let (text, more) = more.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(text.to_vec());
        rest = more;
    }
    Some(texts)
}

/// Writes a frame.
///
/// # Errors
/// Those of `write(2)`.
pub fn send(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&[&length.to_le_bytes(), body].concat())?;
    to.flush()
}

/// Reads a frame.
///
/// # Errors
/// `UnexpectedEof` at the end; those of `read(2)`.
pub fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_heard() {
        let at = |name: &str| At { directory: b"a/b".to_vec(), name: name.into() };
        let calls = DEEDS.map(|deed| Order::Call(Call { deed, at: at("x\n"), to: at("") }));
        let orders = [Order::Hello(b"n".to_vec()), Order::Look].into_iter().chain(calls);
        for order in orders {
            let mut pipe = Vec::new();
            send(&mut pipe, &order.encode()).unwrap();
            assert_eq!(Order::decode(&receive(&mut pipe.as_slice()).unwrap()), Some(order));
        }
        let marks = Marks { everything: true, inodes: vec![1, u64::MAX] };
        for answer in [Answer::Done, Answer::Failed(2), Answer::Watched(marks)] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
    }

    #[test]
    fn nonsense_is_neither_order_nor_answer() {
        for bytes in [&[][..], &[9, 200, 0, 0, 0], &[2, 1, 0], &[14], &[0]] {
            assert_eq!(Order::decode(bytes), None, "{bytes:?}");
        }
        for bytes in [&[][..], &[1, 0], &[2], &[2, 0, 1], &[7]] {
            assert_eq!(Answer::decode(bytes), None, "{bytes:?}");
        }
        assert!(receive(&mut [255, 255, 255, 255, 0].as_slice()).is_err());
    }
}
