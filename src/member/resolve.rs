//! `fl0wfs resolve` at the daemon: which conflicts are meant, what content is needed, and the news of what became
//! of them.
//!
//! Invariant: all paths of a request are settled or none. Backing files made for a request are used by it or
//! removed. No lock is held while bytes are copied or the kernel is told.

use super::answer::MemberHandler;
use super::assemble::Assembler;
use super::conflicts::{self, Open};
use super::control::{ConflictReport, ControlPath, ControlResponse, Reply, ResolveChoice, ResolveRequest};
use super::files::Arriving;
use super::shared::{MemberReplica, Shared};
use crate::model::NodeId;
use crate::ops::{ConflictRow, Tree};
use crate::sync::member::{
    Choice, LocalError, NewContent, Question, Refusal, Resolution, Withheld, content_of,
};
use crate::vfs::{self, VfsError};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing was settled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("there is nothing at {}", .0.as_path().display())]
    Nothing(ControlPath),
    #[error("{} is not in conflict", .0.as_path().display())]
    NoConflict(ControlPath),
    #[error("{option} does not settle the conflict of {}", path.as_path().display())]
    WrongChoice { path: ControlPath, option: &'static str, question: Question },
    #[error("{} is in conflict with the work of several members", .0.as_path().display())]
    Several(ControlPath, Vec<ControlPath>),
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} cannot be settled: {refusal}", path.as_path().display())]
    Refused { path: ControlPath, refusal: Refusal },
    #[error(transparent)]
    Failed(#[from] VfsError),
}

impl MemberHandler {
    pub(super) fn resolve(&self, request: &ResolveRequest, reply: &mut Reply) -> io::Result<ControlResponse> {
        match settle(&self.shared, request, reply.take_brought()) {
            Ok(settled) => {
                reply.send(&ControlResponse::Conflicts(settled))?;
                Ok(ControlResponse::Done)
            }
            Err(error) => Ok(error.into_response()),
        }
    }
}

/// A conflict that is meant, and the path that meant it.
struct Meant {
    path: ControlPath,
    open: Open,
}

fn settle(
    shared: &Shared,
    request: &ResolveRequest,
    merged: Option<File>,
) -> Result<Vec<ConflictReport>, Unresolved> {
    let meant = meant_settled(shared, request)?;
    let mut made = Made { shared, files: Vec::new(), merged };
    let resolutions = made.resolutions(&meant, &request.choice)?;
    let volume = shared.volume();
    let (reports, settled) = {
        let mut replica = volume.replica();
        let reports = meant.iter().map(|meant| conflicts::report(&replica, &meant.open)).collect();
        let settled = replica.settle(vfs::now(), resolutions);
        (reports, settled.map(|effects| (volume.announce(&replica, &effects.changed), effects)))
    };
    let (announced, effects) = settled.map_err(|error| refused(&meant, request, error))?;
    made.files.clear();
    shared.tell_kernel(effects.changed, effects.sights);
    volume.told(announced);
    volume.remove_files(effects.removed_files);
    if effects.wants_content {
        shared.wants_content();
    }
    shared.look();
    Ok(reports)
}

/// The conflicts that are meant, after what programs wrote to their files has got into the log.
fn meant_settled(shared: &Shared, request: &ResolveRequest) -> Result<Vec<Meant>, Unresolved> {
    let meant = meant_by(&shared.volume().replica(), request)?;
    let nodes: Vec<_> =
        meant.iter().flat_map(|meant| [meant.open.node()].into_iter().chain(meant.open.copy())).collect();
    shared.volume().settle_nodes(&nodes)?;
    meant_by(&shared.volume().replica(), request)
}

/// The one conflict of contents at a path, after what programs wrote to its files has got into the log.
pub(super) fn meant_alone(shared: &Shared, path: &ControlPath) -> Result<Open, Unresolved> {
    let choice = ResolveChoice::Merged { file: PathBuf::new(), of: None };
    let meant = meant_settled(shared, &ResolveRequest { paths: vec![path.clone()], choice })?;
    let open = meant.into_iter().next().map(|meant| meant.open);
    open.ok_or_else(|| Unresolved::NoConflict(path.clone()))
}

fn meant_by(replica: &MemberReplica, request: &ResolveRequest) -> Result<Vec<Meant>, Unresolved> {
    let mut meant: Vec<Meant> = Vec::new();
    for path in &request.paths {
        for open in meant_at(replica, path, &request.choice)? {
            // A file and its copy name the same conflict.
            if !meant.iter().any(|known| known.open == open) {
                meant.push(Meant { path: path.clone(), open });
            }
        }
    }
    Ok(meant)
}

fn meant_at(
    replica: &MemberReplica,
    path: &ControlPath,
    choice: &ResolveChoice,
) -> Result<Vec<Open>, Unresolved> {
    let open = conflicts::at(replica, path).ok_or_else(|| Unresolved::Nothing(path.clone()))?;
    let Some(first) = open.first().map(Open::question) else {
        return Err(Unresolved::NoConflict(path.clone()));
    };
    let fitting: Vec<Open> = open.into_iter().filter(|open| open.question().takes(&plain(choice))).collect();
    if fitting.is_empty() {
        return Err(Unresolved::WrongChoice { path: path.clone(), option: choice.option(), question: first });
    }
    let takes_one = matches!(choice, ResolveChoice::Ours | ResolveChoice::Merged { .. });
    if takes_one && fitting.len() > 1 {
        let copies = fitting.iter().filter_map(|open| conflicts::report(replica, open).copy);
        return Err(Unresolved::Several(path.clone(), copies.collect()));
    }
    Ok(fitting)
}

/// The choice without its content.
fn plain(choice: &ResolveChoice) -> Choice {
    match choice {
        ResolveChoice::Ours => Choice::Ours,
        ResolveChoice::Theirs => Choice::Theirs,
        ResolveChoice::Both => Choice::Both,
        ResolveChoice::Revive => Choice::Revive,
        ResolveChoice::Delete => Choice::Delete,
        ResolveChoice::Merged { of, .. } => {
            Choice::Merged { manifest: crate::model::Manifest::empty(), mtime: vfs::now(), of: *of }
        }
    }
}

/// Backing files made for a request; those left in the end are removed.
struct Made<'a> {
    shared: &'a Shared,
    files: Vec<u64>,
    /// What came along with the request.
    merged: Option<File>,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.shared.volume().remove_files(std::mem::take(&mut self.files));
    }
}

impl Made<'_> {
    fn resolutions(
        &mut self,
        meant: &[Meant],
        choice: &ResolveChoice,
    ) -> Result<Vec<Resolution>, Unresolved> {
        let mut resolutions = Vec::new();
        for Meant { open, .. } in meant {
            let subject = open.subject();
            let (choice, content) = match (choice, open) {
                (ResolveChoice::Merged { file, .. }, _) => self.merged(file, plain(choice))?,
                // What one node has goes to another.
                (ResolveChoice::Ours, Open::Recorded(ConflictRow { copy: Some(holder), .. }))
                | (ResolveChoice::Both, Open::Withheld(Withheld { node: holder, .. })) => {
                    (plain(choice), self.copied(*holder)?)
                }
                _ => (plain(choice), NewContent::default()),
            };
            resolutions.push(Resolution { subject, choice, content });
        }
        Ok(resolutions)
    }

    /// Takes in the file that came along, which is called so.
    fn merged(&mut self, path: &Path, plain: Choice) -> Result<(Choice, NewContent), Unresolved> {
        if self.shared.is_full() {
            return Err(VfsError::NoSpace.into());
        }
        let unreadable = |source| Unresolved::Unreadable { path: path.to_owned(), source };
        let missing = || unreadable(io::Error::other("it did not come along"));
        let source = self.merged.take().ok_or_else(missing)?;
        if !source.metadata().map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        let arriving = Arriving(self.shared);
        let staging = self.shared.volume().files().backing().stage();
        let staging = staging.map_err(|error| io::Error::from_raw_os_error(error.errno()));
        let staging = staging.map_err(VfsError::from)?;
        staging
            .fill_from(&source)
            .map_err(|error| unreadable(io::Error::from_raw_os_error(error.errno())))?;
        let file = arriving.finish(staging).map_err(VfsError::from)?;
        self.files.push(file);
        let described = self.shared.volume().describe_file(file)?;
        let content = NewContent { file: Some(file), list: described.list };
        let choice = match plain {
            Choice::Merged { mtime, of, .. } => Choice::Merged { manifest: described.manifest, mtime, of },
            other => other,
        };
        Ok((choice, content))
    }

    /// A file goes from one node to another, unless somebody has it open: then there are two.
    fn copied(&mut self, holder: NodeId) -> Result<NewContent, Unresolved> {
        let content = {
            let replica = self.shared.volume().replica();
            let row = replica.view().node(holder).filter(|_| replica.is_in_use(holder));
            row.and_then(|row| row.manifest().filter(|manifest| manifest.length > 0).map(content_of))
        };
        let file = match content {
            Some(content) => Arriving(self.shared).copy(holder, content).map_err(VfsError::from)?,
            None => None,
        };
        self.files.extend(file);
        Ok(NewContent { file, list: Vec::new() })
    }
}

/// The path to blame is the first where there are several; the replica does not tell which it was.
fn refused(meant: &[Meant], request: &ResolveRequest, error: LocalError) -> Unresolved {
    let path = meant.first().map(|meant| meant.path.clone()).unwrap_or_default();
    match error {
        LocalError::Refused(Refusal::WrongChoice(question)) => {
            Unresolved::WrongChoice { path, option: request.choice.option(), question }
        }
        LocalError::Refused(refusal) => Unresolved::Refused { path, refusal },
        error => Unresolved::Failed(error.into()),
    }
}

impl Unresolved {
    pub(super) fn into_response(self) -> ControlResponse {
        let message = self.to_string();
        let hint = self.hint();
        match self {
            Unresolved::Failed(VfsError::ReadOnly) => ControlResponse::Refused { message, hint },
            _ => ControlResponse::Failed { message, hint },
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Unresolved::Nothing(_) | Unresolved::NoConflict(_) => {
                "fl0wfs conflicts lists what is in conflict".into()
            }
            Unresolved::WrongChoice { question: Question::Content, .. } => {
                "there are two contents: choose --ours, --theirs, --both, --merged FILE or --edit".into()
            }
            Unresolved::WrongChoice { question: Question::Removal, .. } => {
                "one side deleted it, the other changed it: choose --revive or --delete".into()
            }
            Unresolved::WrongChoice { question: Question::Notice, .. } => {
                "it only happened, and nothing is left to choose: --theirs settles it as it is".into()
            }
            Unresolved::Several(_, copies) => {
                let copies: Vec<String> =
                    copies.iter().map(|copy| copy.as_path().display().to_string()).collect();
                format!("name the conflict copy instead: {}", copies.join(", "))
            }
            Unresolved::Refused { refusal, .. } => match refusal {
                Refusal::NotEmpty => "remove what is in it first, or keep it with --revive".into(),
                Refusal::Changed => "look at it again: what you saw is not what is there now".into(),
                Refusal::Unsent => "fl0wfs sync sends it".into(),
                Refusal::BeingWritten => "close it first".into(),
                Refusal::Settled | Refusal::WrongChoice(_) => return None,
            },
            Unresolved::Unreadable { .. } | Unresolved::Failed(_) => return None,
        };
        Some(hint)
    }
}
