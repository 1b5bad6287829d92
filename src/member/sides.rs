//! The contents of a conflict for whoever wants to see or join them: the two sides, and what both came from where it
//! can be had.

use super::answer::MemberHandler;
use super::conflicts::{self, Open};
use super::control::{
    BaseContent, ConflictReport, ControlBytes, ControlPath, ControlResponse, Reply, Side, SidesReport,
};
use super::resolve::{Unresolved, meant_alone};
use super::shared::Shared;
use crate::model::{Manifest, NodeId, Version};
use crate::ops::Tree;
use crate::sync::member::{Seen, content_of};
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
        let sources =
            [(Side::Remote, sides.open.node(), &sides.remote), (Side::Local, sides.holder, &sides.local)];
        for (side, node, manifest) in sources {
            match self.shared.fetch_to_file(node, manifest) {
                Ok(file) => tell(side, file, reply)?,
                Err(error) => {
                    let message = format!("one side of the conflict cannot be had: {error}");
                    return Ok(ControlResponse::Unreachable { message });
                }
            }
        }
        let base = match base_of(&self.shared, &sides.open) {
            Ok(Some(file)) => {
                tell(Side::Base, file, reply)?;
                BaseContent::Told
            }
            Ok(None) => BaseContent::Never,
            Err(why) => BaseContent::Away(why),
        };
        let Sides { conflict, version, remote, local, .. } = sides;
        let seen = Seen { remote: content_of(&remote), local: content_of(&local) };
        Ok(ControlResponse::Sides(Box::new(SidesReport { conflict, base, remote: version, seen })))
    }
}

struct Sides {
    open: Open,
    conflict: ConflictReport,
    /// Of what was accepted.
    version: Version,
    remote: Manifest,
    /// The node that holds the other side.
    holder: NodeId,
    local: Manifest,
}

impl Sides {
    fn of(shared: &Shared, path: &ControlPath) -> Result<Sides, Unresolved> {
        let open = meant_alone(shared, path)?;
        let replica = shared.volume().replica();
        let contents = open.contents(&replica);
        let (remote, (holder, local)) = contents.ok_or_else(|| Unresolved::NoConflict(path.clone()))?;
        let conflict = conflicts::report(&replica, &open);
        let version = match &open {
            Open::Recorded(row) => replica.view().node(row.conflict.node).map(|row| row.version),
            Open::Withheld(_) => None,
        };
        let version = version.unwrap_or(conflict.remote);
        Ok(Sides { open, conflict, version, remote, holder, local })
    }
}

/// The content both sides came from; none where they came from none. The error is for people.
fn base_of(shared: &Shared, open: &Open) -> Result<Option<File>, String> {
    let Some(version) = open.conflict().base else { return Ok(None) };
    let node = open.node();
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
