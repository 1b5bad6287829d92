//! Administration of a hub, running or not: one line of JSON each way over its control socket, or its store.

use super::HubError;
use super::admin::{AdminContext, AdminError, AdminRequest, AdminResponse};
use super::serve::{identity_path, last_place, scratch_path};
use super::socket;
use super::state::{HubState, administer_stopped, purge};
use crate::net::Identity;
use crate::store::{RocksStore, StateDirectory, StoreRole};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A request is a name or two.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
const RESPONSE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// An asker has this long to say what it wants, and as long to take the answer.
const ASKER_PATIENCE: Duration = Duration::from_secs(10);
/// Removing a large space takes a while.
const ANSWER_PATIENCE: Duration = Duration::from_secs(600);

/// Asks the hub whose state is in `data`: the running one, or else the store itself, which is locked meanwhile.
///
/// # Errors
/// [`HubError`]; [`HubError::Admin`] where the request itself cannot be fulfilled.
pub fn admin(data: &Path, request: AdminRequest) -> Result<AdminResponse, HubError> {
    let path = data.join("control");
    if let Some(stream) = socket::connect(&path)? {
        let answered = ask(&stream, &request);
        return Ok(answered.map_err(|source| HubError::Control { path, source })??);
    }
    let directory = StateDirectory::open(data)?;
    let identity = Identity::load_or_create(&identity_path(&directory))?;
    let store = RocksStore::open(&directory.database(), StoreRole::Hub)?;
    purge(&store).map_err(|error| AdminError::Failed(error.to_string()))?;
    let (hub, host) = (identity.public_key().fingerprint(), last_place(&directory));
    let context = AdminContext { hub, host, scratch: scratch_path(&directory) };
    Ok(administer_stopped(&store, &context, request)?)
}

fn ask(mut stream: &BlockingStream, request: &AdminRequest) -> io::Result<Result<AdminResponse, AdminError>> {
    stream.set_write_timeout(Some(ASKER_PATIENCE))?;
    // Nobody can say how long it takes to look at all that a space keeps; a hub that ends ends this.
    let patience = if matches!(request, AdminRequest::Care(_)) { None } else { Some(ANSWER_PATIENCE) };
    stream.set_read_timeout(patience)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(RESPONSE_BYTES_MAX)).read_until(b'\n', &mut answer)?;
    if answer.pop() != Some(b'\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the hub ended before it had answered"));
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// Answers requests until dropped.
pub async fn serve_control(state: Arc<HubState>, listener: UnixListener) {
    let mut askers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    askers.spawn(answer(state.clone(), stream));
                }
                Err(error) => {
                    // Out of descriptors, for instance; that passes, and asking again at once would not help it.
                    tracing::warn!(%error, "the control socket could not accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = askers.join_next() => {}
        }
    }
}

async fn answer(state: Arc<HubState>, mut stream: UnixStream) {
    match socket::stranger(&stream) {
        Ok(None) => {}
        other => return tracing::warn!(?other, "a stranger at the control socket"),
    }
    let mut line = Vec::new();
    let mut limited = tokio::io::BufReader::new((&mut stream).take(REQUEST_BYTES_MAX));
    let read = timeout(ASKER_PATIENCE, limited.read_until(b'\n', &mut line)).await;
    if !matches!(read, Ok(Ok(_))) || line.last() != Some(&b'\n') {
        return tracing::debug!("an asker said nothing that ends");
    }
    let answer = match serde_json::from_slice(&line) {
        Ok(request) => state.administer(request).await,
        Err(error) => Err(AdminError::Invalid(format!("the request was not understood: {error}"))),
    };
    let mut line = match serde_json::to_vec(&answer) {
        Ok(line) => line,
        Err(error) => return tracing::error!(%error, "an answer could not be encoded"),
    };
    line.push(b'\n');
    // An asker that has gone needs no answer.
    let _ = timeout(ASKER_PATIENCE, stream.write_all(&line)).await;
}
