//! The mount's own process: in the background, saying over a pipe when it is usable, or in the foreground.

use super::failure::{CliError, Exit, Explained, explain};
use super::log_file;
use super::mount::{MountLine, state_of};
use crate::member::config::make_private_directory;
use crate::member::supervise::Beginning;
use crate::member::{self, MountRequest};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitStatus;

/// What a daemon says, once, to whoever started it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Readiness {
    Usable,
    Failed(Explained),
}

/// What goes wrong between a command and its daemon.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("the daemon could not be started: {0}")]
    Start(#[source] io::Error),
    #[error("the daemon ended before the mount was usable: {status}")]
    Ended { status: ExitStatus },
    #[error("the daemon said what makes no sense: {0:?}")]
    Nonsense(String),
    #[error("the log cannot be written: {0}")]
    Log(#[source] io::Error),
}

/// Mounts and stays until unmounted; logs to standard error.
pub fn run_in_foreground(line: &MountLine, is_supervised: bool) -> Result<Exit, CliError> {
    log_file::to_stderr();
    let beginning = hear(is_supervised)?;
    let request = request(line, beginning.as_ref())?;
    let place = request.mount_point.display().to_string();
    member::run(&request, beginning, || tracing::info!(directory = %place, "mounted"))?;
    Ok(Exit::Done)
}

/// Mounts and stays until unmounted. Standard output is a pipe to whoever waits for the mount; the log is in the
/// state directory.
pub fn run_in_background(line: &MountLine, is_supervised: bool) -> Exit {
    let mut pipe = None;
    let ended = detach(&mut pipe, line, is_supervised).and_then(|(request, beginning)| {
        let usable = || say(&mut pipe, &Readiness::Usable);
        Ok(member::run(&request, beginning, usable)?)
    });
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            let explained = explain(&error);
            tracing::error!(error = explained.message, "the mount ended badly");
            // The pipe is gone where the mount was usable once.
            say(&mut pipe, &Readiness::Failed(explained.clone()));
            explained.exit
        }
    }
}

/// Leaves the terminal, the current directory and standard output behind. The pipe is taken first: from then on
/// every failure can be told.
fn detach(
    pipe: &mut Option<File>,
    line: &MountLine,
    is_supervised: bool,
) -> Result<(MountRequest, Option<Beginning>), CliError> {
    let copied = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3);
    *pipe = Some(File::from(copied.map_err(|errno| DaemonError::Start(errno.into()))?));
    let beginning = hear(is_supervised)?;
    let request = request(line, beginning.as_ref())?;
    let state = state_of(&request);
    make_private_directory(&state)?;
    log_file::to_file(&state).map_err(DaemonError::Log)?;
    // Fails where this process leads its group already, and then there is nothing to leave.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/").map_err(DaemonError::Start)?;
    Ok((request, beginning))
}

fn hear(is_supervised: bool) -> Result<Option<Beginning>, CliError> {
    Ok(is_supervised.then(Beginning::hear).transpose().map_err(DaemonError::Start)?)
}

/// A mount that an earlier daemon has made is gone on with as it is: looking at it would wait for an answer of our own.
fn request(line: &MountLine, beginning: Option<&Beginning>) -> Result<MountRequest, CliError> {
    match beginning.and_then(|beginning| beginning.taken.as_ref()) {
        Some(taken) => line.request(taken.mount_point.clone()),
        None => line.check(),
    }
}

fn say(pipe: &mut Option<File>, readiness: &Readiness) {
    let Some(mut pipe) = pipe.take() else { return };
    let mut line = serde_json::to_vec(readiness).unwrap_or_default();
    line.push(b'\n');
    // Whoever waited may have been interrupted; the mount does not depend on them.
    let _ = pipe.write_all(&line);
}
