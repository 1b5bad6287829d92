//! What command line and daemon say to each other.

use super::cache::{CacheReport, CacheRequest, ContentStanding};
use super::conflicts::{ConflictReport, ResolveRequest};
use super::history::{ContentReport, HistoryRequest, HolderReport, LogLine};
use super::past::{PastLine, PastReport, RestoreRequest, UndoRequest};
use super::sides::{ControlBytes, Side, SidesReport};
use crate::member::config::RemoteName;
use crate::model::{MemberName, Quota, Role, Sequence, SpaceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the command line asks of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlRequest {
    /// Answered by [`ControlResponse::Status`].
    Status,
    /// Waits until all local work is accepted and all the hub had when asked is applied and materialized.
    /// Answered by [`ControlResponse::Synced`], with progress before.
    Sync {
        timeout_seconds: u64,
    },
    /// Captures what is open, and sends what can be sent in that time. Answered by
    /// [`ControlResponse::Synced`]; the asker unmounts then, and the daemon ends with the mount.
    Unmount {
        timeout_seconds: u64,
    },
    /// All open conflicts. Answered by [`ControlResponse::Conflicts`] as often as needed, then
    /// [`ControlResponse::Done`].
    Conflicts,
    /// Answered by [`ControlResponse::Conflicts`] with those that are settled now, as they were, then
    /// [`ControlResponse::Done`].
    Resolve(ResolveRequest),
    /// The contents of the conflict that a file, or its copy, is in. Answered by [`ControlResponse::SideBytes`] as often
    /// as needed, then [`ControlResponse::Sides`].
    Sides {
        path: ControlPath,
    },
    History(HistoryRequest),
    /// Answered by [`ControlResponse::Past`].
    Restore(RestoreRequest),
    /// Answered by [`ControlResponse::PastLines`] with everything that is done, or would be, as often as needed, then
    /// [`ControlResponse::Past`].
    Undo(UndoRequest),
    /// Answered by [`ControlResponse::Cache`], with progress before where it has to wait.
    Cache(CacheRequest),
    /// Has another program, a path, go on with the mount. Answered by [`ControlResponse::Done`], or by the end of this
    /// daemon.
    Upgrade {
        program: PathBuf,
    },
}

impl ControlRequest {
    /// Whether it makes no difference that it was asked before of a daemon that died over it.
    pub fn may_be_asked_twice(&self) -> bool {
        use ControlRequest::{Resolve, Restore, Undo, Upgrade};
        !matches!(self, Resolve(_) | Restore(_) | Undo(_) | Upgrade { .. })
    }
}

/// What a daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlResponse {
    Status(Box<StatusReport>),
    /// How much is left to be done; more follows.
    Progress(Pending),
    /// `complete` says whether all is done; the report tells what is left where it is not.
    Synced {
        complete: bool,
        status: Box<StatusReport>,
    },
    /// More follows.
    Log(Vec<LogLine>),
    /// More follows.
    Conflicts(Vec<ConflictReport>),
    /// The next bytes of a content; more follows.
    SideBytes {
        side: Side,
        bytes: ControlBytes,
    },
    Sides(Box<SidesReport>),
    /// Lines of a node follow.
    Holder(HolderReport),
    /// A file comes along; more follows.
    Content(Box<ContentReport>),
    /// More follows.
    PastLines(Vec<PastLine>),
    Past(Box<PastReport>),
    Cache(Box<CacheReport>),
    Done,
    Failed {
        message: String,
        hint: Option<String>,
    },
    /// There is nothing to say anything about, such as a path that never was.
    NotFound {
        message: String,
    },
    /// A rule says no; nothing was changed.
    Refused {
        message: String,
        hint: Option<String>,
    },
    /// The hub is needed for this and cannot be reached.
    Unreachable {
        message: String,
    },
}

impl ControlResponse {
    /// Whether no other response follows this one.
    pub fn is_last(&self) -> bool {
        use ControlResponse::{Conflicts, Content, Holder, Log, PastLines, Progress, SideBytes};
        let is_part = matches!(
            self,
            Progress(_) | Log(_) | Holder(_) | Content(_) | Conflicts(_) | SideBytes { .. } | PastLines(_)
        );
        !is_part
    }
}

/// A mounted member, as people and scripts are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    pub mount_point: PathBuf,
    pub state_directory: PathBuf,
    pub pid: u32,
    /// None where the mount ends with its daemon.
    #[serde(default)]
    pub supervision: Option<Supervision>,
    pub remote: RemoteName,
    pub space: SpaceName,
    /// The sequence that is shown, where it is not the space as it is.
    pub visit: Option<Sequence>,
    pub member: MemberName,
    /// None before the first conversation with the hub.
    pub role: Option<Role>,
    pub read_only: bool,
    pub connection: ConnectionState,
    /// When the connection came to its present state.
    pub since: Timestamp,
    /// The last sequence applied here.
    pub position: Option<Sequence>,
    /// The last sequence of the hub, as far as known.
    pub head: Option<Sequence>,
    /// Local work that the hub has not accepted.
    pub pending: Pending,
    /// Refused work, kept.
    pub parked: Vec<Parked>,
    pub conflicts: Vec<ConflictReport>,
    /// Files whose content is still to come.
    pub not_materialized: Pending,
    pub content: ContentStanding,
    /// The disk is too full for remote content.
    pub disk_full: bool,
    /// Used is what the hub counts, and what is on its way there; None where nothing limits the space.
    #[serde(default)]
    pub quota: Option<Quota>,
    /// Lines of lists of patterns that are none: the file, the line, and why.
    pub bad_patterns: Vec<String>,
    /// The last thing that went wrong, while it lasts: a full hub, unreadable content.
    pub trouble: Option<String>,
    /// What somebody has decided about work done here, since the mount.
    pub notice: Option<String>,
}

/// Who keeps a mount alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// The supervisor's process.
    pub pid: u32,
    /// How many daemons of this mount have died so far.
    pub deaths: u32,
}

/// How a member stands with its hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    Connected,
    Connecting,
    Unreachable(String),
    /// The hub will not talk to this member.
    Refused(String),
}

/// An amount of work. Ops without a file, such as new directories, count as ops alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub ops: u64,
    pub files: u64,
    pub bytes: u64,
}

impl Pending {
    pub fn is_none(&self) -> bool {
        (self.ops, self.files) == (0, 0)
    }
}

/// Work that the hub refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub path: ControlPath,
    pub reason: String,
}

/// A path inside a mount, from its root. Text in JSON where it is text, else an array of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "TextOrBytes", into = "TextOrBytes")]
pub struct ControlPath(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TextOrBytes {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<TextOrBytes> for ControlPath {
    fn from(either: TextOrBytes) -> ControlPath {
        match either {
            TextOrBytes::Text(text) => ControlPath(text.into_bytes()),
            TextOrBytes::Bytes(bytes) => ControlPath(bytes),
        }
    }
}

impl From<ControlPath> for TextOrBytes {
    fn from(path: ControlPath) -> TextOrBytes {
        match String::from_utf8(path.0) {
            Ok(text) => TextOrBytes::Text(text),
            Err(not_text) => TextOrBytes::Bytes(not_text.into_bytes()),
        }
    }
}

impl From<&Path> for ControlPath {
    fn from(path: &Path) -> ControlPath {
        ControlPath(path.as_os_str().as_bytes().to_vec())
    }
}

impl ControlPath {
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::control::{Moment, Which};
    use crate::model::NodeId;

    #[test]
    fn paths_are_text_in_json_and_bytes_where_they_are_none() {
        for (path, json) in [(&b"a b/c\n"[..], r#""a b/c\n""#), (b"\xff", "[255]"), (b"", r#""""#)] {
            let path = ControlPath(path.to_vec());
            assert_eq!(serde_json::to_string(&path).unwrap(), json);
            assert_eq!(serde_json::from_str::<ControlPath>(json).unwrap(), path);
        }
    }

    #[test]
    fn requests_read_back_from_their_line() {
        let path = ControlPath(b"x\xfe".to_vec());
        let log = HistoryRequest::Log { path: path.clone(), node: Some(NodeId::ROOT), limit: Some(3) };
        let at = Which::At(Moment::Sequence(Sequence(3)));
        let content = HistoryRequest::Content { path, which: at };
        let history = [log, content].map(ControlRequest::History);
        let others = [ControlRequest::Status, ControlRequest::Sync { timeout_seconds: 30 }];
        for request in history.into_iter().chain(others) {
            let line = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<ControlRequest>(&line).unwrap(), request, "{line}");
        }
    }

    #[test]
    fn only_progress_and_lists_have_something_after_them() {
        assert!(!ControlResponse::Progress(Pending::default()).is_last());
        assert!(!ControlResponse::Log(Vec::new()).is_last());
        assert!(!ControlResponse::Conflicts(Vec::new()).is_last());
        assert!(ControlResponse::Done.is_last());
    }
}
