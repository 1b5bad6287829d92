//! What a mounted member answers about history: whose it is, what came, and contents of earlier versions.
//!
//! All of it is the hub's, so all of it needs the hub; only what stands under a name now is looked up here.

use super::answer::MemberHandler;
use super::content::ContentError;
use super::control::{
    ControlPath, ControlResponse, HistoryRequest, HolderReport, LogLine, Reply, VersionName,
};
use crate::model::{Name, NodeId, Sequence};
use crate::ops::{Origin, Tree, resolve_successor};
use crate::wire::{
    ContentRequest, HISTORY_RECORDS_MAX, HistoryOf, HistoryOperation, HistoryPage, HistoryRecord, Holder,
    HolderPage, OpPlace,
};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

/// The hub has this long to answer a question about history.
const HISTORY_PATIENCE: Duration = Duration::from_secs(20);

/// Why history is not told to its end.
pub(super) enum Cut {
    /// The asker is gone.
    Gone(io::Error),
    /// And this is said instead.
    Because(ControlResponse),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Cut {
        Cut::Gone(error)
    }
}

impl From<ContentError> for Cut {
    fn from(error: ContentError) -> Cut {
        Cut::Because(unreachable(&error))
    }
}

impl MemberHandler {
    pub(super) fn history(&self, request: HistoryRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        let told = match request {
            HistoryRequest::Log { path, node, limit } => self.log(&path, node, limit, reply),
            HistoryRequest::Follow { path, last } => self.follow(&path, last, reply),
            HistoryRequest::Content { path, which } => self.content(&path, which, reply),
        };
        match told {
            Ok(()) => Ok(ControlResponse::Done),
            Err(Cut::Because(answer)) => Ok(answer),
            Err(Cut::Gone(error)) => Err(error),
        }
    }

    pub(super) fn ask<T: DeserializeOwned>(&self, question: ContentRequest) -> Result<T, Cut> {
        Ok(self.shared.ask_hub(&question, HISTORY_PATIENCE)?)
    }

    fn log(
        &self,
        path: &ControlPath,
        node: Option<NodeId>,
        limit: Option<u64>,
        reply: &mut Reply,
    ) -> Result<(), Cut> {
        let mut left = limit.unwrap_or(u64::MAX);
        if let Some(node) = node {
            return self.log_of_node(node, &mut left, reply);
        }
        if path.0.is_empty() {
            self.tell(HistoryOf::Space, None, &mut left, reply)?;
            return Ok(());
        }
        let mut found = self.node_at(path).is_some();
        let (mut holders, mut told) = (Holders::of(self, path), BTreeSet::new());
        while left > 0
            && let Some(holder) = holders.next()?
        {
            found = true;
            if told.insert(holder.node) {
                self.tell_holder(holder, &mut left, reply)?;
            }
            // Its history goes on in what took over its content.
            if let Some(successor) = holder.successor.filter(|it| told.insert(it.node)) {
                let holder = Holder { node: successor.node, until: None, successor: None };
                self.tell_holder(holder, &mut left, reply)?;
            }
        }
        match found {
            true => Ok(()),
            false => Err(Cut::Because(never(path))),
        }
    }

    fn log_of_node(&self, node: NodeId, left: &mut u64, reply: &mut Reply) -> Result<(), Cut> {
        let own = self.tell(HistoryOf::Node(node), None, left, reply)?;
        let today = resolve_successor(&self.shared.volume().replica().view(), node);
        let later = match today == node {
            true => 0,
            false => self.tell_holder(Holder { node: today, until: None, successor: None }, left, reply)?,
        };
        match own + later {
            0 => Err(Cut::Because(not_found(format!("this space has no history of a node {node}")))),
            _ => Ok(()),
        }
    }

    fn tell_holder(&self, holder: Holder, left: &mut u64, reply: &mut Reply) -> Result<u64, Cut> {
        let successor = holder.successor.map(|it| VersionName { node: Some(it.node), version: it.version });
        let Holder { node, until, .. } = holder;
        reply.send_at_leisure(&ControlResponse::Holder(HolderReport { node, until, successor }))?;
        self.tell(HistoryOf::Node(node), until, left, reply)
    }

    /// Sends lines, newest first, up to a sequence; returns how many.
    fn tell(
        &self,
        of: HistoryOf,
        until: Option<Sequence>,
        left: &mut u64,
        reply: &mut Reply,
    ) -> Result<u64, Cut> {
        let mut before = until.map(after_all_of);
        let mut told = 0;
        while *left > 0 {
            let limit = u32::try_from(*left).unwrap_or(u32::MAX).min(HISTORY_RECORDS_MAX);
            let page: HistoryPage = self.ask(ContentRequest::History { of: of.clone(), before, limit })?;
            before = page.records.last().map(|record| record.at);
            // What stands in one place is sent as a whole, so it may be one more than was asked for.
            let lines: Vec<LogLine> = page.records.into_iter().take(limit as usize).map(line).collect();
            *left = left.saturating_sub(lines.len() as u64);
            told += lines.len() as u64;
            reply.send_at_leisure(&ControlResponse::Log(lines))?;
            if !page.more {
                break;
            }
        }
        Ok(told)
    }

    /// The node under a path now.
    pub(super) fn node_at(&self, path: &ControlPath) -> Option<NodeId> {
        let replica = self.shared.volume().replica();
        let view = replica.view();
        let names = path.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names
            .map(|name| Name::new(name).ok())
            .try_fold(NodeId::ROOT, |parent, name| view.child(parent, &name?))
    }
}

/// Who has, and had, a path: first the node there now, as this mount shows it, then as the hub has them.
pub(super) struct Holders<'a> {
    handler: &'a MemberHandler,
    path: &'a ControlPath,
    now: Option<NodeId>,
    page: VecDeque<Holder>,
    /// Where the next page begins; None where there is none.
    rest: Option<Option<Sequence>>,
}

impl<'a> Holders<'a> {
    pub(super) fn of(handler: &'a MemberHandler, path: &'a ControlPath) -> Holders<'a> {
        let now = handler.node_at(path);
        let first = now.map(|node| Holder { node, until: None, successor: None });
        Holders { handler, path, now, page: first.into_iter().collect(), rest: Some(None) }
    }

    pub(super) fn next(&mut self) -> Result<Option<Holder>, Cut> {
        while self.page.is_empty()
            && let Some(before) = self.rest
        {
            let question = ContentRequest::Holders { path: self.path.0.clone(), before };
            let HolderPage { holders, more } = self.handler.ask(question)?;
            self.rest = holders.last().map(|last| last.until).filter(|_| more);
            self.page = holders.into_iter().filter(|holder| Some(holder.node) != self.now).collect();
        }
        Ok(self.page.pop_front())
    }
}

/// The place before which all of a sequence's ops are, and nothing later.
pub(super) fn after_all_of(sequence: Sequence) -> OpPlace {
    OpPlace { sequence: Sequence(sequence.0.saturating_add(1)), op: 0 }
}

pub(super) fn not_found(message: String) -> ControlResponse {
    ControlResponse::NotFound { message }
}

pub(super) fn never(path: &ControlPath) -> ControlResponse {
    not_found(format!("nothing ever stood at {}", path.as_path().display()))
}

fn unreachable(error: &ContentError) -> ControlResponse {
    ControlResponse::Unreachable { message: format!("history is the hub's, and it cannot be asked: {error}") }
}

/// A line as people and scripts are told of it.
pub(super) fn line(record: HistoryRecord) -> LogLine {
    let is_removal = record.operation == HistoryOperation::Removed;
    let has_content = is_removal || record.manifest.is_some();
    let md5 = record.md5_text();
    let (merged, restored) = match record.came_from {
        Some(Origin::Merged(merged)) => (Some(merged), None),
        Some(Origin::Restored(it)) => (None, Some(VersionName { node: Some(it.node), version: it.version })),
        None => (None, None),
    };
    LogLine {
        sequence: record.at.sequence,
        node: record.node,
        member: record.name,
        time: record.time,
        op: word(record.operation).to_owned(),
        path: ControlPath(record.path),
        from: record.from.map(ControlPath),
        version: has_content.then_some(record.version.0),
        md5,
        size: record.manifest.map(|manifest| manifest.length),
        merged,
        restored,
    }
}

fn word(operation: HistoryOperation) -> &'static str {
    match operation {
        HistoryOperation::Made => "added",
        HistoryOperation::Changed => "updated",
        HistoryOperation::Merged => "merged",
        HistoryOperation::Restored => "restored",
        HistoryOperation::Attributes => "attributes",
        HistoryOperation::Linked => "linked",
        HistoryOperation::Renamed => "renamed",
        HistoryOperation::Removed => "deleted",
        HistoryOperation::Conflict => "conflict",
    }
}
