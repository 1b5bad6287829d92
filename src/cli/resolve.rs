//! `fl0wfs resolve`: a person's choice about conflicts, told to the daemon, and in plain words what came of it.
//!
//! Invariant: what cannot be done for one of the paths is done for none.

use super::args::{ChoiceArgs, ResolveArgs};
use super::brought;
use super::conflicts::{all, gather};
use super::edit;
use super::failure::{CliError, Exit};
use super::mounted::Mounted;
use super::output;
use super::pattern;
use super::point;
use super::text;
use crate::member::control::{ConflictReport, ControlPath, ControlRequest, ResolveChoice, ResolveRequest};
use std::fs::File;
use std::path::{Path, PathBuf};

pub fn run(arguments: &ResolveArgs) -> Result<Exit, CliError> {
    let choice = &arguments.choice;
    if choice.edit || choice.print || choice.merged.is_some() {
        let [path] = arguments.paths.as_slice() else {
            return Err(usage("--merged, --edit and --print are about one file", "resolve them one by one"));
        };
        let (mounted, path) = meant_alone(path)?;
        return match &choice.merged {
            Some(file) => {
                let file = readable(file)?;
                let merged = brought::open(&file)?;
                settle(&mounted, vec![path], ResolveChoice::Merged { file, of: None }, Some(&merged))
            }
            None if choice.edit => edit::edit(mounted, path),
            None => edit::print(mounted, path),
        };
    }
    let (mounted, paths) = meant(&arguments.paths)?;
    settle(&mounted, paths, plain(choice), None)
}

/// The one path in a mount that is meant.
///
/// # Errors
/// As [`locate`]; a pattern that matches several files.
pub fn meant_alone(path: &Path) -> Result<(Mounted, ControlPath), CliError> {
    let (mounted, paths) = meant(std::slice::from_ref(&path.to_owned()))?;
    match <[ControlPath; 1]>::try_from(paths) {
        Ok([path]) => Ok((mounted, path)),
        Err(_) => Err(usage("the pattern matches several files", "resolve them one by one")),
    }
}

/// Settles the conflicts of these paths and says what was done.
///
/// # Errors
/// As [`Mounted::ask`].
pub fn settle(
    mounted: &Mounted,
    paths: Vec<ControlPath>,
    choice: ResolveChoice,
    merged: Option<&File>,
) -> Result<Exit, CliError> {
    let request = ControlRequest::Resolve(ResolveRequest { paths, choice: choice.clone() });
    let settled = gather(mounted, (&request, merged))?;
    settled.iter().try_for_each(|conflict| output::line(&told(conflict, &choice)))?;
    Ok(Exit::Done)
}

fn plain(arguments: &ChoiceArgs) -> ResolveChoice {
    // One of them is given: the arguments see to that.
    match arguments {
        ChoiceArgs { ours: true, .. } => ResolveChoice::Ours,
        ChoiceArgs { theirs: true, .. } => ResolveChoice::Theirs,
        ChoiceArgs { both: true, .. } => ResolveChoice::Both,
        ChoiceArgs { revive: true, .. } => ResolveChoice::Revive,
        _ => ResolveChoice::Delete,
    }
}

/// The path of a file that is there, without symlinks.
fn readable(file: &Path) -> Result<PathBuf, CliError> {
    point::resolve(file).map_err(|error| CliError::Answered {
        message: error.to_string(),
        hint: Some("--merged takes a file that holds the merged content".into()),
        exit: Exit::Failed,
    })
}

fn usage(message: &str, hint: &str) -> CliError {
    CliError::Answered { message: message.into(), hint: Some(hint.into()), exit: Exit::Usage }
}

/// The mount that the paths lie in, and the paths in it; patterns that the shell has left are matched against what is
/// in conflict.
fn meant(paths: &[PathBuf]) -> Result<(Mounted, Vec<ControlPath>), CliError> {
    let mut mount: Option<Mounted> = None;
    let mut found = Vec::new();
    for path in paths {
        let (mounted, inside) = locate(path)?;
        if mount.as_ref().is_some_and(|first| first.record.mount_point != mounted.record.mount_point) {
            return Err(usage("the paths lie in several mounts", "resolve them mount by mount"));
        }
        if pattern::is_one(path) && std::fs::symlink_metadata(path).is_err() {
            let matching = matching(&all(&mounted)?, &inside);
            if matching.is_empty() {
                let message = format!("no file in conflict matches {}", path.display());
                let hint = Some("fl0wfs conflicts lists what is in conflict".into());
                return Err(CliError::Answered { message, hint, exit: Exit::Failed });
            }
            found.extend(matching);
        } else {
            found.push(inside);
        }
        mount = Some(mounted);
    }
    match mount {
        Some(mount) => Ok((mount, found)),
        None => Err(usage("there is no path", "name a file in conflict")),
    }
}

/// The mount that a path lies in, and where in it. What the path names need not be there.
///
/// # Errors
/// [`CliError::NotMounted`], [`CliError::Point`].
pub fn locate(path: &Path) -> Result<(Mounted, ControlPath), CliError> {
    let resolved = point::resolve_removed(path)?;
    let mounted = Mounted::find_resolved(resolved.clone())?;
    let inside = resolved.strip_prefix(&mounted.record.mount_point).unwrap_or(Path::new(""));
    Ok((mounted, ControlPath::from(inside)))
}

/// The files in conflict whose path, or whose copy's, matches. The copy is named where it alone does.
fn matching(conflicts: &[ConflictReport], pattern: &ControlPath) -> Vec<ControlPath> {
    let is_match = |path: &&ControlPath| pattern::matches(&pattern.0, &path.0);
    let mut found: Vec<ControlPath> = conflicts
        .iter()
        .filter_map(|conflict| {
            [Some(&conflict.path), conflict.copy.as_ref()].into_iter().flatten().find(is_match)
        })
        .cloned()
        .collect();
    found.dedup();
    found
}

/// Whose content was taken, so that nobody is surprised on a third member.
fn told(conflict: &ConflictReport, choice: &ResolveChoice) -> String {
    let path = text::path(&conflict.path);
    let member = conflict.member.as_ref().map_or("the other member".to_owned(), ToString::to_string);
    let copy = conflict.copy.as_ref().map(text::path);
    if conflict.held {
        return told_of_held(&path, choice);
    }
    match (choice, copy) {
        (ResolveChoice::Ours, _) => {
            format!("{path} now has the work of {member}; what stood there is in its history")
        }
        (ResolveChoice::Theirs, Some(copy)) => {
            format!("{path} stays as it is; the work of {member} is gone with {copy}, and in history")
        }
        (ResolveChoice::Both, Some(copy)) => format!("{path} and {copy} are two files now"),
        (ResolveChoice::Theirs | ResolveChoice::Both, None) => format!("{path} stays as it is"),
        (ResolveChoice::Merged { .. }, _) => {
            format!(
                "{path} now has the merged content; what it had, and the work of {member}, are in history"
            )
        }
        (ResolveChoice::Revive, _) => format!("{path} stays"),
        (ResolveChoice::Delete, _) => format!("{path} is deleted; its content is in history"),
    }
}

/// The same where this member's content was under the name all the time.
fn told_of_held(path: &str, choice: &ResolveChoice) -> String {
    match choice {
        ResolveChoice::Theirs => {
            format!("{path} now has what was accepted; what it had here is in its history")
        }
        ResolveChoice::Both => {
            format!("{path} now has what was accepted; what it had here is in a file beside it")
        }
        ResolveChoice::Merged { .. } => {
            format!("{path} now has the merged content; both sides are in its history")
        }
        _ => format!("{path} is sent as it is here; what was accepted is in its history"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, Timestamp, Version};

    fn conflict(path: &str, copy: Option<&str>) -> ConflictReport {
        ConflictReport {
            path: ControlPath(path.into()),
            copy: copy.map(|copy| ControlPath(copy.into())),
            member: Some(MemberName::new("b").unwrap()),
            kind: "put-put".into(),
            what: String::new(),
            base: None,
            remote: Version(1),
            local: None,
            time: Timestamp::default(),
            held: false,
        }
    }

    #[test]
    fn it_is_said_whose_content_was_taken() {
        let of = |choice| told(&conflict("d/f", Some("d/f (conflict b)")), &choice);
        assert_eq!(of(ResolveChoice::Ours), "d/f now has the work of b; what stood there is in its history");
        assert_eq!(
            of(ResolveChoice::Theirs),
            "d/f stays as it is; the work of b is gone with d/f (conflict b), and in history"
        );
        assert_eq!(of(ResolveChoice::Both), "d/f and d/f (conflict b) are two files now");
        assert_eq!(
            told(&conflict("f", None), &ResolveChoice::Delete),
            "f is deleted; its content is in history"
        );
    }

    #[test]
    fn patterns_are_matched_against_files_in_conflict_and_their_copies() {
        let conflicts = [
            conflict("a.txt", Some("a (conflict b).txt")),
            conflict("d/b.txt", None),
            conflict("d/c.png", None),
        ];
        let found = |pattern: &str| {
            let found = matching(&conflicts, &ControlPath(pattern.into()));
            found.iter().map(|path| String::from_utf8_lossy(&path.0).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("*.txt"), ["a.txt"]);
        assert_eq!(found("a (*"), ["a (conflict b).txt"]);
        assert_eq!(found("d/*"), ["d/b.txt", "d/c.png"]);
        assert_eq!(found("**/*.txt"), ["a.txt", "d/b.txt"]);
        assert_eq!(found("x*"), Vec::<String>::new());
    }
}
