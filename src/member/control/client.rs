//! The asking side.

use super::line::{LineReader, write_line, write_line_with};
use super::messages::{ControlRequest, ControlResponse};
use super::socket::{SocketError, connect};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a daemon may take to read a request.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Why a daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("the daemon at {} did not answer within {} s", socket.display(), patience.as_secs())]
    TimedOut { socket: PathBuf, patience: Duration },
    #[error("the daemon at {} ended before it answered", socket.display())]
    Ended { socket: PathBuf },
    #[error("the daemon at {} gave an answer that makes no sense: {detail}", socket.display())]
    Malformed { socket: PathBuf, detail: String },
}

/// Asks a daemon and returns its last answer, within `patience`.
///
/// # Errors
/// [`AskError`].
pub fn ask(socket: &Path, request: &ControlRequest, patience: Duration) -> Result<ControlResponse, AskError> {
    ask_for(socket, request, patience, |_| {})
}

/// Asks a daemon, shows every answer before the last to `on_way`, and returns the last. The daemon has `patience`
/// for each of them.
///
/// # Errors
/// [`AskError`].
pub fn ask_for(
    socket: &Path,
    request: &ControlRequest,
    patience: Duration,
    mut on_way: impl FnMut(ControlResponse),
) -> Result<ControlResponse, AskError> {
    let last = ask_for_files(socket, (request, None), patience, |response, _| {
        on_way(response);
        ControlFlow::Continue(())
    })?;
    Ok(last.expect("it is asked to the end"))
}

/// As [`ask_for`], with an open file for the daemon, and the files that come along; None where `on_way` wanted no more.
///
/// # Errors
/// [`AskError`].
pub fn ask_for_files(
    socket: &Path,
    (request, brought): (&ControlRequest, Option<&File>),
    patience: Duration,
    mut on_way: impl FnMut(ControlResponse, Option<File>) -> ControlFlow<()>,
) -> Result<Option<ControlResponse>, AskError> {
    let failed = |error: io::Error| {
        let socket = socket.to_owned();
        match error.kind() {
            io::ErrorKind::TimedOut => AskError::TimedOut { socket, patience },
            io::ErrorKind::InvalidData => AskError::Malformed { socket, detail: error.to_string() },
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                AskError::Ended { socket }
            }
            _ => AskError::Socket(SocketError::Io { path: socket, source: error }),
        }
    };
    let stream = connect(socket)?;
    let asked = match brought {
        Some(file) => write_line_with(&stream, request, file, WRITE_PATIENCE),
        None => write_line(&stream, request, Some(WRITE_PATIENCE)),
    };
    asked.map_err(failed)?;
    let mut lines = LineReader::new(&stream);
    loop {
        let response: ControlResponse = lines.read(Instant::now() + patience).map_err(failed)?;
        if response.is_last() {
            return Ok(Some(response));
        }
        let file = matches!(response, ControlResponse::Content(_)).then(|| lines.next_file()).flatten();
        if on_way(response, file).is_break() {
            return Ok(None);
        }
    }
}
