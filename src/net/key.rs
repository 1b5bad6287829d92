//! Public keys, and the fingerprints people pass on instead of them.

use data_encoding::BASE32_NOPAD_NOCASE;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An Ed25519 public key: a device's or a hub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey(pub [u8; 32]);

/// What stands before the 32 key bytes in the key's X.509 encoding (RFC 8410), the form TLS carries it in.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PublicKey {
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(*blake3::hash(&self.0).as_bytes())
    }

    pub(super) fn to_spki(self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }

    /// Reads the one encoding an Ed25519 key has; None for any other bytes.
    pub(super) fn from_spki(bytes: &[u8]) -> Option<PublicKey> {
        let key = bytes.strip_prefix(&SPKI_PREFIX)?;
        key.try_into().ok().map(PublicKey)
    }
}

/// A public key's BLAKE3 hash; written as 52 characters of `a-z` and `2-7`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// The text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 52 characters of a-z and 2-7")]
pub struct InvalidFingerprint;

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, InvalidFingerprint> {
        from_base32(text).map(Fingerprint).ok_or(InvalidFingerprint)
    }
}

/// Lower case, without padding: nothing in it needs escaping in a URL or a shell.
pub(super) fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD_NOCASE.encode(bytes).to_ascii_lowercase()
}

/// Either case, because people retype such things.
pub(super) fn from_base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE32_NOPAD_NOCASE.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_from_what_it_shows_in_either_case() {
        let fingerprint = PublicKey([7; 32]).fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 52);
        assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)));
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(text.to_ascii_uppercase().parse(), Ok(fingerprint));
    }

    #[test]
    fn other_text_is_no_fingerprint() {
        let good = PublicKey([7; 32]).fingerprint().to_string();
        for bad in ["", "abc", &good[1..], &format!("{good}a"), &good.replace(&good[..1], "1")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(InvalidFingerprint), "{bad}");
        }
    }

    #[test]
    fn only_an_ed25519_key_is_read_from_its_encoding() {
        let key = PublicKey([9; 32]);
        assert_eq!(PublicKey::from_spki(&key.to_spki()), Some(key));
        assert_eq!(PublicKey::from_spki(&key.to_spki()[..43]), None);
        assert_eq!(PublicKey::from_spki(&[key.to_spki(), vec![0]].concat()), None);
        assert_eq!(PublicKey::from_spki(&[0; 44]), None);
    }
}
