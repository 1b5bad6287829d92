//! `fl0wfs log --patch`: what each version changed, by the kind of its content.
//!
//! JSON documents get operations of JSON Patch (RFC 6902), one per line and with `value` called `data`; the document as a
//! whole has the path of RFC 6901, which is empty. XML documents get their changed elements, all other text a unified
//! diff.

use super::diff::{Side, difference, version};
use super::failure::{CliError, Exit};
use super::mounted::Mounted;
use super::text;
use crate::member::control::{ControlPath, LogLine, VersionName, Which};
use crate::merge::MERGE_BYTES_MAX;
use crate::merge::patch::{ElementChange, Operation, Verb, json_patch, xml_changes};
use crate::model::Version;
use serde_json::{Value, json};

/// What a version changed.
pub enum Patch {
    Json(Vec<Operation>),
    Xml(Vec<ElementChange>),
    /// A diff, or what is said in place of one.
    Text(Vec<u8>),
}

/// Finds what versions changed.
pub struct Patcher<'a> {
    mounted: &'a Mounted,
    /// The content asked for last: from one line to the next, the older side is the newer one.
    last: Option<(VersionName, Side)>,
}

impl<'a> Patcher<'a> {
    pub fn new(mounted: &'a Mounted) -> Patcher<'a> {
        Patcher { mounted, last: None }
    }

    /// What a line's version changed; None where the line has none.
    ///
    /// # Errors
    /// [`CliError`] where the daemon or the hub is out of reach.
    pub fn patch(&mut self, line: &LogLine) -> Result<Option<Patch>, CliError> {
        let Some(number) = line.version else { return Ok(None) };
        let of = |number| VersionName { node: Some(line.node), version: Version(number) };
        let newer = match self.side(&line.path, of(number)) {
            Ok(side) => side,
            Err(error) => return not_kept(error).map(Some),
        };
        let older = match number.checked_sub(1).filter(|older| *older > 0) {
            None => Side::nothing(),
            Some(older) => self.side(&line.path, of(older)),
        };
        let patch = match older {
            Ok(older) => {
                let patch = patch_between(&older, &newer)?;
                let name = VersionName { node: Some(line.node), version: Version(number.saturating_sub(1)) };
                self.last = Some((name, older));
                patch
            }
            Err(error) => not_kept(error)?,
        };
        Ok(Some(patch))
    }

    fn side(&mut self, path: &ControlPath, name: VersionName) -> Result<Side, CliError> {
        match self.last.take().filter(|(last, _)| *last == name) {
            Some((_, side)) => Ok(side),
            None => Ok(version(self.mounted, path, Which::Version(name))?.0),
        }
    }
}

/// That one content is gone is no reason to say nothing of the others.
fn not_kept(error: CliError) -> Result<Patch, CliError> {
    match error {
        CliError::Answered { message, exit: Exit::Failed, .. } => {
            Ok(Patch::Text(format!("{message}\n").into_bytes()))
        }
        error => Err(error),
    }
}

fn patch_between(older: &Side, newer: &Side) -> Result<Patch, CliError> {
    if older.content.length.max(newer.content.length) <= MERGE_BYTES_MAX {
        let (old, new) = (older.content.read()?, newer.content.read()?);
        if let Some(operations) = operations((older, &old), (newer, &new)) {
            return Ok(Patch::Json(operations));
        }
        if let Some(changes) = xml_changes(&old, &new) {
            return Ok(Patch::Xml(changes));
        }
    }
    Ok(Patch::Text(difference(older, newer)?))
}

/// A document that comes is added as a whole, one that goes removed.
fn operations((older, old): (&Side, &[u8]), (newer, new): (&Side, &[u8])) -> Option<Vec<Operation>> {
    let whole = |verb, value| vec![Operation { verb, path: String::new(), value }];
    match (older.is_nothing(), newer.is_nothing()) {
        (true, true) => None,
        (true, false) => on_one_line(new).map(|value| whole(Verb::Add, Some(value))),
        (false, true) => on_one_line(old).map(|_| whole(Verb::Remove, None)),
        (false, false) => json_patch(old, new),
    }
}

/// A document as the patch from one of another kind has it.
fn on_one_line(document: &[u8]) -> Option<String> {
    let other: &[u8] = if document.trim_ascii_start().starts_with(b"[") { b"{}" } else { b"[]" };
    json_patch(other, document)?.pop()?.value
}

/// `{"sequence": .., "name": .., "op": .., "path": .., "data": ..}`, with the data as it is spelled in the document.
pub fn operation_line(line: &LogLine, operation: &Operation) -> String {
    let head = json!({
        "sequence": line.sequence,
        "name": text::json_key(&line.path),
        "op": operation.verb.as_str(),
        "path": operation.path,
    });
    let head = head.to_string();
    match &operation.value {
        None => head,
        Some(value) => format!("{},\"data\":{value}}}", &head[..head.len() - 1]),
    }
}

/// Changed elements in JSON.
pub fn changes_json(changes: &[ElementChange]) -> Value {
    let change =
        |change: &ElementChange| json!({ "path": change.path, "old": change.old, "new": change.new });
    changes.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::versions::Content;
    use crate::model::{MemberName, MemberNumber, NodeId, Sequence, Timestamp};

    fn line() -> LogLine {
        LogLine {
            sequence: Sequence(3),
            node: NodeId { member: MemberNumber(1), counter: 17 },
            member: MemberName::new("laptop").unwrap(),
            time: Timestamp::default(),
            op: "updated".into(),
            path: ControlPath(b"a/grid\"}".to_vec()),
            from: None,
            version: Some(2),
            md5: None,
            size: None,
            merged: None,
            restored: None,
        }
    }

    fn lines(old: Option<&str>, new: Option<&str>) -> Option<Vec<String>> {
        let side = |text: Option<&str>| match text {
            Some(_) => Side { label: "x".into(), content: Content::none().unwrap() },
            None => Side::nothing().unwrap(),
        };
        let (older, newer) = (side(old), side(new));
        let operations = operations(
            (&older, old.unwrap_or_default().as_bytes()),
            (&newer, new.unwrap_or_default().as_bytes()),
        )?;
        Some(operations.iter().map(|operation| operation_line(&line(), operation)).collect())
    }

    #[test]
    fn operations_have_sequence_name_op_path_and_data() {
        let replaced = lines(Some(r#"{"a": 1, "b": {"c}": "x"}}"#), Some(r#"{"a": 1, "b": {"c}": 1.50}}"#));
        let expected = r#"{"sequence":3,"name":"a/grid\"}","op":"replace","path":"/b/c}","data":1.50}"#;
        assert_eq!(replaced.unwrap(), [expected]);
        let removed = lines(Some(r#"{"a": 1}"#), Some("{}")).unwrap();
        assert_eq!(removed, [r#"{"sequence":3,"name":"a/grid\"}","op":"remove","path":"/a"}"#]);
    }

    #[test]
    fn a_document_comes_and_goes_as_a_whole() {
        for (document, data) in
            [("{\n\"0\": \"ff f\"\n}\n", r#"{"0":"ff f"}"#), ("[1, 2]", "[1,2]"), ("{}", "{}")]
        {
            let added = lines(None, Some(document)).unwrap();
            let expected =
                format!(r#"{{"sequence":3,"name":"a/grid\"}}","op":"add","path":"","data":{data}}}"#);
            assert_eq!(added, [expected]);
            let removed = lines(Some(document), None).unwrap();
            assert_eq!(removed, [r#"{"sequence":3,"name":"a/grid\"}","op":"remove","path":""}"#]);
        }
        assert_eq!(lines(None, Some("plain text")), None);
        assert_eq!(lines(Some("plain"), Some("{}")), None);
    }
}
