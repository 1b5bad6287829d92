//! `fl0wfs diff`: what changed in a file from one version to another, or to the file as it is here.

use super::args::DiffArgs;
use super::failure::{CliError, Exit};
use super::mounted::Mounted;
use super::output;
use super::text;
use super::versions::{self, Content};
use crate::content::ManifestBuilder;
use crate::member::control::{ControlPath, VersionName, Which};
use crate::merge::MERGE_BYTES_MAX;
use crate::merge::patch::unified;
use crate::model::Version;
use std::fs::File;
use std::io;
use std::path::Path;

/// How a diff names a file that is not there.
const NOTHING: &str = "/dev/null";

/// One side of the comparison.
pub struct Side {
    /// As a diff names it.
    pub label: String,
    pub content: Content,
}

pub fn run(arguments: &DiffArgs) -> Result<Exit, CliError> {
    let (mounted, inside) = Mounted::find_path(&arguments.path)?;
    let version = |name| version(&mounted, &inside, Which::Version(name));
    let to = arguments.to.map(version).transpose()?;
    let from = arguments.from.map(version).transpose()?;
    let (from, to) = match (from, to) {
        (Some((from, _)), Some((to, _))) => (from, to),
        (Some((from, _)), None) => (from, here(&arguments.path, &inside)?),
        (None, Some((to, name))) => (before(&mounted, &inside, name)?, to),
        (None, None) => {
            let here = here(&arguments.path, &inside)?;
            (last_other(&mounted, &inside, &here)?, here)
        }
    };
    if from.content.is_same(&to.content)? {
        return Ok(Exit::Done);
    }
    output::bytes(&difference(&from, &to)?)?;
    Ok(Exit::Done)
}

pub fn version(mounted: &Mounted, path: &ControlPath, which: Which) -> Result<(Side, VersionName), CliError> {
    let (report, content) = versions::content(mounted, path, which)?;
    let name = VersionName { node: Some(report.node), version: report.version };
    let label = match report.deleted {
        true => NOTHING.to_owned(),
        false => format!("{}\tversion {}", text::path(&report.path), report.version.0),
    };
    Ok((Side { label, content }, name))
}

/// The version before another; before the first there is nothing.
fn before(mounted: &Mounted, path: &ControlPath, name: VersionName) -> Result<Side, CliError> {
    match name.version.0.checked_sub(1).filter(|number| *number > 0) {
        None => Side::nothing(),
        Some(number) => {
            let which = Which::Version(VersionName { version: Version(number), ..name });
            Ok(version(mounted, path, which)?.0)
        }
    }
}

/// The last version that is not what is here.
fn last_other(mounted: &Mounted, path: &ControlPath, here: &Side) -> Result<Side, CliError> {
    let (newest, name) = version(mounted, path, Which::Newest)?;
    if newest.content.is_same(&here.content)? { before(mounted, path, name) } else { Ok(newest) }
}

/// The file as it is here; where there is none, nothing.
fn here(path: &Path, inside: &ControlPath) -> Result<Side, CliError> {
    let refuse = |what: &str| CliError::Answered {
        message: format!("{} {what}", path.display()),
        hint: None,
        exit: super::failure::Exit::Failed,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Side::nothing(),
        Err(error) => Err(refuse(&format!("cannot be read: {error}"))),
        Ok(metadata) if !metadata.is_file() => Err(refuse("is no file: only files have contents")),
        Ok(metadata) => {
            let file = File::open(path).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
            let label = format!("{}\tas it is here", text::path(inside));
            Ok(Side { label, content: Content { file, length: metadata.len(), md5: None } })
        }
    }
}

impl Side {
    /// A file that is not there.
    pub fn nothing() -> Result<Side, CliError> {
        Ok(Side { label: NOTHING.to_owned(), content: Content::none()? })
    }

    pub fn is_nothing(&self) -> bool {
        self.label == NOTHING
    }

    /// As `patch` and `git apply` want it.
    fn named(&self, side: char) -> String {
        match self.is_nothing() {
            true => self.label.clone(),
            false => format!("{side}/{}", self.label),
        }
    }

    /// Without a diff there are sizes and tags to tell.
    fn described(&self) -> Result<String, CliError> {
        let md5 = match &self.content.md5 {
            Some(md5) => md5.clone(),
            None => tag(&self.content)?,
        };
        let label = self.label.replace('\t', " ");
        Ok(format!("{label} ({}, md5 {md5})", text::size(self.content.length)))
    }
}

pub fn difference(from: &Side, to: &Side) -> Result<Vec<u8>, CliError> {
    let differ = |what: &str| {
        Ok(format!("{what} {} and {} differ\n", from.described()?, to.described()?).into_bytes())
    };
    if from.content.length.max(to.content.length) > MERGE_BYTES_MAX {
        return differ("Large files");
    }
    let (old, new) = (from.content.read()?, to.content.read()?);
    match old.contains(&0) || new.contains(&0) {
        true => differ("Binary files"),
        false => Ok(unified(&from.named('a'), &to.named('b'), &old, &new)),
    }
}

fn tag(content: &Content) -> Result<String, CliError> {
    let mut builder = ManifestBuilder::new();
    let mut sink = |_, _: &[u8]| {};
    content.for_each_piece(|piece| builder.push(piece, &mut sink))?;
    Ok(builder.finish(&mut sink).md5.to_string())
}
