//! `fl0wfs log`: the history of a path, for people and in the notation of manifests.

use super::args::LogArgs;
use super::failure::CliError;
use super::failure::Exit;
use super::mounted::{Mounted, PATIENCE, unexpected};
use super::output;
use super::patch::{self, Patch, Patcher};
use super::text;
use crate::member::control::{ControlRequest, ControlResponse, HistoryRequest, HolderReport, LogLine};
use crate::model::Timestamp;
use crate::ops::Merged;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::time::Duration;

/// News may be long in coming.
const FOLLOW_PATIENCE: Duration = Duration::from_secs(100 * 365 * 86_400);

pub fn run(arguments: &LogArgs) -> Result<Exit, CliError> {
    let (mounted, path) = Mounted::find_path(&arguments.path)?;
    let (request, patience) = match arguments.follow {
        true => (HistoryRequest::Follow { path, last: arguments.limit.unwrap_or(0) }, FOLLOW_PATIENCE),
        false => (HistoryRequest::Log { path, node: arguments.node, limit: arguments.limit }, PATIENCE),
    };
    let mut printer = Printer::new(arguments, &mounted);
    let mut printed = Ok(());
    let answer = mounted.ask_files(&ControlRequest::History(request), patience, |response, _| {
        printed = printer.print(&response);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    printed?;
    match answer? {
        Some(ControlResponse::Done) => {}
        Some(other) => return Err(unexpected(&other)),
        None => return Ok(Exit::Done),
    }
    if arguments.follow {
        output::note("fl0wfs: the mount has ended");
    } else if printer.lines == 0 && arguments.limit != Some(0) {
        output::note("fl0wfs: the hub has accepted no version of it yet");
    }
    Ok(Exit::Done)
}

struct Printer<'a> {
    json: bool,
    patcher: Option<Patcher<'a>>,
    now: Timestamp,
    zone: TimeZone,
    holders: u64,
    lines: u64,
}

impl<'a> Printer<'a> {
    fn new(arguments: &LogArgs, mounted: &'a Mounted) -> Printer<'a> {
        let patcher = arguments.patch.then(|| Patcher::new(mounted));
        let (now, zone) = (text::now(), TimeZone::system());
        Printer { json: arguments.json, patcher, now, zone, holders: 0, lines: 0 }
    }

    fn print(&mut self, response: &ControlResponse) -> Result<(), CliError> {
        match response {
            ControlResponse::Holder(holder) => {
                let is_first = self.holders == 0 && holder.until.is_none();
                self.holders += 1;
                if is_first || self.json { Ok(()) } else { output::line(&heading(holder)) }
            }
            ControlResponse::Log(lines) => lines.iter().try_for_each(|line| self.line(line)),
            _ => Ok(()),
        }
    }

    fn line(&mut self, line: &LogLine) -> Result<(), CliError> {
        self.lines += 1;
        let patch = match &mut self.patcher {
            Some(patcher) => patcher.patch(line)?,
            None => None,
        };
        match self.json {
            true => print_json(line, patch.as_ref()),
            false => {
                output::line(&to_text(line, self.now, &self.zone))?;
                patch.as_ref().map_or(Ok(()), |patch| print_patch(line, patch))
            }
        }
    }
}

/// Operations stand for their line: they tell the version's sequence themselves.
fn print_json(line: &LogLine, patch: Option<&Patch>) -> Result<(), CliError> {
    let mut value = to_json(line);
    match patch {
        Some(patch @ Patch::Json(_)) => return print_patch(line, patch),
        Some(Patch::Xml(changes)) => value["changes"] = patch::changes_json(changes),
        Some(Patch::Text(text)) => value["patch"] = String::from_utf8_lossy(text).into_owned().into(),
        None => {}
    }
    output::line(&value.to_string())
}

fn print_patch(line: &LogLine, patch: &Patch) -> Result<(), CliError> {
    match patch {
        Patch::Json(operations) => {
            operations.iter().try_for_each(|operation| output::line(&patch::operation_line(line, operation)))
        }
        Patch::Xml(changes) => changes.iter().try_for_each(|change| output::line(&change.to_string())),
        Patch::Text(text) => output::bytes(text),
    }
}

fn heading(holder: &HolderReport) -> String {
    let node = holder.node;
    match holder.until {
        Some(_) => format!("earlier here: {node}, with versions {node}:N"),
        None => format!("which went on as: {node}, with versions {node}:N"),
    }
}

/// `{"sequence": .., "member": .., "time": .., "op": .., .., "sync": {"PATH": {"md5": ".."}}}`; a change without content,
/// such as a rename, has an empty `sync`.
fn to_json(line: &LogLine) -> Value {
    let mut sync = Map::new();
    if let Some(md5) = &line.md5 {
        sync.insert(text::json_key(&line.path), json!({ "md5": md5 }));
    }
    json!({
        "sequence": line.sequence,
        "member": line.member,
        "time": text::rfc3339(line.time),
        "op": line.op,
        "path": text::json_key(&line.path),
        "from": line.from.as_ref().map(text::json_key),
        "node": line.node.to_string(),
        "size": line.size,
        "merged": line.merged.map(|Merged { base, local, remote }| {
            json!({ "base": base.0, "local": local.0, "remote": remote.0 })
        }),
        "restored": line.restored.map(|restored| restored.to_string()),
        "version": line.version,
        "sync": sync,
    })
}

fn to_text(line: &LogLine, now: Timestamp, zone: &TimeZone) -> String {
    let version = line.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let md5 = line.md5.as_ref().map(|md5| format!("  md5 {md5}")).unwrap_or_default();
    let from = line.from.as_ref().map(|from| format!(", was {}", text::path(from))).unwrap_or_default();
    let size = line.size.map(|size| format!("  {}", text::size(size))).unwrap_or_default();
    let (sequence, member, op) = (line.sequence, &line.member, &line.op);
    let (time, path) = (text::clock(line.time, now, zone), text::path(&line.path));
    let made_of = made_of(line);
    format!("{sequence:>6}  {time}  {member}  {op}{version}{made_of}  {path}{from}{size}{md5}")
}

/// What a version was made of, where nobody wrote it as it is.
fn made_of(line: &LogLine) -> String {
    match (line.merged, line.restored) {
        (Some(Merged { base, local, remote }), _) => {
            format!(" (base {}, local {}, remote {})", base.0, local.0, remote.0)
        }
        (None, Some(restored)) => format!(" (from {restored})"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::control::ControlPath;
    use crate::member::control::VersionName;
    use crate::model::{MemberName, MemberNumber, NodeId, Sequence, Version};

    fn line() -> LogLine {
        LogLine {
            sequence: Sequence(3),
            member: MemberName::new("laptop").unwrap(),
            time: Timestamp { seconds: 50_520, nanos: 0 },
            op: "updated".into(),
            path: ControlPath(b"test.py".to_vec()),
            from: None,
            node: NodeId { member: MemberNumber(1), counter: 17 },
            version: Some(2),
            md5: Some("354dc351e940ef48b689d4d925532053".into()),
            size: Some(5),
            merged: None,
            restored: None,
        }
    }

    #[test]
    fn a_change_reads_as_in_the_notation_of_manifests() {
        let json = to_json(&line());
        let sync = json["sync"].to_string();
        assert_eq!(sync, r#"{"test.py":{"md5":"354dc351e940ef48b689d4d925532053"}}"#);
        assert_eq!(json["sequence"], 3);
        assert_eq!(
            (json["member"].as_str(), json["time"].as_str()),
            (Some("laptop"), Some("1970-01-01T14:02:00Z"))
        );
    }

    #[test]
    fn a_tombstone_is_0_and_a_rename_brings_no_content() {
        let deleted = LogLine { op: "deleted".into(), md5: Some("0".into()), ..line() };
        assert_eq!(to_json(&deleted)["sync"].to_string(), r#"{"test.py":{"md5":"0"}}"#);
        let from = Some(ControlPath(b"old\n.py".to_vec()));
        let renamed = LogLine { op: "renamed".into(), md5: None, version: None, from, size: None, ..line() };
        assert_eq!(to_json(&renamed)["sync"].to_string(), "{}");
        assert_eq!(to_json(&renamed)["from"], "old\n.py");
        let text = to_text(&renamed, line().time, &TimeZone::UTC);
        assert_eq!(text, "     3  14:02  laptop  renamed  test.py, was old\\n.py");
    }

    #[test]
    fn people_see_one_line_per_change() {
        let text = to_text(&line(), line().time, &TimeZone::UTC);
        assert_eq!(
            text,
            "     3  14:02  laptop  updated version 2  test.py  5 B  md5 354dc351e940ef48b689d4d925532053"
        );
    }

    #[test]
    fn merged_and_restored_versions_say_what_they_were_made_of() {
        let merged = Merged { base: Version(1), local: Version(2), remote: Version(3) };
        let merged = LogLine { op: "merged".into(), merged: Some(merged), ..line() };
        assert_eq!(to_json(&merged)["merged"].to_string(), r#"{"base":1,"local":2,"remote":3}"#);
        let text = to_text(&merged, line().time, &TimeZone::UTC);
        assert!(text.contains("  merged version 2 (base 1, local 2, remote 3)  test.py"), "{text}");
        let name = VersionName { node: Some(line().node), version: Version(1) };
        let restored = LogLine { op: "restored".into(), restored: Some(name), ..line() };
        assert_eq!(to_json(&restored)["restored"], "1.17:1");
        let text = to_text(&restored, line().time, &TimeZone::UTC);
        assert!(text.contains("  restored version 2 (from 1.17:1)  test.py"), "{text}");
    }
}
