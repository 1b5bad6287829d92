//! `fl0wfs pin`, `unpin`, `evict` and `prefetch`: what is to be on this machine, asked of the daemon.

use super::args::{PathsArgs, PinArgs, PrefetchArgs};
use super::failure::{CliError, Exit};
use super::mounted::{Mounted, PATIENCE, unexpected};
use super::output;
use super::progress::Progress;
use super::sync::whole_seconds;
use super::text;
use crate::member::control::{CacheReport, CacheRequest, ControlPath, ControlRequest, ControlResponse};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A walk through a large tree takes a while.
const WALK_PATIENCE: Duration = Duration::from_secs(300);

pub fn pin(arguments: &PinArgs) -> Result<Exit, CliError> {
    if arguments.list {
        return list(arguments);
    }
    let (mounted, paths) = locate_all(&arguments.paths)?;
    let report = ask(&mounted, CacheRequest::Pin { paths }, WALK_PATIENCE)?;
    if arguments.json {
        return output::line(&to_json(&report).to_string()).map(|()| Exit::Done);
    }
    let coming = match report.missing {
        0 => "all of it is here".to_owned(),
        files => format!("{} still to come", amount(files, report.missing_bytes)),
    };
    output::line(&format!("pinned: {}; {coming}", amount(report.files, report.bytes)))?;
    Ok(Exit::Done)
}

fn list(arguments: &PinArgs) -> Result<Exit, CliError> {
    let here = [PathBuf::from(".")];
    let paths = if arguments.paths.is_empty() { &here[..] } else { &arguments.paths };
    let (mounted, _) = locate_all(paths)?;
    let report = ask(&mounted, CacheRequest::Pins, PATIENCE)?;
    if arguments.json {
        output::line(&json!({ "pins": keys(&report.pins) }).to_string())?;
    } else {
        report.pins.iter().try_for_each(|path| output::line(&shown(&mounted, path)))?;
    }
    Ok(Exit::Done)
}

pub fn unpin(arguments: &PathsArgs) -> Result<Exit, CliError> {
    let (mounted, paths) = locate_all(&arguments.paths)?;
    let report = ask(&mounted, CacheRequest::Unpin { paths }, WALK_PATIENCE)?;
    match arguments.json {
        true => output::line(&to_json(&report).to_string())?,
        false => output::line(&format!("no longer pinned: {}", amount(report.files, report.bytes)))?,
    }
    Ok(Exit::Done)
}

pub fn evict(arguments: &PathsArgs) -> Result<Exit, CliError> {
    let (mounted, paths) = locate_all(&arguments.paths)?;
    let report = ask(&mounted, CacheRequest::Evict { paths }, WALK_PATIENCE)?;
    if arguments.json {
        return output::line(&to_json(&report).to_string()).map(|()| Exit::Done);
    }
    output::line(&format!("evicted: {}", amount(report.files, report.bytes)))?;
    for kept in &report.kept {
        let files = text::count(kept.files, "file stays", "files stay");
        output::line(&format!("{files}: {}", kept.why.text()))?;
    }
    Ok(Exit::Done)
}

pub fn prefetch(arguments: &PrefetchArgs) -> Result<Exit, CliError> {
    let (mounted, paths) = locate_all(&arguments.paths)?;
    let request = CacheRequest::Prefetch { paths, timeout_seconds: whole_seconds(arguments.timeout) };
    let report = ask(&mounted, request, WALK_PATIENCE)?;
    let exit = if report.missing == 0 { Exit::Done } else { Exit::Waiting };
    if arguments.json {
        return output::line(&to_json(&report).to_string()).map(|()| exit);
    }
    if exit == Exit::Done {
        output::line(&format!("here: {}", amount(report.files, report.bytes)))?;
    } else {
        let why = report.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let missing = amount(report.missing, report.missing_bytes);
        output::note(&format!(
            "fl0wfs: {missing} still to come{why}; they go on coming as soon as that is possible"
        ));
    }
    Ok(exit)
}

fn ask(mounted: &Mounted, request: CacheRequest, patience: Duration) -> Result<CacheReport, CliError> {
    let mut progress = Progress::new("fetching");
    let answer = mounted.ask(&ControlRequest::Cache(request), patience, |response| {
        if let ControlResponse::Progress(left) = response {
            progress.update(&left);
        }
    });
    drop(progress);
    match answer? {
        ControlResponse::Cache(report) => Ok(*report),
        other => Err(unexpected(&other)),
    }
}

/// Paths of one mount, and the mount.
fn locate_all(paths: &[PathBuf]) -> Result<(Mounted, Vec<ControlPath>), CliError> {
    let mut found: Option<(Mounted, Vec<ControlPath>)> = None;
    for path in paths {
        let (mounted, inside) = Mounted::find_path(path)?;
        match &mut found {
            None => found = Some((mounted, vec![inside])),
            Some((first, all)) if first.record.mount_point == mounted.record.mount_point => all.push(inside),
            Some(_) => return Err(several_mounts(path)),
        }
    }
    found.ok_or_else(|| several_mounts(Path::new("")))
}

fn several_mounts(path: &Path) -> CliError {
    CliError::Answered {
        message: format!("{} is in another mount than the paths before it", path.display()),
        hint: Some("give the paths of one mount at a time".into()),
        exit: Exit::Usage,
    }
}

fn shown(mounted: &Mounted, path: &ControlPath) -> String {
    text::path(&ControlPath::from(mounted.record.mount_point.join(path.as_path()).as_path()))
}

fn amount(files: u64, bytes: u64) -> String {
    format!("{}, {}", text::count(files, "file", "files"), text::size(bytes))
}

fn keys(paths: &[ControlPath]) -> Vec<Value> {
    paths.iter().map(|path| json!(text::json_key(path))).collect()
}

fn to_json(report: &CacheReport) -> Value {
    json!({
        "files": report.files,
        "bytes": report.bytes,
        "missing": report.missing,
        "missing_bytes": report.missing_bytes,
        "kept": report.kept,
        "pins": keys(&report.pins),
        "reason": report.reason,
    })
}
