//! How much may be in a space.

use serde::{Deserialize, Serialize};

/// What files may come to together, and what they come to now. Counted are the sizes, in bytes, of the files that are
/// there, each once however many names it has, and holes like anything else; earlier versions count nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub limit_bytes: u64,
    pub used_bytes: u64,
}

impl Quota {
    /// What may be added.
    pub fn free_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes)
    }
}
