//! Writing results, whether or not somebody still reads them.

use super::failure::CliError;
use std::io::{self, IsTerminal, Read, Write};

/// Writes one line of result.
///
/// # Errors
/// [`CliError::Output`]; [`CliError::NobodyReads`] where the reader has gone, as `head` does.
pub fn line(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// Writes a result as it is.
///
/// # Errors
/// As [`line`].
pub fn bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::NobodyReads),
        Err(error) => Err(CliError::Output(error)),
    }
}

/// Writes all of a file as a result, in bounded memory.
///
/// # Errors
/// As [`line`].
pub fn copy(file: &mut impl Read) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match io::copy(file, &mut out).and_then(|_| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::NobodyReads),
        Err(error) => Err(CliError::Output(error)),
    }
}

/// Writes one line of what is no result.
pub fn note(text: &str) {
    // Nothing can be said about a standard error that takes nothing.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether progress has somebody to see it.
pub fn somebody_watches() -> bool {
    io::stderr().is_terminal()
}
