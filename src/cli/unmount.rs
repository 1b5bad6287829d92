//! `fl0wfs umount`: send what can be sent, unmount, and see the daemon end.

use super::args::UmountArgs;
use super::failure::{CliError, Exit};
use super::mounted::Mounted;
use super::output;
use super::point::{self, PointError};
use super::{status, sync};
use crate::member::control::{ControlRequest, StatusReport};
use std::path::Path;
use std::time::{Duration, Instant};

/// A daemon whose mount is gone has this long to leave everything whole.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// Where nobody has anything open, it ends at once.
const LAZY_PATIENCE: Duration = Duration::from_secs(2);

pub fn run(arguments: &UmountArgs) -> Result<Exit, CliError> {
    let resolved = point::resolve(&arguments.directory)?;
    let mounted = match Mounted::find_resolved(resolved.clone()) {
        Ok(mounted) if mounted.record.mount_point == resolved => mounted,
        // A mount whose record is lost can still be taken away, by whoever may.
        _ if point::is_ours(&resolved)? => {
            take_away(&resolved, arguments.lazy)?;
            return Ok(Exit::Done);
        }
        _ => return Err(CliError::NotMounted(resolved)),
    };
    if !mounted.is_alive() {
        return clear_dead(&mounted);
    }
    let request = ControlRequest::Unmount { timeout_seconds: sync::whole_seconds(arguments.timeout) };
    let (complete, report) = sync::wait(&mounted, &request, arguments.timeout)?;
    unmount_living(&mounted, arguments.lazy)?;
    // With nothing of its own to send, a member that is gone owes the hub nothing.
    if complete || report.pending.is_none() && !status::is_refused(&report) {
        return Ok(Exit::Done);
    }
    say_what_waits(&report);
    Ok(if status::is_refused(&report) { Exit::Refused } else { Exit::Waiting })
}

fn take_away(point: &Path, lazily: bool) -> Result<(), PointError> {
    if lazily { point::detach(point) } else { point::unmount(point) }
}

fn unmount_living(mounted: &Mounted, lazily: bool) -> Result<(), CliError> {
    let point = &mounted.record.mount_point;
    // Somebody else may have unmounted it in the meantime; what counts is that the daemon ends.
    if point::is_ours(point)? {
        take_away(point, lazily)?;
    }
    if lazily && !mounted.record.wait_for_end(&mounted.home, Instant::now() + LAZY_PATIENCE) {
        output::note("fl0wfs: the directory is free; the daemon ends with the last file that is open there");
        return Ok(());
    }
    if mounted.record.wait_for_end(&mounted.home, Instant::now() + END_PATIENCE) {
        return Ok(());
    }
    let (seconds, pid) = (END_PATIENCE.as_secs(), mounted.record.pid);
    let detail =
        format!("the mount is gone, but its daemon (process {pid}) has not ended within {seconds} s");
    Err(PointError::Unmount { path: point.clone(), detail }.into())
}

fn clear_dead(mounted: &Mounted) -> Result<Exit, CliError> {
    let point = &mounted.record.mount_point;
    if point::is_ours(point)? {
        point::detach(point)?;
    }
    mounted.record.clear_dead(&mounted.home);
    output::note(
        "fl0wfs: the daemon had ended before; what was not sent is kept, and sent by the next mount",
    );
    Ok(Exit::Done)
}

fn say_what_waits(report: &StatusReport) {
    let summary = status::summary(report);
    output::note(&format!("fl0wfs: unmounted; {summary}. The next mount goes on from here."));
}
