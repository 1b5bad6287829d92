//! `fl0wfs sync`: wait until both sides have what the other had.

use super::args::SyncArgs;
use super::failure::{CliError, Exit};
use super::mounted::{Mounted, PATIENCE, unexpected};
use super::output;
use super::progress::Progress;
use super::status;
use crate::member::control::{ControlRequest, ControlResponse, StatusReport};
use std::time::Duration;

pub fn run(arguments: &SyncArgs) -> Result<Exit, CliError> {
    let mounted = Mounted::find(&arguments.directory)?;
    let request = ControlRequest::Sync { timeout_seconds: whole_seconds(arguments.timeout) };
    let (complete, report) = wait(&mounted, &request, arguments.timeout)?;
    let exit = exit_code(complete, &report);
    if exit != Exit::Done {
        output::note(&format!("fl0wfs: not in sync: {}", status::summary(&report)));
    }
    Ok(exit)
}

/// Conflicts do not keep a sync from being complete: both sides of them are everywhere.
fn exit_code(complete: bool, report: &StatusReport) -> Exit {
    match (complete, status::is_refused(report)) {
        (_, true) => Exit::Refused,
        (true, false) => Exit::Done,
        (false, false) => Exit::Waiting,
    }
}

/// Sends a request that is answered once work is done, or its time over; shows progress meanwhile.
///
/// # Errors
/// As [`Mounted::ask`].
pub fn wait(
    mounted: &Mounted,
    request: &ControlRequest,
    timeout: Duration,
) -> Result<(bool, StatusReport), CliError> {
    let mut progress = Progress::new("syncing");
    // The daemon keeps the time; this is for a daemon that does not answer at all.
    let patience = timeout + PATIENCE;
    let answer = mounted.ask(request, patience, |response| {
        if let ControlResponse::Progress(left) = response {
            progress.update(&left);
        }
    });
    drop(progress);
    match answer? {
        ControlResponse::Synced { complete, status } => Ok((complete, *status)),
        other => Err(unexpected(&other)),
    }
}

/// Less than a second still is some time.
pub fn whole_seconds(timeout: Duration) -> u64 {
    timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_rounded_to_none() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}
