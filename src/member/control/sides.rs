//! What command line and daemon say to each other about the contents of a conflict.

use super::ConflictReport;
use crate::model::Version;
use crate::sync::member::Seen;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

/// One of the contents of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Base,
    /// The work of the member that lost.
    Local,
    /// What was accepted.
    Remote,
}

/// A conflict of contents whose bytes have been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidesReport {
    pub conflict: ConflictReport,
    pub base: BaseContent,
    /// The version told of what was accepted.
    pub remote: Version,
    /// The contents told.
    pub seen: Seen,
}

/// Whether the common version was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseContent {
    Told,
    /// There is no common version.
    Never,
    /// It cannot be had now, and why.
    Away(String),
}

/// Some bytes of a content: base64 in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ControlBytes(pub Vec<u8>);

impl From<ControlBytes> for String {
    fn from(bytes: ControlBytes) -> String {
        BASE64.encode(&bytes.0)
    }
}

impl TryFrom<String> for ControlBytes {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<ControlBytes, Self::Error> {
        BASE64.decode(text.as_bytes()).map(ControlBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_in_json_and_nonsense_is_an_error() {
        for bytes in [&b""[..], b"\0\xff\n", b"text"] {
            let bytes = ControlBytes(bytes.to_vec());
            let json = serde_json::to_string(&bytes).unwrap();
            assert_eq!(serde_json::from_str::<ControlBytes>(&json).unwrap(), bytes, "{json}");
        }
        assert!(serde_json::from_str::<ControlBytes>("\"no base64!\"").is_err());
    }
}
