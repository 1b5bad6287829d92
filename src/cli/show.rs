//! `fl0wfs show`: an earlier content of a file, byte for byte, to standard output.

use super::args::ShowArgs;
use super::failure::{CliError, Exit};
use super::mounted::Mounted;
use super::output;
use super::versions;
use crate::member::control::{ContentReport, Which};

pub fn run(arguments: &ShowArgs) -> Result<Exit, CliError> {
    let (mounted, inside) = Mounted::find_path(&arguments.path)?;
    let version = arguments.version.map(Which::Version);
    let which = version.or(arguments.at.map(Which::At)).unwrap_or(Which::Newest);
    let (report, mut content) = versions::content(&mounted, &inside, which)?;
    if report.deleted {
        return Err(deleted(&report));
    }
    output::copy(&mut content.file)?;
    Ok(Exit::Done)
}

fn deleted(report: &ContentReport) -> CliError {
    let (version, path) = (report.version.0, report.path.as_path().display());
    CliError::Answered {
        message: format!("version {version} of {path} is its deletion: it has no content"),
        hint: Some(format!("--version {}:{} is the one before", report.node, version - 1)),
        exit: Exit::Failed,
    }
}
