//! `fl0wfs restore` at the daemon: what was, found out from the hub, and made to be again by ops of this member.
//!
//! Order: what this mount has is sent first, so that the hub's history has all that is about to be replaced. The
//! replica is locked for one batch of ops at a time; the kernel is told of each before the next.

use super::answer::MemberHandler;
use super::control::{
    ControlPath, ControlResponse, Existing, PastReport, Pending, Reply, RestoreRequest, RestoreTo,
    VersionName,
};
use super::past::{Ask, PastFailure, Scratch, locate, name_of, read_log};
use super::shared::Shared;
use crate::model::{Name, NodeId, Place, Sequence, Version};
use crate::ops::{Tree, Verb};
use crate::sync::member::Taken;
use crate::sync::past::{Allocate, Manner, Piece, Restore, Steps, Told, restore_version};
use crate::sync::{Kv, RowTree};
use crate::vfs;
use crate::wire::{ContentRequest, HistoryOperation, HistoryRecord, HolderPage};
use std::io;
use std::time::{Duration, Instant};

/// Ops taken while the replica is locked once.
const BATCH_OPS: usize = 500;
/// How long to wait until the hub has all that this mount has.
const SEND_PATIENCE: Duration = Duration::from_secs(25);
/// How long to wait until the hub has accepted what was done.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(20);

impl MemberHandler {
    pub(super) fn restore(&self, request: &RestoreRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        Ok(match restore(self, request, reply) {
            Ok(report) => ControlResponse::Past(Box::new(report)),
            Err(failure) => failure.into_response(),
        })
    }
}

fn restore(
    handler: &MemberHandler,
    request: &RestoreRequest,
    reply: &mut Reply,
) -> Result<PastReport, PastFailure> {
    let shared = &*handler.shared;
    let names = names_of(&request.path)?;
    let before = bring_up_to_date(shared)?;
    match &request.to {
        RestoreTo::Version(VersionName { node, version }) => {
            let mut steps = OneVersion::find(shared, &request.path, (names, *node), *version)?;
            let mut report = run_steps(shared, &mut steps, |_| {})?;
            report.before = before;
            Ok(finish(shared, report))
        }
        RestoreTo::Moment { at, existing } => {
            let sequence = locate(shared, *at)?;
            let scratch = Scratch::new(&handler.state_directory)?;
            let mut past = scratch.tree()?;
            read_log(shared, (None, Some(sequence)), |entries| {
                // Whoever asked may have gone; what is begun is done all the same.
                let _ = reply.send(&ControlResponse::Progress(Pending::default()));
                Ok(past.apply(entries)?)
            })?;
            let manner = existing.map(|existing| match existing {
                Existing::Keep => Manner::Missing,
                Existing::Replace => Manner::Exact,
            });
            let planned = Restore::new(past.tree(), &shared.volume().replica().view(), names, manner);
            let path = path_for_people(&request.path);
            let mut steps = planned.map_err(|refusal| PastFailure::Refused { path, refusal })?;
            let mut report = run_steps(shared, &mut steps, |_| {})?;
            report.left += steps.left();
            (report.to, report.before) = (Some(sequence), before);
            Ok(finish(shared, report))
        }
    }
}

pub(super) fn names_of(path: &ControlPath) -> Result<Vec<Name>, PastFailure> {
    let parts = path.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let names: Result<Vec<Name>, _> = parts.map(Name::new).collect();
    names.map_err(|_| PastFailure::NoFile(path_for_people(path)))
}

fn path_for_people(path: &ControlPath) -> String {
    if path.0.is_empty() { "the space".into() } else { path.as_path().display().to_string() }
}

/// Has everything of this mount accepted, and everything of the hub's applied. Returns the last sequence.
///
/// # Errors
/// [`PastFailure::NotSent`], [`PastFailure::Offline`], [`PastFailure::Local`] where this mount may not write.
pub(super) fn bring_up_to_date(shared: &Shared) -> Result<Option<Sequence>, PastFailure> {
    if shared.volume().replica().read_only() {
        return Err(crate::sync::member::LocalError::ReadOnly.into());
    }
    // Whether the hub answers is worth knowing before waiting for it.
    let _: Option<Sequence> = shared.ask(&ContentRequest::SequenceAt(vfs::now()))?;
    if !shared.catch_up(Instant::now() + SEND_PATIENCE) {
        return Err(PastFailure::NotSent);
    }
    Ok(shared.volume().replica().position().map(|position| position.sequence))
}

/// Takes all steps, batch by batch, and shows each to `tell`.
///
/// # Errors
/// [`PastFailure::Local`]; what was done until then is done.
pub(super) fn run_steps(
    shared: &Shared,
    steps: &mut impl Steps,
    mut tell: impl FnMut(Told),
) -> Result<PastReport, PastFailure> {
    let mut report = PastReport::default();
    loop {
        let taken = take_batch(shared, steps)?;
        report.left += taken.misfits;
        for told in taken.told {
            *report.done.entry(told.action).or_default() += 1;
            tell(told);
        }
        if !taken.more {
            return Ok(report);
        }
    }
}

fn take_batch(shared: &Shared, steps: &mut impl Steps) -> Result<Taken, PastFailure> {
    let volume = shared.volume();
    let (taken, effects, announced) = {
        let mut replica = volume.replica();
        let (taken, effects) = replica.take_steps(vfs::now(), BATCH_OPS, steps)?;
        let announced = volume.announce(&replica, &effects.changed);
        (taken, effects, announced)
    };
    shared.follow_local(effects, announced);
    Ok(taken)
}

/// Waits for a while until the hub has what was done.
pub(super) fn finish(shared: &Shared, mut report: PastReport) -> PastReport {
    let accepted = || shared.is_connected() && shared.volume().replica().is_clean();
    report.accepted = report.done.is_empty() || shared.wait_until(Instant::now() + ACCEPT_PATIENCE, accepted);
    let replica = shared.volume().replica();
    report.member = replica.identity().map(|identity| identity.name.clone());
    report
}

/// Puts one version of a file at a place.
struct OneVersion {
    place: Place,
    piece: Piece,
    done: bool,
}

impl Steps for OneVersion {
    fn next<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, allocate: Allocate<'_>) -> Option<Verb> {
        let first = !std::mem::replace(&mut self.done, true);
        let verb = || restore_version(present, self.place.clone(), &self.piece, allocate);
        first.then(verb).flatten()
    }
}

impl OneVersion {
    fn find(
        shared: &Shared,
        path: &ControlPath,
        (mut names, node): (Vec<Name>, Option<NodeId>),
        version: Version,
    ) -> Result<OneVersion, PastFailure> {
        let (file, live) = (path_for_people(path), shared.volume().replica().resolve(&names));
        let name = names.pop().ok_or_else(|| PastFailure::Directory(file.clone()))?;
        let parent = shared.volume().replica().resolve(&names);
        let is_directory =
            |id: NodeId| shared.volume().replica().view().node(id).is_some_and(|row| row.is_directory());
        if live.is_some_and(is_directory) {
            return Err(PastFailure::Directory(file));
        }
        let parent = parent.filter(|parent| is_directory(*parent));
        let parent = parent.ok_or_else(|| PastFailure::NoParent(file.clone()))?;
        let node = match node.or(live) {
            Some(node) => node,
            None => last_holder(shared, path)?.ok_or_else(|| PastFailure::NoFile(file.clone()))?,
        };
        let of = if Some(node) == live { file } else { name_of(node, &ControlPath::default()) };
        let piece = piece_of(shared, (node, of), version)?;
        Ok(OneVersion { place: Place { parent, name }, piece, done: false })
    }
}

/// Who stood at a path last, where nobody does now.
fn last_holder(shared: &Shared, path: &ControlPath) -> Result<Option<NodeId>, PastFailure> {
    let page: HolderPage = shared.ask(&ContentRequest::Holders { path: path.0.clone(), before: None })?;
    Ok(page.holders.first().map(|holder| holder.node))
}

fn piece_of(shared: &Shared, (node, of): (NodeId, String), version: Version) -> Result<Piece, PastFailure> {
    let line: Option<HistoryRecord> = shared.ask(&ContentRequest::VersionOf { node, version })?;
    let line = line.ok_or_else(|| PastFailure::NoVersion { of: of.clone(), version })?;
    match (line.manifest, line.operation) {
        (Some(manifest), _) => {
            Ok(Piece { node: line.node, version: line.version, manifest, mtime: vfs::now() })
        }
        (None, HistoryOperation::Removed) => Err(PastFailure::Deletion { of, version }),
        (None, _) => Err(PastFailure::NoVersion { of, version }),
    }
}
