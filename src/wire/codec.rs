//! The one place that knows which encoding is used.

use super::FRAME_BYTES_MAX;
use super::budget::{Budget, Paid};
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::error::{DecodeError, EncodeError};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// Bytes from outside that do not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {detail}")]
pub struct Malformed {
    pub what: &'static str,
    pub detail: String,
}

/// No single value is larger than a frame; the limit keeps a hostile length from reserving memory.
type Encoding = Configuration<LittleEndian, Varint, Limit<FRAME_BYTES_MAX>>;

/// Memory that one value's lists and maps may take, beside the bytes it comes in.
const DECODED_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;

/// Most records of ours are shorter.
const ENCODED_BYTES: usize = 192;

const ENCODING: Encoding = bincode::config::standard().with_limit::<FRAME_BYTES_MAX>();

/// Encodes a value of ours. Values are bounded by construction, so this cannot fail.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut short = [0; ENCODED_BYTES];
    match bincode::serde::encode_into_slice(value, &mut short, bincode::config::standard()) {
        // Of just the length it has: many may be kept for a while.
        Ok(length) => short[..length].to_vec(),
        Err(EncodeError::UnexpectedEnd) => {
            bincode::serde::encode_to_vec(value, bincode::config::standard()).expect("values of ours encode")
        }
        Err(error) => panic!("values of ours encode: {error}"),
    }
}

/// Decodes all of `bytes`.
///
/// # Errors
/// [`Malformed`] where the bytes are no `T`, or more than one.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Malformed> {
    decode_within(what, bytes, DECODED_BYTES_MAX).map(|(value, _)| value)
}

/// Decodes all of `bytes` to a value whose lists and maps take `memory_max` bytes at the most beside those bytes, and
/// says how many.
///
/// # Errors
/// [`Malformed`] where the bytes are no such `T`, or more than one.
pub fn decode_within<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    memory_max: usize,
) -> Result<(T, usize), Malformed> {
    let budget = Budget::new(memory_max);
    match decode_front(what, bytes, &budget)? {
        (value, []) => Ok((value, memory_max - budget.left())),
        (_, rest) => Err(Malformed { what, detail: format!("{} bytes too many", rest.len()) }),
    }
}

/// Decodes one value from the front of `bytes` and returns what is left.
///
/// # Errors
/// [`Malformed`] where the bytes do not begin with a `T`.
pub fn decode_rest<'a, T: DeserializeOwned>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<(T, &'a [u8]), Malformed> {
    decode_front(what, bytes, &Budget::new(DECODED_BYTES_MAX))
}

fn decode_front<'a, T: DeserializeOwned>(
    what: &'static str,
    bytes: &'a [u8],
    budget: &Budget,
) -> Result<(T, &'a [u8]), Malformed> {
    bincode::serde::seed_decode_from_slice(Paid::new(PhantomData::<T>, budget), bytes, ENCODING)
        .map(|(value, read)| (value, &bytes[read..]))
        .map_err(|error| Malformed { what, detail: detail(error) })
}

/// What went wrong, without the decoder's own wrapping around the words of our constructors.
fn detail(error: DecodeError) -> String {
    match error {
        DecodeError::OtherString(text) => text,
        other => other.to_string(),
    }
}
