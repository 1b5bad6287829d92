//! The contents of a conflict in files of this command's own, and their merge with markers.

use super::brought;
use super::failure::{CliError, Exit};
use super::markers;
use super::mounted::{Mounted, unexpected};
use super::output;
use super::private::PrivateDirectory;
use super::resolve::settle;
use super::text;
use crate::member::control::{
    BaseContent, ControlPath, ControlRequest, ControlResponse, ResolveChoice, Side, SidesReport,
};
use crate::merge::{Attributes, FileType, Labels, Versions, marked_up};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The daemon may have to fetch what it tells.
const FETCH_PATIENCE: Duration = Duration::from_secs(600);
/// Where a space says how its files are merged.
const ATTRIBUTES_NAME: &str = ".fl0wattributes";

/// A conflict and its contents.
pub struct Sides {
    pub mounted: Mounted,
    pub report: SidesReport,
    pub directory: PrivateDirectory,
}

impl Sides {
    /// Asks the daemon for the contents of the conflict at a path.
    ///
    /// # Errors
    /// As [`Mounted::ask`]; [`CliError::System`].
    pub fn fetch(mounted: Mounted, path: ControlPath) -> Result<Sides, CliError> {
        let directory = PrivateDirectory::make()?;
        let mut written = Ok(());
        let answer = mounted.ask(&ControlRequest::Sides { path }, FETCH_PATIENCE, |response| {
            if let ControlResponse::SideBytes { side, bytes } = response
                && written.is_ok()
            {
                written = append(&directory.path().join(name_of(side)), &bytes.0);
            }
        })?;
        written.map_err(CliError::System)?;
        let ControlResponse::Sides(report) = answer else { return Err(unexpected(&answer)) };
        let sides = Sides { mounted, report: *report, directory };
        if let BaseContent::Away(why) = &sides.report.base {
            output::note(&format!(
                "fl0wfs: the common version cannot be had ({why}); both sides are shown whole"
            ));
        }
        Ok(sides)
    }

    /// The file with one content; none for a common version that is not there. One without bytes was never made.
    pub fn file(&self, side: Side) -> Result<Option<PathBuf>, CliError> {
        if side == Side::Base && self.report.base != BaseContent::Told {
            return Ok(None);
        }
        let file = self.directory.path().join(name_of(side));
        append(&file, b"").map_err(CliError::System)?;
        Ok(Some(file))
    }

    fn bytes(&self, side: Side) -> Result<Option<Vec<u8>>, CliError> {
        let Some(file) = self.file(side)? else { return Ok(None) };
        std::fs::read(file).map(Some).map_err(CliError::System)
    }

    /// The merge with markers around what conflicts; none for what is no text, or too large.
    pub fn marked_up(&self) -> Result<Option<Vec<u8>>, CliError> {
        let (base, local, remote) =
            (self.bytes(Side::Base)?, self.bytes(Side::Local)?, self.bytes(Side::Remote)?);
        let (local, remote) = (local.unwrap_or_default(), remote.unwrap_or_default());
        let conflict = &self.report.conflict;
        let member = conflict.member.as_ref().map_or("the copy".to_owned(), ToString::to_string);
        let base_label = conflict.base.map_or(String::new(), |base| format!("common version {}", base.0));
        let remote_label = format!("{}, version {}", text::path(&conflict.path), self.report.remote.0);
        let labels = Labels { base: &base_label, local: &format!("by {member}"), remote: &remote_label };
        let versions = Versions { base: base.as_deref(), local: &local, remote: &remote };
        Ok(marked_up(self.file_type(), versions, labels))
    }

    /// As the space has it for this file. What cannot be read says nothing.
    fn file_type(&self) -> Option<FileType> {
        let bytes = std::fs::read(self.mounted.record.mount_point.join(ATTRIBUTES_NAME)).ok()?;
        Attributes::parse(&bytes).ok()?.file_type(&self.report.conflict.path.0)
    }

    /// The file's own name.
    pub fn name(&self) -> &OsStr {
        self.report.conflict.path.as_path().file_name().unwrap_or(OsStr::new("merged"))
    }

    /// Settles the conflict with what somebody made of it, unless there are markers in it. What cannot be taken is
    /// left where it is.
    ///
    /// # Errors
    /// Markers are left; the file or its copy has changed meanwhile; as [`Mounted::ask`].
    pub fn settle_with(mut self, merged: &Path) -> Result<Exit, CliError> {
        let settled = self.try_settle_with(merged);
        if settled.is_err() {
            self.directory.keep();
            output::note(&format!("fl0wfs: the merge so far is kept in {}", merged.display()));
        }
        settled
    }

    fn try_settle_with(&self, merged: &Path) -> Result<Exit, CliError> {
        let bytes = std::fs::read(merged).map_err(CliError::System)?;
        let contents = [self.bytes(Side::Base)?, self.bytes(Side::Local)?, self.bytes(Side::Remote)?];
        let contents: Vec<&[u8]> = contents.iter().flatten().map(Vec::as_slice).collect();
        if let Some(line) = markers::left_in(&bytes, &contents) {
            return Err(CliError::Answered {
                message: format!("line {line} is still a conflict marker; nothing is settled"),
                hint: Some("take the markers out, and hand the file over with --merged FILE".into()),
                exit: Exit::Failed,
            });
        }
        let choice = ResolveChoice::Merged { file: merged.to_owned(), of: Some(self.report.seen) };
        let file = brought::open(merged)?;
        settle(&self.mounted, vec![self.report.conflict.path.clone()], choice, Some(&file))
    }
}

fn name_of(side: Side) -> &'static str {
    match side {
        Side::Base => "base",
        Side::Local => "local",
        Side::Remote => "remote",
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::options().append(true).create(true).open(path)?.write_all(bytes)
}
