//! The command line: arguments, messages, exit codes.
//!
//! Invariant: every way to fail ends in one function, [`failure::explain`], that makes of it a message, a hint
//! and an exit code; results go to standard output, everything else to standard error. Scripts rely on the
//! commands, the exit codes and the JSON; people on the rest.
//! Nothing is decided here about spaces, ops or content: commands ask the processes that know.

#![allow(
    clippy::disallowed_methods,
    reason = "the top: clocks, files, threads and processes are what commands are about"
)]

mod allocator;
mod args;
mod failure;
mod output;
mod text;
mod progress;
mod point;
mod mounted;
mod mount;
mod remount;
mod daemon;
mod supervisor;
mod log_file;
mod unmount;
mod upgrade;
mod sync;
mod status;
mod history;
mod restore;
mod brought;
mod cache;
mod conflicts;
mod resolve;
mod pattern;
mod private;
mod markers;
mod sides;
mod edit;
mod mergetool;
mod versions;
mod show;
mod diff;
mod patch;
mod join;
mod remotes;
mod hub;
mod members;
mod collect;
mod guard;
mod quota;
mod verify;
mod helper;
mod repeat;

use args::{Command, Program};
use clap::Parser;
use failure::{CliError, Exit};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program `fl0wfs` with `arguments`, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let program = match Program::try_parse_from(arguments) {
        Ok(program) => program,
        Err(error) => return usage(&error),
    };
    finish(dispatch(program.command))
}

/// Runs the program `mount.fl0wfs` as mount(8) calls it.
pub fn run_mount_helper(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // The daemon and its repeater are this very program started again, with the arguments that `fl0wfs` takes.
    let commands = [mount::DAEMON_COMMAND, crate::member::REPEATER_COMMAND];
    if arguments.get(1).is_some_and(|first| commands.iter().any(|command| first == command)) {
        return run(arguments);
    }
    finish(helper::run(&arguments))
}

fn dispatch(command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Hub(arguments) => hub::run(arguments.command),
        Command::Join(arguments) => join::run(&arguments),
        Command::Remote(arguments) => remotes::run(&arguments.command),
        Command::Mount(arguments) => mount::run(&arguments),
        Command::Umount(arguments) => unmount::run(&arguments),
        Command::Upgrade(arguments) => upgrade::run(&arguments),
        Command::Sync(arguments) => sync::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Log(arguments) => history::run(&arguments),
        Command::Restore(arguments) => restore::restore(&arguments),
        Command::Undo(arguments) => restore::undo(&arguments),
        Command::Conflicts(arguments) => conflicts::run(&arguments),
        Command::Resolve(arguments) => resolve::run(&arguments),
        Command::Mergetool(arguments) => mergetool::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Pin(arguments) => cache::pin(&arguments),
        Command::Unpin(arguments) => cache::unpin(&arguments),
        Command::Evict(arguments) => cache::evict(&arguments),
        Command::Prefetch(arguments) => cache::prefetch(&arguments),
        Command::Repeat(arguments) => repeat::run(&arguments),
    }
}

fn finish(result: Result<Exit, CliError>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let explained = failure::explain(&error);
            explained.print();
            explained.exit.into()
        }
    }
}

/// Help and version are results, everything else is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is the only way this fails, and then nobody reads.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
