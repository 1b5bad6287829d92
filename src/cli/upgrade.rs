//! `fl0wfs upgrade`: this very program goes on with a mount, and nobody who uses it notices.

use super::args::UpgradeArgs;
use super::failure::{CliError, Exit};
use super::mounted::{Mounted, PATIENCE, unexpected};
use super::output;
use crate::member::config::Home;
use crate::member::control::{AskError, ControlRequest, ControlResponse};
use crate::member::mounts::MountRecord;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A daemon that takes a mount up serves within this time, unless it has much to look through.
const START_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub fn run(arguments: &UpgradeArgs) -> Result<Exit, CliError> {
    let mounts = match &arguments.directory {
        Some(directory) => vec![Mounted::find(directory)?],
        None => living()?,
    };
    let program = match &arguments.program {
        Some(program) => std::fs::canonicalize(program),
        None => std::env::current_exe(),
    };
    let program = program.map_err(CliError::System)?;
    for mounted in &mounts {
        upgrade(mounted, &program)?;
        output::line(&format!("{}  goes on as {}", mounted.record.mount_point.display(), program.display()))?;
    }
    if mounts.is_empty() {
        output::line("nothing is mounted")?;
    }
    Ok(Exit::Done)
}

/// All mounts but visits, which have nothing to go on with.
fn living() -> Result<Vec<Mounted>, CliError> {
    let home = Home::from_environment()?;
    let records = MountRecord::list(&home)?.into_iter().filter(|record| record.visit.is_none());
    let mounts = records.map(|record| Mounted { home: home.clone(), record });
    Ok(mounts.filter(Mounted::is_alive).collect())
}

fn upgrade(mounted: &Mounted, program: &PathBuf) -> Result<(), CliError> {
    let before = mounted.status()?.pid;
    let request = ControlRequest::Upgrade { program: program.clone() };
    match mounted.ask(&request, PATIENCE, |_| {}) {
        Ok(ControlResponse::Done) | Err(CliError::Ask(AskError::Ended { .. })) => {}
        Ok(other) => return Err(unexpected(&other)),
        Err(error) => return Err(error),
    }
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let now = mounted.status()?.pid;
        if now != before {
            return check(mounted, now, program);
        }
        if Instant::now() >= deadline {
            return Err(refused(mounted, "the daemon has not ended"));
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// The supervisor goes back to the program before where the new one does not serve.
fn check(mounted: &Mounted, pid: u32, program: &PathBuf) -> Result<(), CliError> {
    let same = |a: Metadata, b: Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let running = std::fs::metadata(format!("/proc/{pid}/exe")).map_err(CliError::System)?;
    let wanted = std::fs::metadata(program).map_err(CliError::System)?;
    match same(running, wanted) {
        true => Ok(()),
        false => Err(refused(mounted, "this program did not serve, and the one before goes on")),
    }
}

fn refused(mounted: &Mounted, why: &str) -> CliError {
    let log = mounted.record.state_directory.join("log");
    CliError::Answered {
        message: format!("{}: {why}", mounted.record.mount_point.display()),
        hint: Some(format!("{} says more", log.display())),
        exit: Exit::Failed,
    }
}
