//! `fl0wfs mount`: what is to be mounted, checked; then the daemon, started and waited for.

use super::args::{MountArgs, moment};
use super::daemon::{self, DaemonError, Readiness};
use super::failure::{CliError, Exit};
use super::supervisor::{self, Ground};
use super::{point, remount};
use crate::member::config::{ConfigError, Home, RemoteName};
use crate::member::control::Moment;
use crate::member::mounts::MountRecord;
use crate::member::options::Options;
use crate::member::outside::{open_outside, outside};
use crate::member::{self, MountRequest};
use crate::model::SpaceName;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

/// The command that both programs understand when they are started again as a daemon.
pub const DAEMON_COMMAND: &str = "mount";
/// What a daemon says of itself fits in this many bytes.
const READINESS_BYTES_MAX: u64 = 64 * 1024;

/// What one mount takes, as the command line gave it.
#[derive(Clone, Debug)]
pub struct MountLine {
    pub source: String,
    pub directory: PathBuf,
    pub options: Vec<String>,
}

pub fn run(arguments: &MountArgs) -> Result<Exit, CliError> {
    let cache_size = arguments.cache_size.as_ref().map(|size| format!("cache-size={size}"));
    let line = MountLine {
        source: arguments.source.clone(),
        directory: arguments.directory.clone(),
        options: arguments.options.iter().cloned().chain(cache_size).collect(),
    };
    let ground = match (arguments.daemon, arguments.foreground) {
        (false, false) => return start(&line),
        (true, _) => Ground::Back,
        (false, true) => Ground::Fore,
    };
    // What is shown as it was is read only, and made again as easily as it was made.
    if !arguments.supervised && !line.is_visit() {
        return supervisor::run(&line, ground);
    }
    match ground {
        Ground::Back => Ok(daemon::run_in_background(&line, arguments.supervised)),
        Ground::Fore => daemon::run_in_foreground(&line, arguments.supervised),
    }
}

impl MountLine {
    /// Checks everything that can be checked without mounting; clears away a dead mount.
    ///
    /// # Errors
    /// [`CliError`], whatever is wrong with the line, the configuration or the mount point.
    pub fn check(&self) -> Result<MountRequest, CliError> {
        let request = self.request(PathBuf::new())?;
        let mount_point = point::resolve(&self.directory)?;
        point::prepare(&mount_point, request.options.nonempty)?;
        if request.visit.is_some() && request.options.state.is_some() {
            return Err(CliError::VisitState);
        }
        let request = MountRequest { mount_point, ..request };
        check_outside(&request)?;
        check_unused(&request)?;
        Ok(request)
    }

    /// What is asked for, at a mount point that is known to be good.
    ///
    /// # Errors
    /// [`CliError`], whatever is wrong with the line or the configuration.
    pub fn request(&self, mount_point: PathBuf) -> Result<MountRequest, CliError> {
        let (source, visit) = split_moment(&self.source)?;
        let (remote, space) = parse_source(source)?;
        let options = Options::parse(self.options.iter().map(String::as_str))?;
        if let Some(path) = &options.ignore {
            // A name that was mistyped would share what was to stay here.
            let opened = open_outside(path, &mount_point);
            opened.map_err(|source| ConfigError::Io { path: path.clone(), source })?;
        }
        let home = Home::from_environment()?;
        home.read_remote(&remote)?.space(&remote, &space)?;
        Ok(MountRequest { home, remote, space, mount_point, options, visit })
    }

    /// Whether a moment is asked for. What makes no sense is told by whoever is to mount it.
    fn is_visit(&self) -> bool {
        matches!(split_moment(&self.source), Ok((_, Some(_))))
    }
}

/// The state directory a request leads to.
pub fn state_of(request: &MountRequest) -> PathBuf {
    if request.visit.is_some() {
        return member::visit_state_of(&request.home, &request.mount_point);
    }
    let usual = || request.home.member_state(&request.remote, &request.space);
    request.options.state.clone().unwrap_or_else(usual)
}

/// What the daemon needs must not lie behind what it is to mount: it would wait for itself.
fn check_outside(request: &MountRequest) -> Result<(), CliError> {
    let MountRequest { home, mount_point, options, .. } = request;
    let own = home.places().into_iter().map(Path::to_owned);
    let lists = options.ignore.clone().into_iter().chain([home.ignore_list()]);
    for path in own.chain([state_of(request)]).chain(lists) {
        let leads = outside(&path, mount_point);
        if leads.map_err(|source| ConfigError::Io { path: path.clone(), source })?.is_none() {
            let place = mount_point.display();
            return Err(CliError::Answered {
                message: format!("{} lies in {place}, which is to be mounted", path.display()),
                hint: Some("the mount needs it, and could not get at it: keep it elsewhere".into()),
                exit: Exit::Failed,
            });
        }
    }
    Ok(())
}

/// The state directory's own lock says the same, less kindly.
fn check_unused(request: &MountRequest) -> Result<(), CliError> {
    let state = state_of(request);
    let same = |record: &MountRecord| same_directory(&record.state_directory, &state);
    let records = MountRecord::list(&request.home)?;
    match records.into_iter().find(|record| same(record) && record.is_alive(&request.home)) {
        None => Ok(()),
        Some(MountRecord { mount_point, pid, remote, space, .. }) => {
            Err(CliError::SpaceMounted { space: format!("{remote}:{space}"), mount_point, pid })
        }
    }
}

fn same_directory(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    a == b || real(a) == real(b)
}

/// Splits `REMOTE:SPACE@MOMENT`, the moment being optional.
///
/// # Errors
/// [`CliError::Moment`].
fn split_moment(source: &str) -> Result<(&str, Option<Moment>), CliError> {
    match source.split_once('@') {
        None => Ok((source, None)),
        Some((source, text)) => Ok((source, Some(moment::parse(text).map_err(CliError::Moment)?))),
    }
}

/// Reads `REMOTE:SPACE`.
///
/// # Errors
/// [`CliError::Source`], [`CliError::Name`].
pub(super) fn parse_source(source: &str) -> Result<(RemoteName, SpaceName), CliError> {
    let (remote, space) = source.split_once(':').ok_or_else(|| CliError::Source(source.to_owned()))?;
    let bad = |what, text: &str, reason| CliError::Name { what, text: text.to_owned(), reason };
    Ok((
        RemoteName::new(remote).map_err(|reason| bad("remote", remote, reason))?,
        SpaceName::new(space).map_err(|reason| bad("space", space, reason))?,
    ))
}

/// Mounts, or changes a mount that stands.
///
/// # Errors
/// Those of [`start_daemon`] and [`remount::run`].
pub fn start(line: &MountLine) -> Result<Exit, CliError> {
    if remount::is_asked(line) { remount::run(line, false) } else { start_daemon(line) }
}

/// Starts this program again as the mount's daemon, and waits until the mount is usable or the daemon has said
/// why not. It is started again, not forked: a fork of a program with threads may do nothing safely.
///
/// # Errors
/// What the daemon said, or how it ended without a word.
fn start_daemon(line: &MountLine) -> Result<Exit, CliError> {
    keep_descriptors_from_children();
    let mut command = Command::new("/proc/self/exe");
    command.arg0("fl0wfs").args([DAEMON_COMMAND, "--daemon"]);
    for options in &line.options {
        command.arg("-o").arg(options);
    }
    command.arg("--").arg(&line.source).arg(OsString::from(&line.directory));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(DaemonError::Start)?;
    let pipe = child.stdout.take().expect("standard output is a pipe");
    match read_readiness(pipe)? {
        Some(Readiness::Usable) => Ok(Exit::Done),
        Some(Readiness::Failed(explained)) => {
            child.wait().map_err(DaemonError::Start)?;
            Err(CliError::Told(explained))
        }
        None => {
            let status = child.wait().map_err(DaemonError::Start)?;
            Err(DaemonError::Ended { status }.into())
        }
    }
}

/// Marks what this process was given open, so that a daemon holds no locks and pipes of the shell that started
/// it: `$(fl0wfs mount ...)` would never end, and neither would `flock FILE fl0wfs mount ...`.
fn keep_descriptors_from_children() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: this only marks descriptors to be closed at the next exec; none is closed in this process.
    unsafe { libc::close_range(FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
}

/// None where the daemon ended without a word.
fn read_readiness(pipe: ChildStdout) -> Result<Option<Readiness>, DaemonError> {
    let mut line = String::new();
    BufReader::new(pipe.take(READINESS_BYTES_MAX)).read_line(&mut line).map_err(DaemonError::Start)?;
    match line.is_empty() {
        true => Ok(None),
        false => serde_json::from_str(&line).map(Some).map_err(|_| DaemonError::Nonsense(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::explain;
    use super::*;

    #[test]
    fn a_source_names_a_remote_and_a_space() {
        let (remote, space) = parse_source("work:notes-2").unwrap();
        assert_eq!((remote.as_str(), space.as_str()), ("work", "notes-2"));
        for bad in ["", "work", ":", "work:", ":notes", "work:a/b", "Work:notes", "work:a:b", "-x:a"] {
            let error = parse_source(bad).unwrap_err();
            assert_eq!(explain(&error).exit, Exit::Usage, "{bad}");
        }
    }
}
