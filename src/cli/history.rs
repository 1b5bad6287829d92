//! `fl0wfs log`: the history of a path, for people and in the notation of manifests.

use super::args::LogArgs;
use super::failure::CliError;
use super::failure::Exit;
use super::mounted::{Mounted, PATIENCE, unexpected};
use super::output;
use super::point;
use super::text;
use crate::member::control::{ControlPath, ControlRequest, ControlResponse, LogLine};
use crate::model::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::path::Path;

pub fn run(arguments: &LogArgs) -> Result<Exit, CliError> {
    let path = point::resolve_removed(&arguments.path)?;
    let mounted = match Mounted::find_resolved(path.clone()) {
        // The mount itself may be named through a symlink, which is then the last component.
        Err(CliError::NotMounted(_)) => Mounted::find(&arguments.path)?,
        found => found?,
    };
    let inside = path.strip_prefix(&mounted.record.mount_point).unwrap_or(Path::new(""));
    let request = ControlRequest::Log { path: ControlPath::from(inside), limit: arguments.limit };
    let (now, zone) = (text::now(), TimeZone::system());
    let mut printed = Ok(());
    let answer = mounted.ask(&request, PATIENCE, |response| {
        let ControlResponse::Log(lines) = response else { return };
        let format = |line: &LogLine| match arguments.json {
            true => to_json(line).to_string(),
            false => to_text(line, now, &zone),
        };
        if printed.is_ok() {
            printed = lines.iter().try_for_each(|line| output::line(&format(line)));
        }
    });
    printed?;
    match answer? {
        ControlResponse::Done => Ok(Exit::Done),
        other => Err(unexpected(&other)),
    }
}

/// `{"sequence": .., "member": .., "time": .., "op": .., "sync": {"PATH": {"md5": ".."}}}`; a change without content,
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
        "version": line.version,
        "sync": sync,
    })
}

fn to_text(line: &LogLine, now: Timestamp, zone: &TimeZone) -> String {
    let version = line.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let md5 = line.md5.as_ref().map(|md5| format!("  md5 {md5}")).unwrap_or_default();
    let from = line.from.as_ref().map(|from| format!(", was {}", text::path(from))).unwrap_or_default();
    let (sequence, member, op) = (line.sequence, &line.member, &line.op);
    let time = text::clock(line.time, now, zone);
    format!("{sequence:>6}  {time}  {member}  {op}{version}  {}{from}{md5}", text::path(&line.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, Sequence};

    fn line() -> LogLine {
        LogLine {
            sequence: Sequence(3),
            member: MemberName::new("laptop").unwrap(),
            time: Timestamp { seconds: 50_520, nanos: 0 },
            op: "updated".into(),
            path: ControlPath(b"test.py".to_vec()),
            from: None,
            version: Some(2),
            md5: Some("354dc351e940ef48b689d4d925532053".into()),
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
        let renamed = LogLine { op: "renamed".into(), md5: None, version: None, from, ..line() };
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
            "     3  14:02  laptop  updated version 2  test.py  md5 354dc351e940ef48b689d4d925532053"
        );
    }
}
