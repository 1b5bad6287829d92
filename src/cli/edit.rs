//! `fl0wfs resolve --edit` and `--print`: the merge with markers, in an editor or on standard output.

use super::failure::{CliError, Exit};
use super::mounted::Mounted;
use super::output;
use super::sides::Sides;
use crate::member::control::ControlPath;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// Prints the merge with its markers; nothing changes.
///
/// # Errors
/// The contents cannot be had, or are no text.
pub fn print(mounted: Mounted, path: ControlPath) -> Result<Exit, CliError> {
    let sides = Sides::fetch(mounted, path)?;
    output::bytes(&marked(&sides)?)?;
    Ok(Exit::Done)
}

/// Has somebody edit the merge, and settles the conflict with what comes of it.
///
/// # Errors
/// There is no editor, or it fails; markers are left; as with [`print`].
pub fn edit(mounted: Mounted, path: ControlPath) -> Result<Exit, CliError> {
    let Some(editor) = editor() else {
        return Err(failed(
            "neither VISUAL nor EDITOR names an editor",
            Some("try: EDITOR=vi fl0wfs resolve ..."),
        ));
    };
    let sides = Sides::fetch(mounted, path)?;
    // In a directory of its own: the name is the file's, so that the editor knows what it edits.
    let directory = sides.directory.path().join("edit");
    std::fs::create_dir(&directory).map_err(CliError::System)?;
    let file = directory.join(sides.name());
    std::fs::write(&file, marked(&sides)?).map_err(CliError::System)?;
    run_editor(&editor, &file)?;
    sides.settle_with(&file)
}

fn marked(sides: &Sides) -> Result<Vec<u8>, CliError> {
    sides.marked_up()?.ok_or_else(|| {
        let hint = "choose --ours, --theirs or --both, or make a merge and hand it over with --merged FILE";
        failed("the contents are no text, or too large to be merged by line", Some(hint))
    })
}

fn editor() -> Option<OsString> {
    let named = |variable: &str| std::env::var_os(variable).filter(|editor| !editor.is_empty());
    named("VISUAL").or_else(|| named("EDITOR"))
}

/// Runs what the variable says as a shell does: it may have options.
fn run_editor(editor: &OsStr, file: &Path) -> Result<(), CliError> {
    let mut line = editor.to_owned();
    line.push(" \"$@\"");
    let ended = Command::new("sh").arg("-c").arg(line).arg(editor).arg(file).status();
    match ended.map_err(CliError::System)? {
        ended if ended.success() => Ok(()),
        ended => Err(failed(&format!("the editor failed ({ended}); nothing is settled"), None)),
    }
}

fn failed(message: &str, hint: Option<&str>) -> CliError {
    CliError::Answered { message: message.to_owned(), hint: hint.map(str::to_owned), exit: Exit::Failed }
}
