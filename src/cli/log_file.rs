//! A daemon's log: a file beside its state, of bounded size, that catches panics too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// At this size a log becomes `log.1`, in place of an earlier one.
const LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Sets what is logged, in the notation of `tracing_subscriber::EnvFilter`.
const FILTER_VARIABLE: &str = "FL0WFS_LOG";

/// Logs to standard error from now on.
pub fn to_stderr() {
    // Fails only where a log is set up already, which then goes on.
    let builder = tracing_subscriber::fmt().with_env_filter(filter()).with_ansi(io::stderr().is_terminal());
    let _ = builder.with_writer(io::stderr).try_init();
}

/// Logs to `log` in `directory` from now on, and lets standard output and error end there.
///
/// # Errors
/// What opening the file gives.
pub fn to_file(directory: &Path) -> io::Result<()> {
    let log = LogFile::open(directory.join("log"), true)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter()).with_ansi(false);
    let _ = builder.with_writer(Shared(Mutex::new(log))).try_init();
    Ok(())
}

/// Adds a line to the log of another process, which may begin a new file at any time.
pub fn note(directory: &Path, message: &str) {
    let line = format!("{} WARN fl0wfs::supervisor: {message}\n", jiff::Timestamp::now());
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(directory.join("log"));
    // Whoever cannot say it has nobody to say that to.
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"))
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Standard output and error follow the file.
    takes_stderr: bool,
}

impl LogFile {
    fn open(path: PathBuf, takes_stderr: bool) -> io::Result<LogFile> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        if takes_stderr {
            rustix::stdio::dup2_stdout(&file)?;
            rustix::stdio::dup2_stderr(&file)?;
        }
        let bytes = file.metadata()?.len();
        Ok(LogFile { path, file, bytes, takes_stderr })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes >= LOG_BYTES_MAX {
            fs::rename(&self.path, self.path.with_extension("1"))?;
            *self = LogFile::open(self.path.clone(), self.takes_stderr)?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

struct Shared(Mutex<LogFile>);

impl<'a> MakeWriter<'a> for Shared {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Mutex<LogFile>);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_takes_more_than_twice_its_limit_and_keeps_the_latest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = LogFile::open(path.clone(), false).unwrap();
        let line = [b'x'; 100_000];
        for _ in 0..100 {
            log.write(&line).unwrap();
        }
        log.write(b"latest\n").unwrap();
        let sizes = ["log", "log.1"].map(|name| fs::metadata(directory.path().join(name)).unwrap().len());
        assert!(sizes.iter().all(|size| *size <= LOG_BYTES_MAX + 100_000), "{sizes:?}");
        assert!(fs::read(&path).unwrap().ends_with(b"latest\n"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
