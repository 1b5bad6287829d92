//! `fl0wfs hub verify`: names what is not as it should be, one line each.

use super::args::VerifyArgs;
use super::failure::{CliError, Exit};
use super::hub::{ask, unexpected};
use super::output;
use super::text;
use crate::hub::{AdminRequest, AdminResponse, CareRequest, Finding, VerifyReport};
use crate::member::control::ControlPath;
use crate::model::SpaceName;
use serde_json::json;

pub fn run(arguments: VerifyArgs) -> Result<Exit, CliError> {
    let VerifyArgs { space, repair, json, data } = arguments;
    match ask(&data, AdminRequest::Care(CareRequest::Verify { space, repair }))? {
        AdminResponse::Verified(reports) => {
            for report in &reports {
                for finding in &report.findings {
                    output::line(&show_finding(&report.space, finding, json))?;
                }
                output::line(&show_report(report, json))?;
            }
            let left: u64 = reports.iter().map(VerifyReport::left).sum();
            Ok(if left == 0 { Exit::Done } else { Exit::Failed })
        }
        other => Err(unexpected(&other)),
    }
}

fn show_finding(space: &SpaceName, finding: &Finding, as_json: bool) -> String {
    let Finding { what, sequence, node, path, version, chunk, repaired } = finding;
    let path = path.clone().map(ControlPath);
    if as_json {
        return json!({
            "space": space,
            "finding": what,
            "sequence": sequence,
            "node": node.map(|node| node.to_string()),
            "path": path.as_ref().map(text::json_key),
            "version": version,
            "chunk": chunk.map(|chunk| chunk.to_string()),
            "repaired": repaired,
        })
        .to_string();
    }
    let place = path.map(|path| text::path(&path)).or_else(|| node.map(|node| format!("node {node}")));
    let parts = [
        sequence.map(|sequence| format!("sequence {sequence}")),
        place,
        version.map(|version| format!("version {}", version.0)),
        chunk.map(|chunk| format!("chunk {chunk}")),
    ];
    let place = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let place = if place.is_empty() { place } else { format!(": {place}") };
    let repaired = if *repaired { "repaired: " } else { "" };
    format!("{space}  {repaired}{what}{place}")
}

fn show_report(report: &VerifyReport, as_json: bool) -> String {
    let (found, left) = (report.findings.len() as u64 + report.unlisted, report.left());
    if as_json {
        return json!({
            "space": report.space,
            "entries": report.entries,
            "versions": report.versions,
            "chunks": report.chunks,
            "bytes": report.bytes,
            "findings": found,
            "left": left,
        })
        .to_string();
    }
    let what = match (found, left) {
        (0, _) => "nothing is wrong".to_owned(),
        (_, 0) => format!("{} found, all repaired", text::count(found, "fault", "faults")),
        _ => format!("{} found, {left} not repaired", text::count(found, "fault", "faults")),
    };
    format!(
        "{}  {what}: {}, {}, {}, {}",
        report.space,
        text::count(report.entries, "log entry", "log entries"),
        text::count(report.versions, "version", "versions"),
        text::count(report.chunks, "chunk", "chunks"),
        text::size(report.bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChunkId, MemberNumber, NodeId, Sequence, Version};

    fn space() -> SpaceName {
        SpaceName::new("notes").unwrap()
    }

    fn damaged() -> Finding {
        Finding {
            what: "a chunk is damaged".into(),
            node: Some(NodeId { member: MemberNumber(1), counter: 5 }),
            path: Some(b"a/b\xff".to_vec()),
            version: Some(Version(3)),
            chunk: Some(ChunkId([0xab; 32])),
            ..Finding::default()
        }
    }

    #[test]
    fn a_finding_names_space_path_version_and_chunk() {
        let chunk = "ab".repeat(32);
        let line = format!("notes  a chunk is damaged: a/b\\xff, version 3, chunk {chunk}");
        assert_eq!(show_finding(&space(), &damaged(), false), line);
        let repaired = Finding { repaired: true, ..damaged() };
        assert!(show_finding(&space(), &repaired, false).starts_with("notes  repaired: a chunk is"));
        let json = show_finding(&space(), &damaged(), true);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["chunk"].as_str(), json["version"].as_u64()), (Some(chunk.as_str()), Some(3)));
        let log = Finding { what: "gone".into(), sequence: Some(Sequence(4)), ..Finding::default() };
        assert_eq!(show_finding(&space(), &log, false), "notes  gone: sequence 4");
    }

    #[test]
    fn the_sum_tells_what_was_looked_at_and_what_is_left() {
        let report = VerifyReport {
            space: space(),
            entries: 2,
            versions: 1,
            chunks: 3,
            bytes: 5,
            findings: vec![],
            unlisted: 0,
        };
        let sum = "notes  nothing is wrong: 2 log entries, 1 version, 3 chunks, 5 B";
        assert_eq!(show_report(&report, false), sum);
        let found = VerifyReport { findings: vec![damaged()], unlisted: 2, ..report.clone() };
        assert!(show_report(&found, false).starts_with("notes  3 faults found, 3 not repaired: "));
        let repaired = Finding { repaired: true, ..damaged() };
        let repaired = VerifyReport { findings: vec![repaired], ..report };
        assert!(show_report(&repaired, false).starts_with("notes  1 fault found, all repaired: "));
    }
}
