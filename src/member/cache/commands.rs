//! What `pin`, `unpin`, `evict` and `prefetch` ask.
//!
//! Invariant: what cannot be done for one of the paths is done for none.

use super::super::answer::{MemberHandler, path_in};
use super::super::control::{
    CacheReport, CacheRequest, ContentStanding, ControlPath, ControlResponse, Kept, KeptBecause, Pending,
    Reply, UnreadFile,
};
use super::super::link::LinkState;
use super::unread::link_reason;
use crate::model::{Name, NodeId};
use crate::ops::Tree;
use crate::sync::member::{Fetching, Ino, LocalError, Pinned, Stays};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

/// How often somebody who waits is told how much is left.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Contents evicted in one transaction.
const EVICTED_AT_ONCE: usize = 256;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is nothing at {}", .0.as_path().display())]
    Nothing(ControlPath),
    #[error("{} is ignored: it is on this machine alone, and stays", .0.as_path().display())]
    Ignored(ControlPath),
    #[error("{} is not pinned", .0.as_path().display())]
    NotPinned(ControlPath),
    #[error("{} is pinned with {}", path.as_path().display(), shown(by))]
    PinnedBelow { path: ControlPath, by: ControlPath },
    #[error("{} stays: it is {}", path.as_path().display(), why.text())]
    Stays { path: ControlPath, why: KeptBecause },
    #[error("this mount fetches all content, so what is evicted would come back at once")]
    Eager,
    #[error("{what} takes {bytes} bytes, and the cache has room for {limit}")]
    TooLarge { what: &'static str, bytes: u64, limit: u64 },
    #[error("{0}")]
    Unreachable(String),
    #[error(transparent)]
    Failed(#[from] LocalError),
}

fn shown(path: &ControlPath) -> String {
    if path.0.is_empty() { "the whole space".into() } else { path.as_path().display().to_string() }
}

impl Refused {
    fn into_response(self) -> ControlResponse {
        let message = self.to_string();
        let hint: Option<&str> = match &self {
            Refused::Nothing(_) => return ControlResponse::NotFound { message },
            Refused::Unreachable(_) => return ControlResponse::Unreachable { message },
            Refused::Eager => Some("mount with -o content=lazy to have content fetched when it is read"),
            Refused::TooLarge { .. } => Some("choose less, or mount with a larger -o cache-size"),
            Refused::PinnedBelow { .. } => Some("unpin that, and pin what is to stay"),
            Refused::NotPinned(_) => Some("fl0wfs pin --list shows what is"),
            Refused::Stays { why: KeptBecause::Pinned, .. } => Some("fl0wfs unpin lets it go"),
            Refused::Stays { .. } | Refused::Ignored(_) => None,
            Refused::Failed(_) => return ControlResponse::Failed { message, hint: None },
        };
        ControlResponse::Refused { message, hint: hint.map(str::to_owned) }
    }
}

impl MemberHandler {
    pub(in crate::member) fn cache(
        &self,
        request: &CacheRequest,
        reply: &mut Reply,
    ) -> io::Result<ControlResponse> {
        let done = match request {
            CacheRequest::Pin { paths } => self.pin(paths),
            CacheRequest::Unpin { paths } => self.unpin(paths),
            CacheRequest::Pins => Ok(CacheReport { pins: self.pins(), ..CacheReport::default() }),
            CacheRequest::Evict { paths } => self.evict(paths),
            CacheRequest::Prefetch { paths, timeout_seconds } => {
                self.prefetch(paths, Duration::from_secs(*timeout_seconds), reply)?
            }
        };
        Ok(match done {
            Ok(report) => ControlResponse::Cache(Box::new(report)),
            Err(refused) => refused.into_response(),
        })
    }

    /// How contents stand, for `status`.
    pub(in crate::member) fn content_standing(&self) -> ContentStanding {
        let (files, bytes) = self.shared.cache.usage();
        let replica = self.shared.volume().replica();
        let view = replica.view();
        let unread = self.shared.cache.unread.all().into_iter().filter_map(|unread| {
            Some(UnreadFile { path: path_in(&view, unread.node)?, time: unread.time, reason: unread.reason })
        });
        let unread = unread.collect();
        let lazy = replica.fetching() == Fetching::Asked;
        let pins = replica.pins().into_iter().filter_map(|node| path_in(&view, node)).collect();
        ContentStanding { lazy, files, bytes, limit: self.shared.cache.limit(), pins, unread }
    }

    fn pins(&self) -> Vec<ControlPath> {
        let replica = self.shared.volume().replica();
        let view = replica.view();
        replica.pins().into_iter().filter_map(|node| path_in(&view, node)).collect()
    }

    /// The nodes at these paths, all of them shared.
    fn nodes_at(&self, paths: &[ControlPath]) -> Result<Vec<NodeId>, Refused> {
        let nodes = paths.iter().map(|path| match self.node_shown_at(path) {
            None => Err(Refused::Nothing(path.clone())),
            Some(node) if node.is_unshared() => Err(Refused::Ignored(path.clone())),
            Some(node) => Ok(node),
        });
        nodes.collect()
    }

    fn node_shown_at(&self, path: &ControlPath) -> Option<NodeId> {
        let replica = self.shared.volume().replica();
        let tree = replica.tree();
        let mut names = path.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.try_fold(NodeId::ROOT, |parent, name| tree.child(parent, &Name::new(name).ok()?))
    }

    fn pin(&self, paths: &[ControlPath]) -> Result<CacheReport, Refused> {
        let nodes = self.nodes_at(paths)?;
        let new = self.amount_below(&nodes)?;
        if let Some(limit) = self.shared.cache.limit() {
            let mut all = self.shared.volume().replica().pins();
            all.extend(nodes.iter().filter(|node| !all.contains(node)).copied().collect::<Vec<_>>());
            let bytes = self.amount_below(&all)?.bytes;
            if bytes > limit {
                return Err(Refused::TooLarge { what: "what would be pinned", bytes, limit });
            }
        }
        self.shared.volume().replica().pin(&nodes)?;
        self.shared.cache.pins_changed();
        self.shared.want_below(nodes);
        Ok(CacheReport { pins: self.pins(), ..new })
    }

    fn unpin(&self, paths: &[ControlPath]) -> Result<CacheReport, Refused> {
        let nodes = self.nodes_at(paths)?;
        for (path, node) in paths.iter().zip(&nodes) {
            let pinned = self.shared.volume().replica().pinned(*node);
            match pinned {
                Some(Pinned::Itself) => {}
                None => return Err(Refused::NotPinned(path.clone())),
                Some(Pinned::Below(directory)) => {
                    let by = path_in(&self.shared.volume().replica().view(), directory).unwrap_or_default();
                    return Err(Refused::PinnedBelow { path: path.clone(), by });
                }
            }
        }
        self.shared.volume().replica().unpin(&nodes)?;
        self.shared.cache.pins_changed();
        // What has not come yet need not come for this pin.
        for node in &nodes {
            self.shared.walk_files(*node, |files| self.shared.volume().replica().ask_no_more(files))?;
        }
        Ok(CacheReport { pins: self.pins(), ..self.amount_below(&nodes)? })
    }

    /// Files at and below nodes, and what is missing of their contents. What two of them have in common counts twice.
    fn amount_below(&self, nodes: &[NodeId]) -> Result<CacheReport, LocalError> {
        let mut report = CacheReport::default();
        for node in nodes {
            self.shared.walk_files(*node, |files| {
                let replica = self.shared.volume().replica();
                for residence in files.iter().filter_map(|file| replica.residence(*file)) {
                    (report.files, report.bytes) =
                        (report.files + 1, report.bytes + residence.manifest.length);
                    if !residence.here {
                        report.missing += 1;
                        report.missing_bytes += residence.manifest.length;
                    }
                }
                Ok::<(), LocalError>(())
            })?;
        }
        Ok(report)
    }

    fn evict(&self, paths: &[ControlPath]) -> Result<CacheReport, Refused> {
        if !self.shared.is_lazy() {
            return Err(Refused::Eager);
        }
        let nodes = self.nodes_at(paths)?;
        self.shared.take_changes();
        let (mut report, mut kept) = (CacheReport::default(), BTreeMap::new());
        for (path, node) in paths.iter().zip(nodes) {
            let is_file = self.shared.volume().replica().residence(node).is_some();
            if let Some(why) =
                is_file.then(|| self.why_it_stays(node)).flatten().filter(|why| *why > KeptBecause::Absent)
            {
                return Err(Refused::Stays { path: path.clone(), why });
            }
            self.shared.walk_files(node, |files| self.evict_files(files, &mut report, &mut kept))?;
        }
        report.kept = kept.into_iter().map(|(why, files)| Kept { why, files }).collect();
        Ok(report)
    }

    fn why_it_stays(&self, node: NodeId) -> Option<KeptBecause> {
        let mut replica = self.shared.volume().replica();
        let Some(ino) = replica.known_ino_of(node) else { return Some(KeptBecause::Absent) };
        replica.why_it_stays(ino).map(because)
    }

    fn evict_files(
        &self,
        files: &[NodeId],
        report: &mut CacheReport,
        kept: &mut BTreeMap<KeptBecause, u64>,
    ) -> Result<(), LocalError> {
        let mut going: Vec<Ino> = Vec::new();
        for file in files {
            match self.why_it_stays(*file) {
                Some(KeptBecause::Absent) => {}
                Some(why) => *kept.entry(why).or_default() += 1,
                None => going.extend(self.shared.volume().replica().known_ino_of(*file)),
            }
        }
        for some in going.chunks(EVICTED_AT_ONCE) {
            let (gone, bytes) = self.shared.evict(some)?;
            (report.files, report.bytes) = (report.files + gone, report.bytes + bytes);
        }
        Ok(())
    }

    /// Asks for what is missing and waits for it.
    fn prefetch(
        &self,
        paths: &[ControlPath],
        timeout: Duration,
        reply: &mut Reply,
    ) -> io::Result<Result<CacheReport, Refused>> {
        let deadline = Instant::now() + timeout;
        let (mut waited_for, mut report) = match self.begin_prefetch(paths) {
            Ok(begun) => begun,
            Err(refused) => return Ok(Err(refused)),
        };
        loop {
            let left = self.still_missing(&mut waited_for);
            reply.send(&ControlResponse::Progress(left))?;
            (report.missing, report.missing_bytes) = (left.files, left.bytes);
            report.reason = self.why_not_fetched(&waited_for);
            if waited_for.is_empty() || report.reason.is_some() || Instant::now() >= deadline {
                return Ok(Ok(report));
            }
            let soon = (Instant::now() + PROGRESS_INTERVAL).min(deadline);
            self.shared.wait_until(soon, || false);
        }
    }

    #[allow(clippy::type_complexity, reason = "a pair used once, taken apart where it is returned")]
    fn begin_prefetch(
        &self,
        paths: &[ControlPath],
    ) -> Result<(VecDeque<(NodeId, u64)>, CacheReport), Refused> {
        let nodes = self.nodes_at(paths)?;
        let report = self.amount_below(&nodes)?;
        match self.shared.cache.limit() {
            Some(limit) if self.shared.is_lazy() && report.bytes > limit => {
                return Err(Refused::TooLarge { what: "this", bytes: report.bytes, limit });
            }
            _ => {}
        }
        if report.missing > 0 && !self.shared.is_connected() {
            return Err(Refused::Unreachable(link_reason(&self.shared.standing().link)));
        }
        let mut missing = Vec::new();
        for node in nodes {
            self.shared.walk_files(node, |files| {
                let mut replica = self.shared.volume().replica();
                for file in files {
                    if let Some(residence) = replica.residence(*file).filter(|residence| !residence.here) {
                        missing.push((*file, residence.manifest.length));
                    }
                }
                replica.ask_for(files).map(drop)
            })?;
        }
        self.shared.wants_content();
        // In the order in which they are fetched.
        missing.sort_unstable();
        missing.dedup();
        Ok((missing.into(), report))
    }

    /// Takes those off that are here by now, from the front; returns what is left.
    fn still_missing(&self, waited_for: &mut VecDeque<(NodeId, u64)>) -> Pending {
        let replica = self.shared.volume().replica();
        let is_here = |node: NodeId| !replica.wants(node) || replica.residence(node).is_none_or(|r| r.here);
        while waited_for.front().is_some_and(|(node, _)| is_here(*node)) {
            waited_for.pop_front();
        }
        let bytes = waited_for.iter().map(|(_, bytes)| bytes).sum();
        Pending { ops: 0, files: waited_for.len() as u64, bytes }
    }

    fn why_not_fetched(&self, waited_for: &VecDeque<(NodeId, u64)>) -> Option<String> {
        let (first, _) = waited_for.front()?;
        let link = self.shared.standing().link;
        match link {
            LinkState::Unreachable(_) | LinkState::Refused(_) => Some(link_reason(&link)),
            _ => self.shared.cache.put_off.lock().get(first).cloned(),
        }
    }
}

fn because(stays: Stays) -> KeptBecause {
    match stays {
        Stays::Absent => KeptBecause::Absent,
        Stays::Unshared => KeptBecause::Ignored,
        Stays::Unsent => KeptBecause::NotSent,
        Stays::Open => KeptBecause::Open,
        Stays::Pinned => KeptBecause::Pinned,
    }
}
