//! `fl0wfs restore` and `fl0wfs undo`: asked of the daemon, and told in a line what came of it and how to take it back.

use super::args::{RestoreArgs, UndoArgs};
use super::failure::{CliError, Exit};
use super::mounted::{Mounted, unexpected};
use super::output;
use super::resolve::locate;
use super::text;
use crate::member::control::{
    ControlPath, ControlRequest, ControlResponse, Existing, PastLine, PastReport, RestoreRequest, RestoreTo,
    UndoRequest,
};
use crate::sync::past::Action;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The daemon says something at least this often: reading a log, waiting for the hub, or changing many files.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn restore(arguments: &RestoreArgs) -> Result<Exit, CliError> {
    let (mounted, path) = locate_in_mount(&arguments.path)?;
    let existing = match (arguments.missing, arguments.force) {
        (true, _) => Some(Existing::Keep),
        (_, true) => Some(Existing::Replace),
        _ => None,
    };
    // One of them is given: the arguments see to that.
    let to = match (arguments.to.version, arguments.to.at) {
        (Some(name), _) => RestoreTo::Version(name),
        (None, at) => RestoreTo::Moment { at: at.ok_or_else(no_moment)?, existing },
    };
    let request = ControlRequest::Restore(RestoreRequest { path, to });
    let report = ask(&mounted, &request, |_| Ok(()))?;
    if arguments.json {
        output::line(&report_json(&report, false).to_string())?;
    } else {
        say_restored(&arguments.path, &report)?;
        say_way_back(&mounted, &report)?;
    }
    Ok(exit_of(&report))
}

fn no_moment() -> CliError {
    CliError::Answered {
        message: "neither a version nor a moment is given".into(),
        hint: Some("see fl0wfs restore --help".into()),
        exit: Exit::Usage,
    }
}

pub fn undo(arguments: &UndoArgs) -> Result<Exit, CliError> {
    let (mounted, directory) = locate_in_mount(&arguments.directory)?;
    let UndoArgs { member, since, dry_run, .. } = arguments;
    let request = UndoRequest { directory, member: member.clone(), since: *since, dry_run: *dry_run };
    let report = ask(&mounted, &ControlRequest::Undo(request), |line| match (arguments.json, &line.left) {
        (true, _) => output::line(&line_json(line).to_string()),
        (false, None) if !dry_run => Ok(()),
        (false, _) => output::line(&line_text(line, *dry_run)),
    })?;
    if arguments.json {
        output::line(&report_json(&report, *dry_run).to_string())?;
        return Ok(if *dry_run { Exit::Done } else { exit_of(&report) });
    }
    let verb = if *dry_run { "would be undone" } else { "undone" };
    match report.done.is_empty() {
        true => output::line("there is nothing to undo")?,
        false => output::line(&format!("{verb}: {}", counts(&report)))?,
    }
    if *dry_run {
        return Ok(Exit::Done);
    }
    say_way_back(&mounted, &report)?;
    Ok(exit_of(&report))
}

/// The mount that a path lies in, and where in it. The mount itself may be named through a symlink.
fn locate_in_mount(path: &Path) -> Result<(Mounted, ControlPath), CliError> {
    match locate(path) {
        Err(CliError::NotMounted(_)) => Ok((Mounted::find(path)?, ControlPath::default())),
        found => found,
    }
}

fn ask(
    mounted: &Mounted,
    request: &ControlRequest,
    mut show: impl FnMut(&PastLine) -> Result<(), CliError>,
) -> Result<PastReport, CliError> {
    let mut shown = Ok(());
    let answer = mounted.ask(request, PATIENCE, |response| {
        if let ControlResponse::PastLines(lines) = response
            && shown.is_ok()
        {
            shown = lines.iter().try_for_each(&mut show);
        }
    });
    shown?;
    match answer? {
        ControlResponse::Past(report) => Ok(*report),
        other => Err(unexpected(&other)),
    }
}

fn exit_of(report: &PastReport) -> Exit {
    if report.accepted || report.done.is_empty() { Exit::Done } else { Exit::Waiting }
}

fn say_restored(path: &Path, report: &PastReport) -> Result<(), CliError> {
    let path = text::path(&ControlPath::from(path));
    let then = report.to.map(|to| format!(" at sequence {to}"));
    let then = then.unwrap_or_else(|| " in that version".into());
    match (report.done.is_empty(), report.left) {
        (true, 0) => output::line(&format!("{path} is what it was{then} already; nothing was done")),
        (false, 0) => output::line(&format!("{path} is what it was{then}: {}", counts(report))),
        (_, left) => {
            let left = text::count(left, "name is", "names are");
            let done = if report.done.is_empty() { "nothing was missing".into() } else { counts(report) };
            output::line(&format!("{path}: {done}; {left} left as they stand"))
        }
    }
}

fn say_way_back(mounted: &Mounted, report: &PastReport) -> Result<(), CliError> {
    if let (Some(member), Some(before), false) = (&report.member, report.before, report.done.is_empty()) {
        let place = mounted.record.mount_point.display();
        output::line(&format!("undo it with: fl0wfs undo {place} --member {member} --since {before}"))?;
    }
    if exit_of(report) == Exit::Waiting {
        output::note(
            "fl0wfs: the hub has not accepted all of it yet; it is sent as soon as that is possible",
        );
    }
    Ok(())
}

fn counts(report: &PastReport) -> String {
    let told = report.done.iter().map(|(action, count)| {
        let what = match action {
            Action::BringBack => "brought back",
            Action::PutBack => "contents put back",
            Action::MoveBack => "moved back",
            Action::LinkBack => "linked again",
            Action::Remove => "removed",
            Action::TakeOut => "merged",
            Action::SetAttributes => "attributes set back",
        };
        format!("{count} {what}")
    });
    told.collect::<Vec<_>>().join(", ")
}

fn line_text(line: &PastLine, dry_run: bool) -> String {
    let path = text::path(&line.path);
    let path = if path.is_empty() { ".".to_owned() } else { path };
    if let Some(why) = &line.left {
        return format!("left as it is: {path} ({why})");
    }
    let (would, what) = (if dry_run { "would " } else { "" }, line.action);
    let from = line.from.as_ref().map(text::path).unwrap_or_default();
    match what {
        Some(Action::BringBack) => format!("{would}bring back {path}"),
        Some(Action::PutBack) => format!("{would}put back the content of {path}"),
        Some(Action::MoveBack) => format!("{would}move {from} back to {path}"),
        Some(Action::LinkBack) => format!("{would}link {path} again"),
        Some(Action::Remove) => format!("{would}remove {path}"),
        Some(Action::TakeOut) => format!("{would}merge the changes out of {path}"),
        Some(Action::SetAttributes) | None => format!("{would}set back the attributes of {path}"),
    }
}

fn line_json(line: &PastLine) -> Value {
    json!({
        "path": text::json_key(&line.path),
        "from": line.from.as_ref().map(text::json_key),
        "action": line.action,
        "left": line.left,
    })
}

fn report_json(report: &PastReport, dry_run: bool) -> Value {
    json!({
        "to": report.to,
        "done": report.done,
        "left": report.left,
        "before": report.before,
        "member": report.member,
        "accepted": report.accepted,
        "dry_run": dry_run,
    })
}
