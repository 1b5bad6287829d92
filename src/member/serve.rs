//! A mount from the command line's point of view: claimed, started, answering, ended.

use super::answer::MemberHandler;
use super::config::{ConfigError, Home, RemoteName};
use super::control::{self, Moment, SocketError};
use super::mounts::{ClaimError, MountClaim, MountRecord};
use super::options::Options;
use super::run::{MemberError, MemberOptions, start};
use super::visit::VisitError;
use crate::model::SpaceName;
use crate::net::{Identity, IdentityError};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use tokio::signal::unix::{SignalKind, signal};

/// What is to be mounted, and where.
#[derive(Clone, Debug)]
pub struct MountRequest {
    pub home: Home,
    pub remote: RemoteName,
    pub space: SpaceName,
    /// Absolute, without symlinks.
    pub mount_point: PathBuf,
    pub options: Options,
    /// The moment to be shown, where it is not the space as it is.
    pub visit: Option<Moment>,
}

/// Why a mount did not come up, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Visit(#[from] VisitError),
    #[error("the system refused a thread or a signal handler: {0}")]
    System(#[from] std::io::Error),
}

/// Mounts a space and stays until it is unmounted, or a signal ends it. Calls `on_ready` once the mount is usable.
///
/// # Errors
/// [`RunError`]; unless `on_ready` was called nothing is mounted.
pub fn run(request: &MountRequest, on_ready: impl FnOnce()) -> Result<(), RunError> {
    die_of_panics();
    if let Some(moment) = request.visit {
        return super::serve_visit::run(request, moment, on_ready);
    }
    let MountRequest { home, remote, space, mount_point, options, .. } = request;
    let (at, name) = home.read_remote(remote)?.space(remote, space)?;
    let identity = Identity::load(&home.device_key())?;
    let claim = MountClaim::take(home, mount_point)?;
    let state = options.state.clone().unwrap_or_else(|| home.member_state(remote, space));
    let running = start(&MemberOptions {
        remote: at,
        identity,
        state: state.clone(),
        name,
        directory: mount_point.clone(),
        mount: options.for_kernel(format!("{remote}:{space}")),
        conflict: options.conflict,
        ignore: [home.ignore_list()].into_iter().chain(options.ignore.clone()).collect(),
        fetching: options.fetching,
        cache_bytes: options.cache_bytes,
        kept_from: options.kept_from.clone(),
    })?;
    let stop = stop_on_signals(running.runtime())?;
    let handler = MemberHandler {
        shared: running.shared().clone(),
        mount_point: mount_point.clone(),
        state_directory: state.clone(),
        remote: remote.clone(),
        space: space.clone(),
    };
    let server = control::serve(control::bind(claim.socket())?, Arc::new(handler))?;
    claim.publish(&MountRecord::new(home, mount_point, &state, (remote.clone(), space.clone())))?;
    on_ready();
    let ended = running.wait(&stop);
    server.end();
    drop(claim);
    Ok(ended?)
}

/// A thread that ends in the middle of its work leaves a mount that looks alive and is not: then it is better gone. What
/// was closed is on disk, and the next mount takes it up.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "the daemon fails");
        report(panic);
        std::process::abort();
    }));
}

pub(super) fn stop_on_signals(runtime: &tokio::runtime::Handle) -> std::io::Result<Receiver<()>> {
    let _inside = runtime.enter();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = channel();
    runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(());
    });
    Ok(stopped)
}
