//! Names: what stands between two slashes, and the names of spaces and members.

use super::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One component of a path: 1 to 255 bytes, not `.` or `..`, without `/` and NUL. Bytes are kept as they are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Name(Box<[u8]>);

/// Why bytes are not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("a name is empty")]
    Empty,
    #[error("a name is longer than 255 bytes")]
    TooLong,
    #[error("a name is \".\" or \"..\"")]
    Dots,
    #[error("a name holds a slash or a NUL byte")]
    IllegalByte,
    #[error("use 1 to 32 of a-z, 0-9 and -, not beginning with -")]
    NotPlain,
}

impl Name {
    pub const BYTES_MAX: usize = 255;

    /// Checks `bytes` and makes them a name.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Name, InvalidName> {
        let bytes = bytes.into();
        match bytes.as_slice() {
            [] => Err(InvalidName::Empty),
            b"." | b".." => Err(InvalidName::Dots),
            long if long.len() > Name::BYTES_MAX => Err(InvalidName::TooLong),
            odd if odd.iter().any(|byte| matches!(byte, b'/' | 0)) => Err(InvalidName::IllegalByte),
            _ => Ok(Name(bytes.into())),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for Name {
    type Error = InvalidName;

    fn try_from(bytes: Vec<u8>) -> Result<Name, InvalidName> {
        Name::new(bytes)
    }
}

impl From<Name> for Vec<u8> {
    fn from(name: Name) -> Vec<u8> {
        name.0.into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// Where a name stands: in which directory, and how it reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub parent: NodeId,
    pub name: Name,
}

macro_rules! plain_name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks `text` and makes it a name: 1 to 32 of `[a-z0-9-]`, not beginning with `-`.
            pub fn new(text: impl Into<String>) -> Result<$type, InvalidName> {
                let text = text.into();
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                let fits = (1..=32).contains(&text.len()) && !text.starts_with('-');
                if fits && text.bytes().all(plain) { Ok($type(text)) } else { Err(InvalidName::NotPlain) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<$type, InvalidName> {
                $type::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

plain_name!(
    /// A space's name on its hub.
    SpaceName
);
plain_name!(
    /// A member's name, unique in its space.
    MemberName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_any_bytes_a_filesystem_would() {
        for good in [&b"a"[..], b"...", b"with space", b"new\nline", b"\xff\xfe", &[b'x'; 255]] {
            assert_eq!(Name::new(good).unwrap().as_bytes(), good);
        }
    }

    #[test]
    fn illegal_names_are_refused_with_their_reason() {
        assert_eq!(Name::new(b""), Err(InvalidName::Empty));
        assert_eq!(Name::new(b"."), Err(InvalidName::Dots));
        assert_eq!(Name::new(b".."), Err(InvalidName::Dots));
        assert_eq!(Name::new(b"a/b"), Err(InvalidName::IllegalByte));
        assert_eq!(Name::new(b"a\0"), Err(InvalidName::IllegalByte));
        assert_eq!(Name::new(vec![b'x'; 256]), Err(InvalidName::TooLong));
    }

    #[test]
    fn plain_names_are_short_and_lower_case() {
        assert!(SpaceName::new("work-2").is_ok());
        for bad in ["", "-a", "Work", "a_b", &"x".repeat(33)] {
            assert_eq!(MemberName::new(bad), Err(InvalidName::NotPlain), "{bad}");
        }
    }
}
