//! `fl0wfs status`: names, not numbers, for people; JSON for scripts; and an exit code for both.

use super::args::StatusArgs;
use super::failure::{CliError, Exit, explain};
use super::mounted::Mounted;
use super::output;
use super::text;
use crate::member::config::Home;
use crate::member::control::{ConnectionState, ContentStanding, ControlPath, StatusReport, Supervision};
use crate::member::mounts::MountRecord;
use crate::model::{Quota, Sequence, Timestamp};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// More conflicts and refusals than this are counted, not listed.
const LISTED_MAX: usize = 20;

pub fn run(arguments: &StatusArgs) -> Result<Exit, CliError> {
    let mounts = match &arguments.directory {
        Some(directory) => vec![Mounted::find(directory)?],
        None => {
            let home = Home::from_environment()?;
            let records = MountRecord::list(&home)?.into_iter();
            records.map(|record| Mounted { home: home.clone(), record }).collect()
        }
    };
    if mounts.is_empty() && !arguments.json {
        output::line("nothing is mounted")?;
    }
    let mut worst = Exit::Done;
    for mounted in &mounts {
        let exit = show(mounted, arguments.json)?;
        worst = worse(worst, exit);
    }
    Ok(worst)
}

/// A mount that failed outweighs all; else the higher code says more.
fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Failed || b == Exit::Failed { Exit::Failed } else { a.max(b) }
}

fn show(mounted: &Mounted, as_json: bool) -> Result<Exit, CliError> {
    let report = match mounted.status() {
        Ok(report) => report,
        Err(error) => return show_silent(mounted, &error, as_json),
    };
    if as_json {
        output::line(&to_json(&report).to_string())?;
    } else {
        output::line(&heading(&report, text::now(), &TimeZone::system()))?;
        for line in details(&report) {
            output::line(&format!("  {line}"))?;
        }
    }
    Ok(exit_code(&report))
}

/// Where what is mounted, as whom, and since when the hub hears of it.
fn heading(report: &StatusReport, now: Timestamp, zone: &TimeZone) -> String {
    let StatusReport { mount_point, remote, space, connection, since, .. } = report;
    let connected = match connection {
        ConnectionState::Connected => format!(", connected since {}", text::clock(*since, now, zone)),
        _ => String::new(),
    };
    format!("{}  {remote}:{space}{}{connected}", mount_point.display(), who(report))
}

/// A mount whose daemon does not answer is still listed.
fn show_silent(mounted: &Mounted, error: &CliError, as_json: bool) -> Result<Exit, CliError> {
    let (record, explained) = (&mounted.record, explain(error));
    if as_json {
        let place = record.mount_point.to_string_lossy();
        output::line(&json!({ "mount": place, "error": explained.message }).to_string())?;
    } else {
        let place = record.mount_point.display();
        output::line(&format!("{place}  {}:{}", record.remote, record.space))?;
        output::line(&format!("  {}", explained.message))?;
        explained.hint.iter().try_for_each(|hint| output::line(&format!("  {hint}")))?;
    }
    Ok(Exit::Failed)
}

/// As whom the mount is there, or that it is a visit.
fn who(report: &StatusReport) -> String {
    match report.visit {
        Some(sequence) => format!("@{sequence} (a visit, read-only)"),
        None => format!(" as {}{}", report.member, may(report)),
    }
}

fn may(report: &StatusReport) -> String {
    match (&report.role, report.read_only) {
        (Some(role), true) => format!(" ({role}, mounted read-only)"),
        (Some(role), false) => format!(" ({role})"),
        (None, true) => " (mounted read-only)".to_owned(),
        (None, false) => String::new(),
    }
}

/// What the state of a mount means to a script.
pub fn exit_code(report: &StatusReport) -> Exit {
    if is_refused(report) {
        Exit::Refused
    } else if !report.conflicts.is_empty() {
        Exit::Conflicts
    } else if is_in_sync(report) {
        Exit::Done
    } else {
        Exit::Waiting
    }
}

/// Whether the hub has said no to this member or to some of its work.
pub fn is_refused(report: &StatusReport) -> bool {
    !report.parked.is_empty() || matches!(report.connection, ConnectionState::Refused(_))
}

fn is_in_sync(report: &StatusReport) -> bool {
    report.connection == ConnectionState::Connected
        && report.pending.is_none()
        && report.not_materialized.is_none()
        && report.position == report.head
        && report.trouble.is_none()
}

/// One line: what waits, and how the hub is: `3 files, 1.2 MiB waiting, hub unreachable since 14:02`.
pub fn summary(report: &StatusReport) -> String {
    summary_at(report, text::now(), &TimeZone::system())
}

fn summary_at(report: &StatusReport, now: Timestamp, zone: &TimeZone) -> String {
    let mut parts = Vec::new();
    if !report.pending.is_none() {
        parts.push(format!("{} waiting", text::amount(&report.pending)));
    }
    if !report.not_materialized.is_none() {
        parts.push(format!("{} still to come", text::amount(&report.not_materialized)));
    }
    if report.disk_full {
        parts.push("the disk is too full for remote content".to_owned());
    }
    let since = text::clock(report.since, now, zone);
    match &report.connection {
        ConnectionState::Connected if behind(report) > 0 => {
            let behind = text::count(behind(report), "commit", "commits");
            parts.push(format!("catching up with the hub, {behind} behind"));
        }
        ConnectionState::Connected => {}
        ConnectionState::Connecting => parts.push("connecting to the hub".to_owned()),
        ConnectionState::Unreachable(_) => parts.push(format!("hub unreachable since {since}")),
        ConnectionState::Refused(_) => parts.push(format!("refused by the hub since {since}")),
    }
    if parts.is_empty() { in_sync(report) } else { parts.join(", ") }
}

fn in_sync(report: &StatusReport) -> String {
    if let Some(sequence) = report.visit {
        return format!("as it was at sequence {sequence}");
    }
    let position = report.position.map(|position| format!(" at sequence {position}"));
    format!("in sync{}", position.unwrap_or_else(|| ", nothing in it yet".to_owned()))
}

/// Commits that the hub is known to have and that are not applied here.
fn behind(report: &StatusReport) -> u64 {
    let entries = |sequence: Option<Sequence>| sequence.map_or(0, |sequence| sequence.0 + 1);
    entries(report.head).saturating_sub(entries(report.position))
}

/// The lines under a mount's own.
fn details(report: &StatusReport) -> Vec<String> {
    let mut lines = vec![summary(report)];
    match &report.connection {
        ConnectionState::Unreachable(reason) | ConnectionState::Refused(reason) if !reason.is_empty() => {
            lines.push(reason.clone());
        }
        _ => {}
    }
    lines.extend(report.trouble.clone());
    lines.extend(report.quota.map(quota));
    lines.extend(report.supervision.and_then(deaths));
    lines.extend(report.notice.clone());
    lines.extend(content_lines(&report.content, text::now(), &TimeZone::system()));
    lines.extend(listed(report.bad_patterns.iter().map(|bad| format!("not a pattern: {bad}"))));
    lines.extend(conflict_count(report, text::now()));
    let conflicts = report.conflicts.iter().map(|conflict| {
        let copy =
            conflict.copy.as_ref().map(|copy| format!(", the other version is in {}", text::path(copy)));
        let held = conflict.held.then(|| ", what is here is held and not sent".to_owned());
        let where_else = copy.or(held).unwrap_or_default();
        format!("conflict: {} ({}){where_else}", text::path(&conflict.path), conflict.what)
    });
    let parked = report.parked.iter();
    let parked = parked.map(|parked| format!("refused: {} ({})", text::path(&parked.path), parked.reason));
    lines.extend(listed(conflicts));
    lines.extend(listed(parked));
    lines
}

/// What is here of all contents, and what could not be read.
fn content_lines(content: &ContentStanding, now: Timestamp, zone: &TimeZone) -> Vec<String> {
    let mut lines = Vec::new();
    if content.lazy {
        let limit = content.limit.map(|limit| format!(" of at most {}", text::size(limit)));
        let files = text::count(content.files, "file", "files");
        let bytes = text::size(content.bytes);
        lines.push(format!(
            "content is fetched when it is read; here: {files}, {bytes}{}",
            limit.unwrap_or_default()
        ));
    }
    let all = |path: &ControlPath| if path.0.is_empty() { "everything".into() } else { text::path(path) };
    lines.extend(listed(content.pins.iter().map(|path| format!("pinned: {}", all(path)))));
    lines.extend(listed(content.unread.iter().map(|unread| {
        let time = text::clock(unread.time, now, zone);
        format!("could not be read at {time}: {} ({})", text::path(&unread.path), unread.reason)
    })));
    lines
}

fn content_json(content: &ContentStanding) -> Value {
    let unread = content.unread.iter().map(|unread| {
        let (path, time) = (text::json_key(&unread.path), text::rfc3339(unread.time));
        json!({ "path": path, "time": time, "reason": unread.reason })
    });
    json!({
        "mode": if content.lazy { "lazy" } else { "eager" },
        "files": content.files,
        "bytes": content.bytes,
        "limit": content.limit,
        "pins": content.pins.iter().map(text::json_key).collect::<Vec<_>>(),
        "unread": unread.collect::<Vec<_>>(),
    })
}

fn quota(quota: Quota) -> String {
    let (used, limit) = (text::size(quota.used_bytes), text::size(quota.limit_bytes));
    match quota.free_bytes() {
        0 => format!("quota: {used} of {limit}, used up; no file can grow until others are removed"),
        _ => format!("quota: {used} of {limit}"),
    }
}

/// That the daemon is not the first one.
fn deaths(supervision: Supervision) -> Option<String> {
    match supervision.deaths {
        0 => None,
        1 => Some("the daemon died once and was started again; the log says of what".to_owned()),
        many => Some(format!("the daemon died {many} times and was started again; the log says of what")),
    }
}

/// How many conflicts there are, and since when.
fn conflict_count(report: &StatusReport, now: Timestamp) -> Option<String> {
    let times = report.conflicts.iter().map(|conflict| conflict.time);
    let oldest = times.min_by_key(|time| (time.seconds, time.nanos))?;
    let age = text::age(oldest, now);
    Some(match report.conflicts.len() {
        1 => format!("1 conflict, {age} (fl0wfs resolve settles it)"),
        many => format!("{many} conflicts, the oldest {age} (fl0wfs resolve settles them)"),
    })
}

fn listed(items: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = items.len().saturating_sub(LISTED_MAX);
    let mut lines: Vec<String> = items.take(LISTED_MAX).collect();
    if more > 0 {
        lines.push(format!("and {more} more (all of them with --json)"));
    }
    lines
}

fn to_json(report: &StatusReport) -> Value {
    let (connection, reason) = match &report.connection {
        ConnectionState::Connected => ("connected", None),
        ConnectionState::Connecting => ("connecting", None),
        ConnectionState::Unreachable(reason) => ("unreachable", Some(reason)),
        ConnectionState::Refused(reason) => ("refused", Some(reason)),
    };
    let conflicts = report.conflicts.iter().map(|conflict| {
        json!({
            "path": text::json_key(&conflict.path),
            "copy": conflict.copy.as_ref().map(text::json_key),
            "member": conflict.member,
            "what": conflict.what,
            "time": text::rfc3339(conflict.time),
            "held": conflict.held,
        })
    });
    let parked = report.parked.iter();
    let parked =
        parked.map(|parked| json!({ "path": text::json_key(&parked.path), "reason": parked.reason }));
    json!({
        "mount": report.mount_point.to_string_lossy(),
        "remote": report.remote,
        "space": report.space,
        "visit": report.visit,
        "member": report.member,
        "role": report.role.map(|role| role.to_string()),
        "read_only": report.read_only,
        "state": report.state_directory.to_string_lossy(),
        "pid": report.pid,
        "supervisor": report.supervision.map(|supervision| supervision.pid),
        "deaths": report.supervision.map_or(0, |supervision| supervision.deaths),
        "in_sync": is_in_sync(report),
        "connection": connection,
        "reason": reason,
        "since": text::rfc3339(report.since),
        "sequence": report.position,
        "hub_sequence": report.head,
        "behind": behind(report),
        "pending": report.pending,
        "not_materialized": report.not_materialized,
        "content": content_json(&report.content),
        "conflicts": conflicts.collect::<Vec<_>>(),
        "parked": parked.collect::<Vec<_>>(),
        "disk_full": report.disk_full,
        "quota": report.quota,
        "bad_patterns": report.bad_patterns,
        "trouble": report.trouble,
        "notice": report.notice,
    })
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
