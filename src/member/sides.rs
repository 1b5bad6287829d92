//! The contents of a conflict for whoever wants to see or join them: the two sides, and what both came from where it
//! can be had.

use super::answer::MemberHandler;
use super::conflicts;
use super::control::{BaseContent, ControlBytes, ControlPath, ControlResponse, Reply, Side, SidesReport};
use super::resolve::{Unresolved, meant_alone};
use super::shared::Shared;
use crate::model::{Manifest, NodeId, Version};
use crate::ops::{ConflictRow, Tree};
use crate::wire::{ContentRequest, HistoryRecord};
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

/// Bytes told in one answer.
const PIECE_BYTES: u64 = 512 * 1024;
/// The hub has this long to say what a version was.
const VERSION_PATIENCE: Duration = Duration::from_secs(20);

impl MemberHandler {
    pub(super) fn sides(&self, path: &ControlPath, reply: &mut Reply) -> io::Result<ControlResponse> {
        let sides = match Sides::of(&self.shared, path) {
            Ok(sides) => sides,
            Err(error) => return Ok(error.into_response()),
        };
        for (side, node, manifest) in [
            (Side::Remote, sides.row.conflict.node, &sides.remote.1),
            (Side::Local, sides.copy, &sides.local.1),
        ] {
            match self.shared.fetch_to_file(node, manifest) {
                Ok(file) => tell(side, file, reply)?,
                Err(error) => {
                    let message = format!("one side of the conflict cannot be had: {error}");
                    return Ok(ControlResponse::Unreachable { message });
                }
            }
        }
        let base = match base_of(&self.shared, &sides.row) {
            Ok(Some(file)) => {
                tell(Side::Base, file, reply)?;
                BaseContent::Told
            }
            Ok(None) => BaseContent::Never,
            Err(why) => BaseContent::Away(why),
        };
        let conflict = conflicts::report(&self.shared.volume().replica(), &sides.row);
        let (remote, local) = (sides.remote.0, sides.local.0);
        Ok(ControlResponse::Sides(Box::new(SidesReport { conflict, base, remote, local })))
    }
}

struct Sides {
    row: ConflictRow,
    copy: NodeId,
    remote: (Version, Manifest),
    local: (Version, Manifest),
}

impl Sides {
    fn of(shared: &Shared, path: &ControlPath) -> Result<Sides, Unresolved> {
        let row = meant_alone(shared, path)?;
        let replica = shared.volume().replica();
        let view = replica.view();
        let content = |node| {
            let row = view.node(node)?;
            Some((row.version, row.manifest()?.clone()))
        };
        let sides = row.copy.and_then(|copy| {
            let (remote, local) = (content(row.conflict.node)?, content(copy)?);
            Some(Sides { row: row.clone(), copy, remote, local })
        });
        sides.ok_or_else(|| Unresolved::NoConflict(path.clone()))
    }
}

/// The content both sides came from; none where they came from none. The error is for people.
fn base_of(shared: &Shared, row: &ConflictRow) -> Result<Option<File>, String> {
    let Some(version) = row.conflict.base else { return Ok(None) };
    let node = row.conflict.node;
    let request = ContentRequest::VersionOf { node, version };
    let record: Option<HistoryRecord> =
        shared.ask_hub(&request, VERSION_PATIENCE).map_err(|error| error.to_string())?;
    let manifest = record.and_then(|record| record.manifest);
    let manifest = manifest.ok_or_else(|| "the hub does not know that version".to_owned())?;
    shared.fetch_to_file(node, &manifest).map(Some).map_err(|error| error.to_string())
}

fn tell(side: Side, file: File, reply: &mut Reply) -> io::Result<()> {
    // The file has just been written, by another offset than reading has.
    let mut file = ReadFromStart { file, at: 0 };
    loop {
        let mut bytes = Vec::new();
        if (&mut file).take(PIECE_BYTES).read_to_end(&mut bytes)? == 0 {
            return Ok(());
        }
        reply.send(&ControlResponse::SideBytes { side, bytes: ControlBytes(bytes) })?;
    }
}

struct ReadFromStart {
    file: File,
    at: u64,
}

impl Read for ReadFromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(&self.file, buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
