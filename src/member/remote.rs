//! Where a member's hub is.

use crate::model::SpaceName;
use crate::net::Fingerprint;

/// A space of a hub, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub host: String,
    pub port: u16,
    pub hub: Fingerprint,
    pub space: SpaceName,
}
