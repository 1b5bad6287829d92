//! Contents of earlier versions, found by number or by time, and handed out as files.

use super::answer::MemberHandler;
use super::content::ContentError;
use super::control::{ContentReport, ControlPath, ControlResponse, Moment, Reply, VersionName, Which};
use super::history::{Cut, Holders, after_all_of, never, not_found};
use crate::model::{NodeId, Sequence};
use crate::ops::Tree;
use crate::wire::{ContentRequest, HistoryOf, HistoryOperation, HistoryPage, HistoryRecord, OpPlace};
use std::fs::File;

/// Lines looked at at once for the newest content among them.
const LINES_AT_ONCE: u32 = 16;

impl MemberHandler {
    pub(super) fn content(&self, path: &ControlPath, which: Which, reply: &mut Reply) -> Result<(), Cut> {
        let record = match which {
            Which::Version(name) => self.version(path, name)?,
            Which::At(moment) => self.version_at(path, moment)?,
            Which::Newest => self.newest(path)?,
        };
        let (file, length, md5) = match &record.manifest {
            Some(manifest) => {
                let file = self.shared.fetch_to_file(record.node, manifest);
                (file.map_err(|error| not_had(&error, &record))?, manifest.length, manifest.md5.to_string())
            }
            // The file of a deletion is there for form's sake.
            None => (File::open("/dev/null")?, 0, "0".to_owned()),
        };
        let report = ContentReport {
            node: record.node,
            version: record.version,
            sequence: record.at.sequence,
            path: ControlPath(record.path),
            deleted: record.manifest.is_none(),
            length,
            md5,
        };
        Ok(reply.send_with(&ControlResponse::Content(Box::new(report)), &file)?)
    }

    fn version(&self, path: &ControlPath, name: VersionName) -> Result<HistoryRecord, Cut> {
        let node = match name.node {
            Some(node) => node,
            None => self.file_of(path)?,
        };
        let found: Option<HistoryRecord> =
            self.ask(ContentRequest::VersionOf { node, version: name.version })?;
        found.ok_or_else(|| Cut::Because(not_found(format!("{} has no version {name}", shown(path)))))
    }

    /// The file that has the path, or had it last.
    fn file_of(&self, path: &ControlPath) -> Result<NodeId, Cut> {
        let node = match self.node_at(path) {
            Some(node) => node,
            None => Holders::of(self, path).next()?.ok_or_else(|| Cut::Because(never(path)))?.node,
        };
        let row = self.shared.volume().replica().view().node(node);
        match row {
            Some(row) if row.manifest().is_none() => {
                Err(Cut::Because(not_found(format!("{} is no file: only files have contents", shown(path)))))
            }
            _ => Ok(node),
        }
    }

    fn newest(&self, path: &ControlPath) -> Result<HistoryRecord, Cut> {
        let newest = self.newest_content(self.file_of(path)?, None)?;
        newest.ok_or_else(|| {
            Cut::Because(not_found(format!("no version of {} has been accepted yet", shown(path))))
        })
    }

    /// The last content that a node had before a place in the log, or its deletion.
    fn newest_content(
        &self,
        node: NodeId,
        mut before: Option<OpPlace>,
    ) -> Result<Option<HistoryRecord>, Cut> {
        let mut removal: Option<HistoryRecord> = None;
        loop {
            let question =
                ContentRequest::History { of: HistoryOf::Node(node), before, limit: LINES_AT_ONCE };
            let page: HistoryPage = self.ask(question)?;
            before = page.records.last().map(|record| record.at);
            for record in page.records {
                if record.manifest.is_some() {
                    // Where a name of several went, the version stayed and the content with it.
                    let deletion = removal.filter(|removal| removal.version > record.version);
                    return Ok(Some(deletion.unwrap_or(record)));
                }
                if removal.is_none() && record.operation == HistoryOperation::Removed {
                    removal = Some(record);
                }
            }
            if !page.more {
                return Ok(removal);
            }
        }
    }

    /// The last line of a node before a place in the log.
    fn newest_line(&self, node: NodeId, before: OpPlace) -> Result<Option<HistoryRecord>, Cut> {
        let question = ContentRequest::History { of: HistoryOf::Node(node), before: Some(before), limit: 1 };
        let page: HistoryPage = self.ask(question)?;
        Ok(page.records.into_iter().next())
    }

    fn version_at(&self, path: &ControlPath, moment: Moment) -> Result<HistoryRecord, Cut> {
        let at = match moment {
            Moment::Sequence(sequence) => sequence,
            Moment::Time(time) => {
                let at: Option<Sequence> = self.ask(ContentRequest::SequenceAt(time))?;
                at.ok_or_else(|| Cut::Because(not_found("this space had nothing in it then".into())))?
            }
        };
        let (mut holders, mut any) = (Holders::of(self, path), false);
        while let Some(holder) = holders.next()? {
            any = true;
            let before = after_all_of(at);
            let Some(newest) = self.newest_line(holder.node, before)? else { continue };
            // Who has the path now may have come there with a directory above.
            let was_there = holder.until.is_none() || (newest.path == path.0 && !is_removal(&newest));
            let content = self.newest_content(holder.node, Some(before))?;
            match content.filter(|content| was_there && content.manifest.is_some()) {
                Some(content) => return Ok(content),
                None => break,
            }
        }
        Err(Cut::Because(match any {
            true => not_found(format!("there was no file {} at {at}", shown(path))),
            false => never(path),
        }))
    }
}

fn is_removal(record: &HistoryRecord) -> bool {
    record.operation == HistoryOperation::Removed
}

fn shown(path: &ControlPath) -> String {
    path.as_path().display().to_string()
}

fn not_had(error: &ContentError, record: &HistoryRecord) -> Cut {
    let version = record.version.0;
    Cut::Because(match error {
        ContentError::Offline | ContentError::Closed(_) | ContentError::Send(_) | ContentError::Receive(_) => {
            let message = format!("the content of version {version} is with the hub, which cannot be reached: {error}");
            ControlResponse::Unreachable { message }
        }
        ContentError::Absent(_) => ControlResponse::Failed {
            message: format!("the content of version {version} is not kept any more"),
            hint: Some("fl0wfs hub gc removes what is older than it is told to keep; fl0wfs hub verify finds what is damaged".into()),
        },
        error => ControlResponse::Failed {
            message: format!("the content of version {version} cannot be had: {error}"),
            hint: None,
        },
    })
}
