//! What a mount's daemon starts for watchers: a process that makes system calls on the mount.

use super::args::RepeatArgs;
use super::failure::{CliError, Exit};
use crate::fuse::watch::run_repeater;

pub fn run(arguments: &RepeatArgs) -> Result<Exit, CliError> {
    run_repeater(&arguments.directory).map_err(CliError::System)?;
    Ok(Exit::Done)
}
