//! From an error to what a person is told and what a script sees.

use super::daemon::DaemonError;
use super::output;
use super::point::PointError;
use super::remount::RemountError;
use crate::hub::{AdminError, HubError};
use crate::member::config::ConfigError;
use crate::member::control::AskError;
use crate::member::mounts::ClaimError;
use crate::member::options::OptionError;
use crate::member::{MemberError, PastFailure, RunError, VisitError};
use crate::model::InvalidName;
use crate::net::{ConnectError, IdentityError, InviteError};
use crate::store::StoreError;
use crate::wire::RefuseReason;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ended; scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Exit {
    /// Done, or in sync.
    Done = 0,
    Failed = 1,
    /// The command was not understood.
    Usage = 2,
    /// Work is waiting, or the hub cannot be reached.
    Waiting = 3,
    Conflicts = 4,
    /// Somebody said no: the hub, or a rule that protects files.
    Refused = 5,
}

impl Exit {
    /// What a process of this program meant by its exit code.
    pub fn from_code(code: i32) -> Exit {
        let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Waiting, Exit::Conflicts, Exit::Refused];
        all.into_iter().find(|exit| *exit as i32 == code).unwrap_or(Exit::Failed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Everything that ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0:?} is not of the form REMOTE:SPACE")]
    Source(String),
    #[error("{0}")]
    Moment(String),
    #[error("a visit keeps its state where nobody else does: state= is not for it")]
    VisitState,
    #[error("{text:?} cannot name a {what}: {reason}")]
    Name { what: &'static str, text: String, reason: InvalidName },
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Point(#[from] PointError),
    #[error(transparent)]
    Remount(#[from] RemountError),
    #[error("{space} is already mounted at {} (process {pid})", mount_point.display())]
    SpaceMounted { space: String, mount_point: PathBuf, pid: u32 },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// What the daemon said before it ended, with its own hint and exit code.
    #[error("{}", .0.message)]
    Told(Explained),
    #[error("{} is not in a mounted space", .0.display())]
    NotMounted(PathBuf),
    #[error("the daemon of {} is not running any more", .0.display())]
    DaemonDied(PathBuf),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{message}")]
    Answered { message: String, hint: Option<String>, exit: Exit },
    #[error("the invite is no good: {0}")]
    Invite(#[from] InviteError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the hub refused: {detail}")]
    HubRefused { reason: RefuseReason, detail: String },
    #[error("the conversation with the hub ended early: {0}")]
    Conversation(String),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("the system refused: {0}")]
    System(#[source] io::Error),
    #[error("the result could not be written: {0}")]
    Output(#[source] io::Error),
    #[error("nobody reads the result")]
    NobodyReads,
}

/// An error as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    pub message: String,
    pub hint: Option<String>,
    pub exit: Exit,
}

impl Explained {
    /// Shows the message and the hint on standard error.
    pub fn print(&self) {
        if !self.message.is_empty() {
            output::note(&format!("fl0wfs: {}", self.message));
        }
        if let Some(hint) = &self.hint {
            output::note(&format!("  {hint}"));
        }
    }
}

/// Makes of an error a message, a hint and an exit code.
pub fn explain(error: &CliError) -> Explained {
    let (hint, exit) = match error {
        CliError::Told(explained) => return explained.clone(),
        CliError::NobodyReads => return Explained { message: String::new(), hint: None, exit: Exit::Done },
        CliError::Answered { hint, exit, .. } => (hint.clone(), *exit),
        CliError::Source(_) => {
            hinted("write it as in work:notes; `fl0wfs remote list` shows what there is", Exit::Usage)
        }
        CliError::Name { .. } | CliError::Moment(_) | CliError::VisitState => (None, Exit::Usage),
        CliError::Option(_) => hinted("see fl0wfs mount --help", Exit::Usage),
        CliError::Config(error) => explain_config(error),
        CliError::Point(error) => explain_point(error),
        CliError::Remount(error) => explain_remount(error),
        CliError::SpaceMounted { .. } => hinted(ONE_MOUNT, Exit::Refused),
        CliError::Run(error) => explain_run(error),
        CliError::Daemon(DaemonError::Ended { .. }) => hinted("its log says more", Exit::Failed),
        CliError::Daemon(_) => (None, Exit::Failed),
        CliError::NotMounted(_) => hinted(
            "fl0wfs status lists what is mounted here; mounts of another user or FL0WFS_HOME are not",
            Exit::Failed,
        ),
        CliError::DaemonDied(_) => hinted(
            "fl0wfs mount mounts it again, fl0wfs umount clears it away; nothing is lost",
            Exit::Failed,
        ),
        CliError::Ask(_) => (None, Exit::Failed),
        CliError::Invite(_) => hinted("copy all of it, and put it in quotes", Exit::Usage),
        CliError::Identity(_) => (None, Exit::Failed),
        CliError::Connect(error) => explain_connect(error),
        CliError::HubRefused { reason, .. } => (refusal_hint(*reason).map(str::to_owned), Exit::Refused),
        CliError::Conversation(_) => hinted("try again", Exit::Waiting),
        CliError::Hub(error) => explain_hub(error),
        CliError::System(_) | CliError::Output(_) => (None, Exit::Failed),
    };
    Explained { message: error.to_string(), hint, exit }
}

const OLDER: &str = "with the older fl0wfs, sync what is pending; then mount with state=DIR, a new directory";
const NEWER: &str = "install the newer fl0wfs again";
const ALREADY: &str = "fl0wfs status shows what is mounted";
const ONE_MOUNT: &str = "a space is mounted once per FL0WFS_HOME; another mount on this machine needs a home and an invite of its own";

fn hinted(hint: &str, exit: Exit) -> (Option<String>, Exit) {
    (Some(hint.to_owned()), exit)
}

fn explain_config(error: &ConfigError) -> (Option<String>, Exit) {
    match error {
        ConfigError::UnknownRemote(_) => {
            hinted("fl0wfs remote list shows the remotes; fl0wfs join URL adds one", Exit::Failed)
        }
        ConfigError::NotJoined { .. } => {
            hinted("ask for an invite (fl0wfs hub invite SPACE) and join with it", Exit::Failed)
        }
        ConfigError::OtherHub(_) => {
            hinted("give the new hub another name with --as, or remove the old remote first", Exit::Refused)
        }
        ConfigError::NoHome | ConfigError::Io { .. } | ConfigError::Malformed { .. } => (None, Exit::Failed),
    }
}

fn explain_point(error: &PointError) -> (Option<String>, Exit) {
    match error {
        PointError::Missing(path) => {
            hinted(&format!("make it with: mkdir -p {}", path.display()), Exit::Failed)
        }
        PointError::NotEmpty(_) => {
            hinted("-o nonempty mounts anyway; what is below is hidden and untouched", Exit::Refused)
        }
        PointError::Mounted { .. } => hinted(ALREADY, Exit::Refused),
        PointError::Busy { .. } => hinted(
            "close what is open there and leave its directories; fl0wfs umount --lazy takes it away under them",
            Exit::Failed,
        ),
        PointError::NotDirectory(_) | PointError::Io { .. } | PointError::Unmount { .. } => {
            (None, Exit::Failed)
        }
    }
}

fn explain_remount(error: &RemountError) -> (Option<String>, Exit) {
    match error {
        RemountError::NotMounted(_) | RemountError::OtherSource { .. } => hinted(ALREADY, Exit::Failed),
        RemountError::Busy(_) => hinted("close what is open there for writing", Exit::Failed),
        RemountError::NotRoot => {
            hinted("unmount the space and mount it again with other options", Exit::Refused)
        }
        RemountError::Failed { .. } => (None, Exit::Failed),
        RemountError::Point(error) => explain_point(error),
    }
}

fn explain_run(error: &RunError) -> (Option<String>, Exit) {
    match error {
        RunError::Config(error) | RunError::Claim(ClaimError::Config(error)) => explain_config(error),
        RunError::Claim(ClaimError::Taken { .. }) => hinted(ALREADY, Exit::Refused),
        RunError::Member(error) => explain_member(error),
        RunError::Visit(error) => explain_visit(error),
        RunError::Identity(_) | RunError::Socket(_) | RunError::System(_) => (None, Exit::Failed),
    }
}

fn explain_visit(error: &VisitError) -> (Option<String>, Exit) {
    match error {
        VisitError::Connect(error) => explain_connect(error),
        VisitError::Refused(_) => hinted("join with an invite first", Exit::Refused),
        VisitError::Ended(_) => hinted("try again", Exit::Waiting),
        VisitError::Past(PastFailure::Offline(_)) => hinted("try again", Exit::Waiting),
        VisitError::Past(failure) => (failure.hint().map(str::to_owned), Exit::Failed),
        VisitError::Member(error) => explain_member(error),
    }
}

fn explain_member(error: &MemberError) -> (Option<String>, Exit) {
    match error {
        MemberError::Store(StoreError::InUse { .. }) => hinted(ONE_MOUNT, Exit::Refused),
        MemberError::Store(StoreError::Newer { .. }) => hinted(NEWER, Exit::Failed),
        MemberError::Store(StoreError::Older { .. }) => hinted(OLDER, Exit::Failed),
        MemberError::Mount { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => hinted(
            "/dev/fuse must be accessible; allow_other needs user_allow_other in /etc/fuse.conf",
            Exit::Failed,
        ),
        MemberError::Mount { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            hinted("install fuse3, and load the fuse module", Exit::Failed)
        }
        _ => (None, Exit::Failed),
    }
}

fn explain_hub(error: &HubError) -> (Option<String>, Exit) {
    match error {
        HubError::Store(StoreError::InUse { .. }) => hinted("one hub serves a data directory", Exit::Refused),
        HubError::Store(StoreError::Newer { .. }) => hinted(NEWER, Exit::Failed),
        HubError::Bind { .. } => hinted("choose another address with --listen ADDR:PORT", Exit::Failed),
        HubError::Stranger { .. } => {
            hinted("run this as the user who runs the hub, or as root", Exit::Refused)
        }
        HubError::Admin(AdminError::Invalid(_)) => (None, Exit::Usage),
        HubError::Admin(AdminError::Damaged(_)) => {
            hinted("fl0wfs hub verify --repair finds what is damaged and asks members for it", Exit::Failed)
        }
        HubError::Admin(AdminError::Busy(_)) => (None, Exit::Waiting),
        HubError::Admin(AdminError::Stopping) => hinted("try again", Exit::Failed),
        _ => (None, Exit::Failed),
    }
}

fn explain_connect(error: &ConnectError) -> (Option<String>, Exit) {
    match error {
        ConnectError::NotFound { .. } => hinted("check the host's name", Exit::Waiting),
        ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
            hinted("is the hub running, and does a firewall let its UDP port through?", Exit::Waiting)
        }
        ConnectError::WrongHubKey { .. } => hinted(
            "either the hub was set up anew (ask for a new invite) or somebody stands in between",
            Exit::Refused,
        ),
        ConnectError::Refused { .. } => (None, Exit::Refused),
        ConnectError::Local(_) => (None, Exit::Failed),
    }
}

fn refusal_hint(reason: RefuseReason) -> Option<&'static str> {
    match reason {
        RefuseReason::Unknown => Some("join with an invite first; the hub tells outsiders no more than this"),
        RefuseReason::Revoked => {
            Some("whoever runs the hub has revoked this member; a new invite lets it in again")
        }
        RefuseReason::Invite => Some("ask for a new one: fl0wfs hub invite SPACE"),
        RefuseReason::Format => Some("hub and member must run the same version of fl0wfs"),
        RefuseReason::Removed => Some("the space was removed on the hub"),
        RefuseReason::Malformed | RefuseReason::Replaced => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_contract() {
        let codes = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Waiting, Exit::Conflicts, Exit::Refused];
        for (number, exit) in codes.into_iter().enumerate() {
            assert_eq!(exit as usize, number);
        }
    }

    #[test]
    fn not_found_unreachable_not_authorised_and_refused_are_told_apart() {
        let unreachable = ConnectError::Unreachable { to: "h:1".into(), detail: "no route".into() };
        let cases = [
            (CliError::NotMounted("/x".into()), Exit::Failed, "not in a mounted space"),
            (CliError::Connect(unreachable), Exit::Waiting, "cannot be reached"),
            (
                CliError::HubRefused { reason: RefuseReason::Unknown, detail: "unknown".into() },
                Exit::Refused,
                "the hub refused",
            ),
            (CliError::Point(PointError::NotEmpty("/x".into())), Exit::Refused, "not empty"),
            (CliError::Source("x".into()), Exit::Usage, "REMOTE:SPACE"),
        ];
        for (error, exit, part) in cases {
            let explained = explain(&error);
            assert_eq!(explained.exit, exit, "{}", explained.message);
            assert!(explained.message.contains(part), "{}", explained.message);
            assert!(explained.hint.is_some(), "{} has no hint", explained.message);
        }
    }

    #[test]
    fn what_a_daemon_said_is_repeated_word_for_word() {
        let told = Explained { message: "no".into(), hint: Some("ask".into()), exit: Exit::Refused };
        let read: Explained = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
        assert_eq!(explain(&CliError::Told(read)), told);
    }
}
