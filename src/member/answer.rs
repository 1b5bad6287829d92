//! What a mounted member answers on its control socket.

use super::attributes;
use super::config::RemoteName;
use super::conflicts;
use super::control::{
    ConnectionState, ControlPath, ControlRequest, ControlResponse, Handler, Parked, Pending, Reply,
    StatusReport, Supervision,
};
use super::link::LinkState;
use super::shared::{MemberReplica, Shared};
use super::supervise::SupervisorLink;
use crate::model::{NodeId, SpaceName};
use crate::ops::{Tree, path_of};
use crate::sync::member::pending_in;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often somebody who waits is told how much is left.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Counting a long journal takes one part in so many of the time.
const COUNTING_SHARE: u32 = 10;

/// Answers for one member.
pub struct MemberHandler {
    pub shared: Arc<Shared>,
    pub mount_point: PathBuf,
    pub state_directory: PathBuf,
    pub remote: RemoteName,
    pub space: SpaceName,
    pub supervisor: Option<SupervisorLink>,
}

impl Handler for MemberHandler {
    fn handle(&self, request: ControlRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        match request {
            ControlRequest::Status => Ok(ControlResponse::Status(Box::new(self.status()))),
            ControlRequest::Sync { timeout_seconds } | ControlRequest::Unmount { timeout_seconds } => {
                self.sync(Duration::from_secs(timeout_seconds), reply)
            }
            ControlRequest::Conflicts => self.conflicts(reply),
            ControlRequest::Resolve(request) => self.resolve(&request, reply),
            ControlRequest::Sides { path } => self.sides(&path, reply),
            ControlRequest::History(request) => self.history(request, reply),
            ControlRequest::Restore(request) => self.restore(&request, reply),
            ControlRequest::Undo(request) => self.undo(&request, reply),
            ControlRequest::Cache(request) => self.cache(&request, reply),
            ControlRequest::Upgrade { program } => Ok(self.upgrade(&program)),
        }
    }
}

impl MemberHandler {
    fn sync(&self, timeout: Duration, reply: &mut Reply) -> io::Result<ControlResponse> {
        let deadline = Instant::now() + timeout;
        let (done, finished) = std::sync::mpsc::channel();
        let shared = self.shared.clone();
        let waiting = std::thread::spawn(move || {
            let _ = done.send(shared.sync(deadline));
        });
        let mut interval = PROGRESS_INTERVAL;
        let complete = loop {
            match finished.recv_timeout(interval) {
                Ok(complete) => break complete,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    let began = Instant::now();
                    reply.send(&ControlResponse::Progress(self.pending()))?;
                    interval = PROGRESS_INTERVAL.max(began.elapsed() * COUNTING_SHARE);
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break false,
            }
        };
        if waiting.join().is_err() {
            tracing::error!("a thread that waited ended badly");
        }
        Ok(ControlResponse::Synced { complete, status: Box::new(self.status()) })
    }

    fn upgrade(&self, program: &Path) -> ControlResponse {
        let Some(supervisor) = &self.supervisor else {
            return ControlResponse::Failed {
                message: "this mount has no supervisor, and ends with its daemon".into(),
                hint: Some("unmount it and mount it again".into()),
            };
        };
        match supervisor.go_on_as(program) {
            Ok(()) => ControlResponse::Done,
            Err(error) => ControlResponse::Failed {
                message: format!("the mount's supervisor cannot be reached: {error}"),
                hint: None,
            },
        }
    }

    fn pending(&self) -> Pending {
        let rows = self.shared.volume().replica().store().rows().clone();
        let pending = pending_in(&rows);
        Pending { ops: pending.ops, files: pending.files, bytes: pending.bytes }
    }

    pub(super) fn status(&self) -> StatusReport {
        let standing = self.shared.standing();
        let mut bad_patterns = self.shared.volume().bad_patterns();
        bad_patterns.extend(attributes::problem(&self.shared));
        let content = self.content_standing();
        let pending = self.pending();
        let quota = self.shared.volume().quota();
        let replica = self.shared.volume().replica();
        let identity = replica.identity();
        let uncaptured = replica.dirty_inodes().len() as u64;
        let trouble = standing.trouble().or_else(|| replica.waiting().map(str::to_owned));
        StatusReport {
            mount_point: self.mount_point.clone(),
            state_directory: self.state_directory.clone(),
            pid: std::process::id(),
            supervision: self
                .supervisor
                .as_ref()
                .map(|link| Supervision { pid: link.supervisor, deaths: link.deaths }),
            remote: self.remote.clone(),
            space: self.space.clone(),
            visit: None,
            member: identity.map_or(replica.wished_name(), |identity| &identity.name).clone(),
            role: identity.map(|identity| identity.role),
            read_only: replica.read_only(),
            connection: match standing.link {
                LinkState::Connected => ConnectionState::Connected,
                LinkState::Refused(detail) => ConnectionState::Refused(detail),
                LinkState::Connecting => ConnectionState::Connecting,
                LinkState::Unreachable(detail) => ConnectionState::Unreachable(detail),
            },
            since: standing.since,
            position: replica.position().map(|position| position.sequence),
            head: replica.head(),
            pending: Pending { ops: pending.ops, files: pending.files + uncaptured, bytes: pending.bytes },
            parked: parked(&replica),
            conflicts: conflicts::all(&replica),
            not_materialized: not_materialized(&replica),
            content,
            disk_full: self.shared.is_full(),
            quota,
            bad_patterns,
            trouble,
            notice: notice(&replica),
        }
    }
}

fn notice(replica: &MemberReplica) -> Option<String> {
    let count = replica.discarded();
    let what = if count == 1 { "1 removal".to_owned() } else { format!("{count} removals") };
    (count > 0).then(|| format!("an administrator has discarded {what} made here; what was removed is back"))
}

pub(super) fn path_in(tree: &impl Tree, node: NodeId) -> Option<ControlPath> {
    let at = match (tree.node(node), tree.tombstone(node)) {
        (Some(_), _) => path_of(tree, node)?,
        (None, Some(tombstone)) => {
            let mut path = path_of(tree, tombstone.place.parent)?;
            path.push(tombstone.place.name);
            path
        }
        (None, None) => return None,
    };
    Some(ControlPath(at.iter().map(|name| name.as_bytes()).collect::<Vec<_>>().join(&b'/')))
}

fn parked(replica: &MemberReplica) -> Vec<Parked> {
    let view = replica.view();
    let report = |parked: crate::sync::member::Parked| {
        let path = path_in(&view, parked.op.verb.node()).unwrap_or_default();
        Parked { path, reason: parked.reason }
    };
    replica.parked().into_iter().map(report).collect()
}

fn not_materialized(replica: &MemberReplica) -> Pending {
    let view = replica.view();
    let wanted = replica.wanted(None, usize::MAX);
    let length = |node: &NodeId| view.node(*node).and_then(|row| row.manifest().map(|m| m.length));
    let bytes = wanted.iter().filter_map(length).sum();
    Pending { ops: 0, files: wanted.len() as u64, bytes }
}
