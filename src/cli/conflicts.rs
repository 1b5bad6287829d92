//! `fl0wfs conflicts`: every open conflict, for people and scripts.

use super::args::ConflictsArgs;
use super::failure::{CliError, Exit};
use super::mounted::{Mounted, PATIENCE, unexpected};
use super::output;
use super::point;
use super::text;
use crate::member::config::Home;
use crate::member::control::{ConflictReport, ControlPath, ControlRequest, ControlResponse};
use crate::member::mounts::MountRecord;
use crate::model::{Timestamp, Version};
use serde_json::{Value, json};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub fn run(arguments: &ConflictsArgs) -> Result<Exit, CliError> {
    let now = text::now();
    let mut found = false;
    for (mounted, below) in places(arguments.directory.as_deref())? {
        let mut conflicts = all(&mounted)?;
        conflicts.retain(|conflict| is_below(conflict, &below));
        conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        found |= !conflicts.is_empty();
        for conflict in &conflicts {
            match arguments.json {
                true => output::line(&to_json(&mounted.record.mount_point, conflict).to_string())?,
                false => to_text(&mounted.record.mount_point, conflict, now)
                    .iter()
                    .try_for_each(|line| output::line(line))?,
            }
        }
    }
    if !found && !arguments.json {
        output::line("no conflicts")?;
    }
    Ok(if found { Exit::Conflicts } else { Exit::Done })
}

/// The mounts that are asked, and what of each.
fn places(directory: Option<&Path>) -> Result<Vec<(Mounted, PathBuf)>, CliError> {
    if let Some(directory) = directory {
        let resolved = point::resolve(directory)?;
        let mounted = Mounted::find_resolved(resolved.clone())?;
        let below = resolved.strip_prefix(&mounted.record.mount_point).unwrap_or(Path::new("")).to_owned();
        return Ok(vec![(mounted, below)]);
    }
    let home = Home::from_environment()?;
    let records = MountRecord::list(&home)?.into_iter();
    Ok(records.map(|record| (Mounted { home: home.clone(), record }, PathBuf::new())).collect())
}

/// All open conflicts of a mount.
///
/// # Errors
/// As [`Mounted::ask`].
pub fn all(mounted: &Mounted) -> Result<Vec<ConflictReport>, CliError> {
    gather(mounted, (&ControlRequest::Conflicts, None))
}

/// Asks something that conflicts are the answer to, with an open file for the daemon.
///
/// # Errors
/// As [`Mounted::ask`].
pub fn gather(
    mounted: &Mounted,
    request: (&ControlRequest, Option<&File>),
) -> Result<Vec<ConflictReport>, CliError> {
    let mut conflicts = Vec::new();
    let answer = mounted.ask_with(request, PATIENCE, |response, _| {
        if let ControlResponse::Conflicts(some) = response {
            conflicts.extend(some);
        }
        ControlFlow::Continue(())
    })?;
    match answer {
        Some(ControlResponse::Done) => Ok(conflicts),
        other => Err(unexpected(&other.unwrap_or(ControlResponse::Done))),
    }
}

fn is_below(conflict: &ConflictReport, directory: &Path) -> bool {
    let within = |path: &ControlPath| path.as_path().starts_with(directory);
    within(&conflict.path) || conflict.copy.as_ref().is_some_and(within)
}

fn to_text(mount: &Path, conflict: &ConflictReport, now: Timestamp) -> Vec<String> {
    let place = |path: &ControlPath| text::path(&ControlPath::from(mount.join(path.as_path()).as_path()));
    let mut lines =
        vec![format!("{}  {}, {}", place(&conflict.path), conflict.what, text::age(conflict.time, now))];
    let number = |what: &str, version: Version| format!("{what} version {}", version.0);
    let base = conflict.base.map_or("no common version".to_owned(), |base| number("common", base));
    let versions = format!("{base}, {}", number("accepted", conflict.remote));
    lines.push(match (&conflict.copy, &conflict.member) {
        (Some(copy), Some(member)) => format!("  {versions}; the work of {member} is in {}", place(copy)),
        (Some(copy), None) => format!("  {versions}; what lost is in {}", place(copy)),
        (None, _) if conflict.held => format!("  {versions}; what is here is held and not sent"),
        (None, _) => format!("  {versions}"),
    });
    lines
}

fn to_json(mount: &Path, conflict: &ConflictReport) -> Value {
    json!({
        "mount": mount.to_string_lossy(),
        "path": text::json_key(&conflict.path),
        "copy": conflict.copy.as_ref().map(text::json_key),
        "member": conflict.member,
        "kind": conflict.kind,
        "what": conflict.what,
        "base": conflict.base,
        "remote": conflict.remote,
        "local": conflict.local,
        "time": text::rfc3339(conflict.time),
        "held": conflict.held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemberName;

    fn conflict() -> ConflictReport {
        ConflictReport {
            path: ControlPath(b"docs/a.txt".to_vec()),
            copy: Some(ControlPath(b"docs/a (conflict laptop).txt".to_vec())),
            member: Some(MemberName::new("laptop").unwrap()),
            kind: "put-put".into(),
            what: "changed by laptop and by another".into(),
            base: Some(Version(2)),
            remote: Version(4),
            local: Some(Version(1)),
            time: Timestamp { seconds: 1_000, nanos: 0 },
            held: false,
        }
    }

    #[test]
    fn people_are_told_what_happened_when_and_where_the_other_work_is() {
        let now = Timestamp { seconds: 1_000 + 3 * 3_600, nanos: 0 };
        assert_eq!(
            to_text(Path::new("/mnt"), &conflict(), now),
            [
                "/mnt/docs/a.txt  changed by laptop and by another, 3 h ago",
                "  common version 2, accepted version 4; the work of laptop is in /mnt/docs/a (conflict laptop).txt",
            ]
        );
        let removal = ConflictReport { copy: None, base: None, ..conflict() };
        assert_eq!(to_text(Path::new("/mnt"), &removal, now)[1], "  no common version, accepted version 4");
        let held = ConflictReport { copy: None, held: true, ..conflict() };
        let line = "  common version 2, accepted version 4; what is here is held and not sent";
        assert_eq!(to_text(Path::new("/mnt"), &held, now)[1], line);
    }

    #[test]
    fn scripts_get_the_versions_as_numbers() {
        let json = to_json(Path::new("/mnt"), &conflict());
        assert_eq!((&json["base"], &json["remote"], &json["local"]), (&json!(2), &json!(4), &json!(1)));
        assert_eq!(json["copy"], "docs/a (conflict laptop).txt");
        assert_eq!((&json["kind"], &json["time"]), (&json!("put-put"), &json!("1970-01-01T00:16:40Z")));
    }

    #[test]
    fn a_directory_has_the_conflicts_below_it_and_no_others() {
        for (directory, has) in
            [("", true), ("docs", true), ("docs/a.txt", true), ("doc", false), ("x", false)]
        {
            assert_eq!(is_below(&conflict(), Path::new(directory)), has, "{directory}");
        }
    }
}
