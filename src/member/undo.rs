//! `fl0wfs undo` at the daemon: one member's work since a moment, found in the log, and taken back by ops of this
//! member; contents that others have worked on since are merged, where they can be.
//!
//! Order: as in `restore`. Merges come last, each by itself: what cannot be merged is left, and said.

use super::answer::MemberHandler;
use super::assemble::Assembler;
use super::control::{ControlPath, ControlResponse, PastLine, PastReport, Pending, Reply, UndoRequest};
use super::files::Arriving;
use super::past::{PastFailure, Scratch, locate, read_log};
use super::restore::{bring_up_to_date, finish, names_of, run_steps};
use super::shared::Shared;
use crate::merge::{Attributes, FileType, MERGE_BYTES_MAX, Outcome, Versions, merge};
use crate::model::{Manifest, MemberNumber, Name, NodeId};
use crate::ops::{Origin, Put, Restored, Tree, path_of};
use crate::rebase::ATTRIBUTES_NAME;
use crate::store::RocksStore;
use crate::sync::member::{NewContent, manifest_of};
use crate::sync::past::{Action, Deeds, Merging, Told, Undo};
use crate::vfs;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Lines in one answer.
const LINES_PER_ANSWER: usize = 500;
/// Steps listed by a dry run.
const LISTED_MAX: usize = 1_000_000;

impl MemberHandler {
    pub(super) fn undo(&self, request: &UndoRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        Ok(match undo(self, request, reply) {
            Ok(report) => ControlResponse::Past(Box::new(report)),
            Err(failure) => failure.into_response(),
        })
    }
}

fn undo(
    handler: &MemberHandler,
    request: &UndoRequest,
    reply: &mut Reply,
) -> Result<PastReport, PastFailure> {
    let shared = &*handler.shared;
    let before = bring_up_to_date(shared)?;
    let member = number_of(shared, request)?;
    let since = locate(shared, request.since)?;
    let scratch = Scratch::new(&handler.state_directory)?;
    let mut past = scratch.tree()?;
    let mut on_way = || _ = reply.send(&ControlResponse::Progress(Pending::default()));
    read_log(shared, (None, Some(since)), |entries| {
        on_way();
        Ok(past.apply(entries)?)
    })?;
    let mut deeds = Deeds::new(past, member);
    read_log(shared, (Some(since), None), |entries| {
        on_way();
        Ok(deeds.apply(entries)?)
    })?;
    narrow(shared, &mut deeds, &request.directory)?;
    let mut lines = Vec::new();
    let mut report = take_back(shared, &deeds, request.dry_run, &mut lines)?;
    report.before = before;
    report.to = Some(since);
    for some in lines.chunks(LINES_PER_ANSWER) {
        reply.send(&ControlResponse::PastLines(some.to_vec()))?;
    }
    Ok(if request.dry_run { report } else { finish(shared, report) })
}

fn number_of(shared: &Shared, request: &UndoRequest) -> Result<MemberNumber, PastFailure> {
    let replica = shared.volume().replica();
    let own = replica.identity().map(|identity| (identity.member, identity.name.clone()));
    let known = replica.members().chain(own).find(|(_, name)| *name == request.member);
    known.map(|(number, _)| number).ok_or_else(|| PastFailure::NoMember(request.member.clone()))
}

/// Forgets the deeds outside a directory.
fn narrow(
    shared: &Shared,
    deeds: &mut Deeds<RocksStore>,
    directory: &ControlPath,
) -> Result<(), PastFailure> {
    let names = names_of(directory)?;
    if names.is_empty() {
        return Ok(());
    }
    let replica = shared.volume().replica();
    let top = replica.resolve(&names).ok_or_else(|| PastFailure::NoDirectory(directory.clone()))?;
    let view = replica.view();
    Ok(deeds.keep_below(&view, top)?)
}

fn take_back(
    shared: &Shared,
    deeds: &Deeds<RocksStore>,
    dry_run: bool,
    lines: &mut Vec<PastLine>,
) -> Result<PastReport, PastFailure> {
    let mut steps = Undo::new(deeds, &shared.volume().replica().view());
    let mut report = PastReport::default();
    let mut tell = |told: Told| lines.push(line_of(told));
    if dry_run {
        let taken = shared.volume().replica().try_steps(vfs::now(), LISTED_MAX, &mut steps);
        taken.told.iter().for_each(|told| *report.done.entry(told.action).or_default() += 1);
        taken.told.into_iter().for_each(&mut tell);
    } else {
        report = run_steps(shared, &mut steps, &mut tell)?;
    }
    for left in steps.left() {
        report.left += 1;
        lines.push(left_line(left.path.clone(), left.reason.to_string()));
    }
    for merging in steps.merging() {
        match take_out(shared, merging, dry_run) {
            Ok(path) => {
                *report.done.entry(Action::TakeOut).or_default() += 1;
                lines.push(PastLine {
                    path: ControlPath(path),
                    from: None,
                    action: Some(Action::TakeOut),
                    left: None,
                });
            }
            Err((path, why)) => {
                report.left += 1;
                lines.push(left_line(path, why));
            }
        }
    }
    Ok(report)
}

fn line_of(told: Told) -> PastLine {
    PastLine {
        path: ControlPath(told.path),
        from: told.from.map(ControlPath),
        action: Some(told.action),
        left: None,
    }
}

fn left_line(path: Vec<u8>, why: String) -> PastLine {
    PastLine { path: ControlPath(path), from: None, action: None, left: Some(why) }
}

/// A path, and why it is left.
type LeftHere = (Vec<u8>, String);

/// Merges a member's part out of a content that others have worked on since.
fn take_out(shared: &Shared, merging: &Merging, dry_run: bool) -> Result<Vec<u8>, LeftHere> {
    let replica = shared.volume().replica();
    let row = replica.view().node(merging.node);
    let names = path_of(&replica.view(), merging.node).unwrap_or_default();
    drop(replica);
    let path = names.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/');
    let left = |why: &str| (path.clone(), why.to_owned());
    let row = row.ok_or_else(|| left("it is not there any more"))?;
    let Some(now) = row.manifest() else { return Err(left("it is no file any more")) };
    let bytes = |manifest: &Manifest| bytes_of(shared, merging.node, manifest).map_err(|why| left(&why));
    let given = given_type(shared, &path);
    let mut local = bytes(now)?;
    for (base, remote) in &merging.steps {
        let (base, remote) = (bytes(base)?, bytes(remote)?);
        let versions = Versions { base: Some(&base), local: &local, remote: &remote };
        local = match merge(given, versions) {
            Outcome::Clean(bytes) => bytes,
            Outcome::Conflict(_) => return Err(left("others have changed the same part of it since")),
        };
    }
    let manifest = manifest_of(&local);
    if dry_run || manifest.same_content(now) {
        return Ok(path);
    }
    let restored = Restored { node: merging.node, version: merging.version };
    let put = Put {
        node: merging.node,
        base: row.version,
        manifest,
        mtime: vfs::now(),
        attributes: None,
        came_from: Some(Origin::Restored(restored)),
        conflict: None,
    };
    put_bytes(shared, put, &local).map_err(|why| left(&why))?;
    Ok(path)
}

fn put_bytes(shared: &Shared, put: Put, bytes: &[u8]) -> Result<(), String> {
    let file = match bytes.is_empty() {
        true => None,
        false => Some(Arriving(shared).whole(bytes).map_err(|error| error.to_string())?),
    };
    let volume = shared.volume();
    let done = {
        let mut replica = volume.replica();
        let put = replica.put_content(vfs::now(), put, NewContent { file, list: Vec::new() });
        put.map(|effects| (volume.announce(&replica, &effects.changed), effects))
    };
    match done {
        Ok((announced, effects)) => {
            shared.follow_local(effects, announced);
            Ok(())
        }
        Err(error) => {
            volume.remove_files(file.into_iter().collect());
            Err(error.to_string())
        }
    }
}

fn bytes_of(shared: &Shared, node: NodeId, manifest: &Manifest) -> Result<Vec<u8>, String> {
    if manifest.length > MERGE_BYTES_MAX {
        return Err("others have changed it since, and it is too large to merge".into());
    }
    let read = || {
        let mut bytes = vec![0; manifest.length as usize];
        let file = shared.fetch_to_file(node, manifest).map_err(|error| error.to_string())?;
        file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
        Ok(bytes)
    };
    if manifest.length == 0 { Ok(Vec::new()) } else { read() }
}

/// The type that the space gives a file, if it gives one that can be read.
fn given_type(shared: &Shared, path: &[u8]) -> Option<FileType> {
    let row = {
        let replica = shared.volume().replica();
        let node = replica.resolve(&[Name::new(ATTRIBUTES_NAME).ok()?])?;
        replica.view().node(node).map(|row| (node, row))
    };
    let (node, row) = row?;
    let mut text = Vec::new();
    let mut file = shared.fetch_to_file(node, row.manifest()?).ok()?;
    io::Seek::rewind(&mut file).ok()?;
    file.read_to_end(&mut text).ok()?;
    Attributes::parse(&text).ok()?.file_type(path)
}
