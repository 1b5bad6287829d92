//! `fl0wfs hub gc`: says what was freed.

use super::args::GcArgs;
use super::failure::{CliError, Exit};
use super::hub::{ask, unexpected};
use super::output;
use super::text;
use crate::hub::{AdminRequest, AdminResponse, CareRequest, GcReport};
use serde_json::json;

pub fn run(arguments: GcArgs) -> Result<Exit, CliError> {
    let GcArgs { space, keep, dry_run, json, data } = arguments;
    match ask(&data, AdminRequest::Care(CareRequest::Gc { space, keep, dry_run }))? {
        AdminResponse::Collected(reports) => {
            reports.iter().try_for_each(|report| output::line(&show(report, json)))?;
            Ok(Exit::Done)
        }
        other => Err(unexpected(&other)),
    }
}

fn show(report: &GcReport, as_json: bool) -> String {
    if as_json {
        return json!({
            "space": report.space,
            "dry_run": report.dry_run,
            "versions": report.versions,
            "chunks_freed": report.chunks_freed,
            "bytes_freed": report.bytes_freed,
            "chunks_kept": report.chunks_kept,
            "bytes_kept": report.bytes_kept,
        })
        .to_string();
    }
    let amount = |chunks, bytes| format!("{}, {}", text::count(chunks, "chunk", "chunks"), text::size(bytes));
    format!(
        "{}  {} {} ({}), {} kept",
        report.space,
        if report.dry_run { "would free" } else { "freed" },
        amount(report.chunks_freed, report.bytes_freed),
        text::count(report.versions, "version", "versions"),
        amount(report.chunks_kept, report.bytes_kept),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SpaceName;

    #[test]
    fn what_was_freed_is_told_in_one_line() {
        let report = GcReport {
            space: SpaceName::new("notes").unwrap(),
            dry_run: false,
            versions: 1,
            chunks_freed: 20,
            bytes_freed: 1_258_291,
            chunks_kept: 1,
            bytes_kept: 5,
        };
        assert_eq!(show(&report, false), "notes  freed 20 chunks, 1.2 MiB (1 version), 1 chunk, 5 B kept");
        let dry = GcReport { dry_run: true, ..report };
        assert!(show(&dry, false).contains("would free 20 chunks"));
        let json: serde_json::Value = serde_json::from_str(&show(&dry, true)).unwrap();
        assert_eq!((json["space"].as_str(), json["bytes_freed"].as_u64()), (Some("notes"), Some(1_258_291)));
    }
}
