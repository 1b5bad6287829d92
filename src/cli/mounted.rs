//! A mount that a command is about, and questions to its daemon.

use super::failure::{CliError, Exit};
use super::point;
use crate::member::config::Home;
use crate::member::control::{
    AskError, ControlPath, ControlRequest, ControlResponse, SocketError, StatusReport, ask_for_files,
};
use crate::member::mounts::MountRecord;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A daemon that has nothing to wait for answers within this time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Another daemon answers within this time where one has died; it may have much to look through first.
const NEXT_DAEMON_PATIENCE: Duration = Duration::from_secs(20);
const NEXT_DAEMON_LOOK: Duration = Duration::from_millis(20);

/// A mount of this home.
#[derive(Clone, Debug)]
pub struct Mounted {
    pub home: Home,
    pub record: MountRecord,
}

impl Mounted {
    /// Finds the mount that `path` lies in. The daemon may be dead.
    ///
    /// # Errors
    /// [`CliError::NotMounted`].
    pub fn find(path: &Path) -> Result<Mounted, CliError> {
        Mounted::find_resolved(point::resolve(path)?)
    }

    /// Finds the mount that the resolved `path` lies in.
    ///
    /// # Errors
    /// [`CliError::NotMounted`].
    pub fn find_resolved(path: PathBuf) -> Result<Mounted, CliError> {
        let home = Home::from_environment()?;
        match MountRecord::find(&home, &path)? {
            Some(record) => Ok(Mounted { home, record }),
            None => Err(CliError::NotMounted(path)),
        }
    }

    /// Finds the mount that `path` lies in or lay in, and the path inside it, which need not exist any more.
    ///
    /// # Errors
    /// [`CliError::NotMounted`].
    pub fn find_path(path: &Path) -> Result<(Mounted, ControlPath), CliError> {
        let resolved = point::resolve_removed(path)?;
        let mounted = match Mounted::find_resolved(resolved.clone()) {
            // The mount itself may be named through a symlink, which is then the last component.
            Err(CliError::NotMounted(_)) => Mounted::find(path)?,
            found => found?,
        };
        let inside = resolved.strip_prefix(&mounted.record.mount_point).unwrap_or(Path::new(""));
        let inside = ControlPath::from(inside);
        Ok((mounted, inside))
    }

    pub fn is_alive(&self) -> bool {
        self.record.is_alive(&self.home)
    }

    /// Asks the daemon; `patience` is for each answer.
    ///
    /// # Errors
    /// [`CliError::DaemonDied`] where it is dead, [`CliError::Answered`] where it says that it could not.
    pub fn ask(
        &self,
        request: &ControlRequest,
        patience: Duration,
        mut on_way: impl FnMut(ControlResponse),
    ) -> Result<ControlResponse, CliError> {
        self.ask_with((request, None), patience, |response, _| {
            on_way(response);
            ControlFlow::Continue(())
        })
        .map(|last| last.expect("it is asked to the end"))
    }

    /// As [`Mounted::ask`], with the files that come along; None where `on_way` wanted no more.
    ///
    /// # Errors
    /// As there.
    pub fn ask_files(
        &self,
        request: &ControlRequest,
        patience: Duration,
        on_way: impl FnMut(ControlResponse, Option<File>) -> ControlFlow<()>,
    ) -> Result<Option<ControlResponse>, CliError> {
        self.ask_with((request, None), patience, on_way)
    }

    /// As [`Mounted::ask_files`], with an open file for the daemon.
    ///
    /// # Errors
    /// As there.
    pub fn ask_with(
        &self,
        request: (&ControlRequest, Option<&File>),
        patience: Duration,
        mut on_way: impl FnMut(ControlResponse, Option<File>) -> ControlFlow<()>,
    ) -> Result<Option<ControlResponse>, CliError> {
        let answered = |message, hint, exit| Err(CliError::Answered { message, hint, exit });
        let Some(last) = self.ask_until_heard(request, patience, &mut on_way)? else { return Ok(None) };
        match last {
            ControlResponse::Failed { message, hint } => answered(message, hint, Exit::Failed),
            ControlResponse::Refused { message, hint } => answered(message, hint, Exit::Refused),
            ControlResponse::NotFound { message } => answered(message, None, Exit::Failed),
            ControlResponse::Unreachable { message } => answered(message, None, Exit::Waiting),
            answer => Ok(Some(answer)),
        }
    }

    /// A daemon that died is followed by another; it is asked again, unless the one before may have done what was asked.
    fn ask_until_heard(
        &self,
        request: (&ControlRequest, Option<&File>),
        patience: Duration,
        on_way: &mut impl FnMut(ControlResponse, Option<File>) -> ControlFlow<()>,
    ) -> Result<Option<ControlResponse>, CliError> {
        let deadline = Instant::now() + NEXT_DAEMON_PATIENCE;
        let mut heard = false;
        loop {
            if !self.is_alive() {
                return Err(CliError::DaemonDied(self.record.mount_point.clone()));
            }
            let asked = ask_for_files(&self.record.socket, request, patience, |response, file| {
                heard = true;
                on_way(response, file)
            });
            let again = match &asked {
                Err(AskError::Socket(SocketError::Io { .. })) => true,
                Err(AskError::Ended { .. }) => request.0.may_be_asked_twice(),
                _ => false,
            };
            if !again || heard || Instant::now() >= deadline {
                return Ok(asked?);
            }
            std::thread::sleep(NEXT_DAEMON_LOOK);
        }
    }

    /// Asks how the mount stands.
    ///
    /// # Errors
    /// As [`Mounted::ask`].
    pub fn status(&self) -> Result<StatusReport, CliError> {
        match self.ask(&ControlRequest::Status, PATIENCE, |_| {})? {
            ControlResponse::Status(report) => Ok(*report),
            other => Err(unexpected(&other)),
        }
    }
}

/// An answer to another question than the one that was asked.
pub fn unexpected(response: &ControlResponse) -> CliError {
    CliError::Answered {
        message: format!("the daemon answered something else than was asked: {response:?}"),
        hint: Some("it may be of another version; unmount and mount again".into()),
        exit: Exit::Failed,
    }
}
