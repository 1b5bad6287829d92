//! Why a hub does not start, does not go on, or does not do what it is told.

use super::AdminError;
use crate::net::IdentityError;
use crate::store::StoreError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the control socket {}: {source}", path.display())]
    Control { path: PathBuf, source: io::Error },
    /// The control socket's other end is neither this user's nor root's.
    #[error("the control socket {} belongs to user {user_id}", path.display())]
    Stranger { path: PathBuf, user_id: u32 },
    /// What was asked for is not possible; the hub goes on.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The state on disk cannot be trusted until it is read anew.
    #[error("the hub had to stop: {0}")]
    Failed(String),
}
