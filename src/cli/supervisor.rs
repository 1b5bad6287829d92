//! A mount's supervisor as the command line starts it, and the daemons that it starts.

use super::daemon::DaemonError;
use super::failure::{CliError, Exit};
use super::log_file;
use super::mount::{DAEMON_COMMAND, MountLine};
use crate::member::supervise::{Ended, Supervised, supervise};
use rustix::stdio::{dup2_stderr, dup2_stdout};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a mount's processes are, seen from whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Standard output is the pipe on which the daemon says that the mount is usable.
    Back,
    /// Standard error is for all they have to say.
    Fore,
}

struct CommandLine<'a> {
    line: &'a MountLine,
    ground: Ground,
    /// Known once the mount is usable.
    state_directory: Option<PathBuf>,
}

/// Mounts and stays until unmounted, whatever becomes of the daemons.
///
/// # Errors
/// [`DaemonError::Start`].
pub fn run(line: &MountLine, ground: Ground) -> Result<Exit, CliError> {
    let mut mount = CommandLine { line, ground, state_directory: None };
    let ended = supervise(&mut mount).map_err(DaemonError::Start)?;
    Ok(match ended {
        Ended::With(status) => match status.code() {
            Some(code) => Exit::from_code(code),
            // Whoever waited for the mount has not heard a word.
            None if mount.state_directory.is_none() => return Err(DaemonError::Ended { status }.into()),
            None => Exit::Failed,
        },
        Ended::GivenUp => Exit::Failed,
    })
}

impl Supervised for CommandLine<'_> {
    fn prepare(&self, command: &mut Command) {
        let ground = if self.ground == Ground::Back { "--daemon" } else { "--foreground" };
        command.arg0("fl0wfs").args([DAEMON_COMMAND, ground, "--supervised"]);
        for options in &self.line.options {
            command.arg("-o").arg(options);
        }
        command.arg("--").arg(&self.line.source).arg(OsString::from(&self.line.directory));
    }

    fn is_serving(&mut self, state_directory: &Path) {
        self.state_directory = Some(state_directory.to_owned());
        // Nothing that was current or open when the mount was made is to be held as long as the mount is.
        let _ = std::env::set_current_dir("/");
        if self.ground == Ground::Back {
            let _ = rustix::process::setsid();
            if let Ok(nothing) = OpenOptions::new().write(true).open("/dev/null") {
                let _ = (dup2_stdout(&nothing), dup2_stderr(&nothing));
            }
        }
    }

    fn note(&self, message: &str) {
        match (&self.state_directory, self.ground) {
            (Some(state), Ground::Back) => log_file::note(state, message),
            _ => eprintln!("fl0wfs: {message}"),
        }
    }
}
