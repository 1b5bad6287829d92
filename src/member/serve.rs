//! A mount from the command line's point of view: claimed, started, answering, ended.

use super::answer::MemberHandler;
use super::config::{ConfigError, Home, RemoteName};
use super::control::{self, Moment, SocketError};
use super::mounts::{ClaimError, MountClaim, MountRecord};
use super::options::Options;
use super::run::{Handover, MemberError, MemberOptions, start};
use super::supervise::{Beginning, SupervisorLink};
use super::visit::VisitError;
use crate::model::SpaceName;
use crate::net::{Identity, IdentityError};
use crate::vfs::Ledger;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
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
pub fn run(
    request: &MountRequest,
    beginning: Option<Beginning>,
    on_ready: impl FnOnce(),
) -> Result<(), RunError> {
    die_of_panics();
    if let Some(moment) = request.visit {
        return super::serve_visit::run(request, moment, on_ready);
    }
    let MountRequest { home, remote, space, mount_point, options, .. } = request;
    let (at, name) = home.read_remote(remote)?.space(remote, space)?;
    let identity = Identity::load(&home.device_key())?;
    let (link, handover, lock) = handed_over(beginning)?;
    let is_first = lock.is_none();
    let mut claim = match lock {
        Some(lock) => MountClaim::take_over(home, mount_point, lock),
        None => MountClaim::take(home, mount_point)?,
    };
    let state = options.state.clone().unwrap_or_else(|| home.member_state(remote, space));
    let options = MemberOptions {
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
        notify: !options.silent,
    };
    let running = start(&options, handover)?;
    let (stop, stopped) = stop_on_signals(running.runtime())?;
    let handler = MemberHandler {
        shared: running.shared().clone(),
        mount_point: mount_point.clone(),
        state_directory: state.clone(),
        remote: remote.clone(),
        space: space.clone(),
        supervisor: link.clone(),
    };
    let server = control::serve(control::bind(claim.socket())?, Arc::new(handler))?;
    claim.publish(&MountRecord::new(home, mount_point, &state, (remote.clone(), space.clone())))?;
    if let Some(link) = &link {
        let held = is_first.then(|| [running.device(), claim.lock()]);
        link.serving(mount_point, &state, held)?;
        claim.is_served();
        link.when_alone(move || {
            tracing::error!("the supervisor has died; the mount ends");
            let _ = stop.send(());
        })?;
    }
    on_ready();
    let ended = running.wait(&stopped);
    server.end();
    drop(claim);
    Ok(ended?)
}

/// What came from a supervisor: the way to it, what an earlier daemon left, and the lock of the mount it served.
type HandedOver = (Option<SupervisorLink>, Handover, Option<File>);

fn handed_over(beginning: Option<Beginning>) -> Result<HandedOver, RunError> {
    let Some(Beginning { link, ledger, taken }) = beginning else {
        return Ok((None, Handover::default(), None));
    };
    let ledger = Ledger::open(ledger)?;
    let (device, lock) = taken.map(|taken| (taken.device, taken.lock)).unzip();
    Ok((Some(link), Handover { ledger, device }, lock))
}

/// A thread that ends in the middle of its work leaves a mount that looks alive and is not: then the daemon is better
/// gone. What was closed is on disk, and the next one takes it up.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "the daemon fails");
        report(panic);
        std::process::abort();
    }));
}

/// The sender is for others who have a reason to stop.
pub(super) fn stop_on_signals(
    runtime: &tokio::runtime::Handle,
) -> std::io::Result<(Sender<()>, Receiver<()>)> {
    let _inside = runtime.enter();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = channel();
    let asked = stop.clone();
    runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = asked.send(());
    });
    Ok((stop, stopped))
}
