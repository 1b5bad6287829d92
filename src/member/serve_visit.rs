//! A visit from the command line's point of view: claimed, begun, answering, ended.

use super::answer::MemberHandler;
use super::config::Home;
use super::control::{self, ControlRequest, ControlResponse, Handler, Moment, Reply, StatusReport};
use super::mounts::{MountClaim, MountRecord};
use super::serve::{MountRequest, RunError, stop_on_signals};
use super::visit::{VisitOptions, start};
use crate::model::Sequence;
use crate::net::Identity;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The state directory of the visit that is shown at a mount point.
pub fn state_of(home: &Home, mount_point: &Path) -> PathBuf {
    let hash = blake3::hash(mount_point.as_os_str().as_bytes()).to_hex();
    home.visits().join(&hash[..16])
}

/// Shows a space as it was and stays until that is unmounted, or a signal ends it. Calls `on_ready` once the mount is
/// usable.
///
/// # Errors
/// [`RunError`]; unless `on_ready` was called nothing is mounted.
pub fn run(request: &MountRequest, moment: Moment, on_ready: impl FnOnce()) -> Result<(), RunError> {
    let MountRequest { home, remote, space, mount_point, options, .. } = request;
    let (at, name) = home.read_remote(remote)?.space(remote, space)?;
    let identity = Identity::load(&home.device_key())?;
    let claim = MountClaim::take(home, mount_point)?;
    let state = state_of(home, mount_point);
    let (source, kernel) = (format!("{remote}:{space}"), options.clone());
    let visiting = start(VisitOptions {
        remote: at,
        identity,
        state: state.clone(),
        name,
        moment,
        directory: mount_point.clone(),
        mount: Box::new(move |sequence| {
            let mut options = kernel.for_kernel(format!("{source}@{sequence}"));
            options.read_only = true;
            options
        }),
    })?;
    let (_stop, stopped) = stop_on_signals(visiting.runtime())?;
    let handler = VisitHandler {
        sequence: visiting.sequence(),
        member: MemberHandler {
            shared: visiting.shared().clone(),
            mount_point: mount_point.clone(),
            state_directory: state.clone(),
            remote: remote.clone(),
            space: space.clone(),
            supervisor: None,
        },
    };
    let server = control::serve(control::bind(claim.socket())?, Arc::new(handler))?;
    let record = MountRecord::new(home, mount_point, &state, (remote.clone(), space.clone()));
    claim.publish(&MountRecord { visit: Some(visiting.sequence()), ..record })?;
    on_ready();
    let ended = visiting.wait(&stopped);
    server.end();
    drop(claim);
    Ok(ended?)
}

/// Answers for one visit: how it stands, and that there is nothing to wait for.
struct VisitHandler {
    sequence: Sequence,
    member: MemberHandler,
}

impl VisitHandler {
    fn status(&self) -> Box<StatusReport> {
        let report = self.member.status();
        let (visit, head) = (Some(self.sequence), report.position);
        // What was in conflict then is nobody's to settle now.
        Box::new(StatusReport { visit, head, conflicts: Vec::new(), disk_full: false, ..report })
    }
}

impl Handler for VisitHandler {
    fn handle(&self, request: ControlRequest, _: &mut Reply) -> io::Result<ControlResponse> {
        Ok(match request {
            ControlRequest::Status => ControlResponse::Status(self.status()),
            ControlRequest::Sync { .. } | ControlRequest::Unmount { .. } => {
                ControlResponse::Synced { complete: true, status: self.status() }
            }
            _ => ControlResponse::Failed {
                message: format!(
                    "this is the space as it was at sequence {}, to be read only",
                    self.sequence
                ),
                hint: Some("give a path in a mount of the space as it is".into()),
            },
        })
    }
}
