//! What a file is taken for when it is merged.
//!
//! The content decides, not the name: a type fits only if every version that is there has it. This file does
//! not look into attributes; whoever read them passes the given type on.

use std::str::FromStr;

use super::three_way::Versions;
use super::{json, xml};

/// How the versions of a file are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// By line.
    Text,
    /// By path in the document.
    Json,
    /// By element.
    Xml,
    /// Never: a change on both sides is a conflict.
    Binary,
    /// By line, keeping the lines of both sides where they meet.
    Union,
}

/// A word that is no file type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no file type; write text, json, xml, binary or union")]
pub struct UnknownFileType(pub String);

impl FromStr for FileType {
    type Err = UnknownFileType;

    fn from_str(word: &str) -> Result<FileType, UnknownFileType> {
        match word {
            "text" => Ok(FileType::Text),
            "json" => Ok(FileType::Json),
            "xml" => Ok(FileType::Xml),
            "binary" => Ok(FileType::Binary),
            "union" => Ok(FileType::Union),
            other => Err(UnknownFileType(other.to_owned())),
        }
    }
}

/// The type these versions are merged by.
///
/// A given `json` or `xml` that a version does not keep to is merged as what the content is; a given `text` or
/// `union` needs no UTF-8, but a NUL byte makes it binary all the same.
pub(super) fn effective(given: Option<FileType>, versions: &Versions<'_>) -> FileType {
    match given {
        Some(FileType::Binary) => FileType::Binary,
        Some(by_line @ (FileType::Text | FileType::Union)) => {
            if versions.all(|version| !version.contains(&0)) { by_line } else { FileType::Binary }
        }
        Some(FileType::Json | FileType::Xml) | None => by_content(versions),
    }
}

fn by_content(versions: &Versions<'_>) -> FileType {
    if !versions.all(|version| !version.contains(&0) && std::str::from_utf8(version).is_ok()) {
        return FileType::Binary;
    }
    if versions.all(json::is_document) {
        FileType::Json
    } else if versions.all(xml::is_document) {
        FileType::Xml
    } else {
        FileType::Text
    }
}
