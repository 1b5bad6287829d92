//! The secret of an invite, and the hash the hub keeps in its place.

use super::key::{base32, from_base32};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A random secret that one invite carries; who shows it is let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; Token::BYTES]);

/// What a hub stores of a token: enough to recognise it, not enough to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenHash(pub [u8; 32]);

/// The text is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has 32 characters of a-z and 2-7")]
pub struct InvalidToken;

impl Token {
    /// 160 bits: beyond guessing, and a round 32 characters.
    pub const BYTES: usize = 20;

    /// Makes a new token from the system's randomness.
    ///
    /// # Panics
    /// Where the system has no randomness to give; nothing secret can be made then.
    pub fn generate() -> Token {
        let mut bytes = [0; Token::BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Token(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl TokenHash {
    /// Hashes a token as it came in a message, well formed or not.
    pub fn of(token: &[u8]) -> TokenHash {
        TokenHash(*blake3::hash(token).as_bytes())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

/// Shows nothing of the secret, so that it does not end in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Token, InvalidToken> {
        from_base32(text).map(Token).ok_or(InvalidToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_hashes_alike_and_hides_in_debug_output() {
        let token = Token::generate();
        let read: Token = token.to_string().parse().unwrap();
        assert_eq!(read, token);
        assert_eq!(read.hash(), TokenHash::of(token.as_bytes()));
        assert!(!format!("{token:?}").contains(&token.to_string()));
        assert_ne!(Token::generate(), token);
        assert_eq!("abc".parse::<Token>(), Err(InvalidToken));
    }
}
