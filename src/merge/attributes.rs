//! `.fl0wattributes`: which files of a space are merged by which type.
//!
//! A line is `GLOB TYPE`, as in `*.lock binary` or `/notes/**/*.log union`; a line that begins with `#`, or
//! holds nothing, says nothing. The last word is the type, so a glob may hold spaces. As in gitattributes the
//! last line that matches decides; a glob without a slash matches a name at any depth, one with a slash the
//! path from the space's root; `*` and `?` stop at a slash, `**` does not. Beyond git, `{a,b}` is either.
//!
//! Invariant: a file with one bad line gives nothing but the error, which names the line. This file does not
//! know where attributes are kept.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::file_type::{FileType, UnknownFileType};

/// The longest attributes file that is read.
const ATTRIBUTES_BYTES_MAX: usize = 64 << 10;

/// The types that a space gives to its files.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    globs: GlobSet,
    /// The type of each glob, in the order of the lines.
    file_types: Vec<FileType>,
}

/// What is wrong with an attributes file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    #[error("attributes of {0} bytes; at most {ATTRIBUTES_BYTES_MAX} are read")]
    TooLong(usize),
    #[error("attributes, line {line}: not UTF-8; save the file as UTF-8")]
    NotText { line: usize },
    #[error(
        "attributes, line {line}: \"{text}\" is a glob without a type; write one of text, json, xml, binary or union after it"
    )]
    NoType { line: usize, text: String },
    #[error("attributes, line {line}: \"{text}\": {unknown}")]
    UnknownType { line: usize, text: String, unknown: UnknownFileType },
    #[error(
        "attributes, line {line}: \"{text}\": a glob cannot take files out again; give them another type on a later line"
    )]
    Negated { line: usize, text: String },
    #[error(
        "attributes, line {line}: \"{text}\" is no glob: {reason}; put a backslash before a character that means itself"
    )]
    BadGlob { line: usize, text: String, reason: String },
    #[error("attributes: all globs together are too complicated: {reason}; use fewer or simpler ones")]
    TooComplicated { reason: String },
}

impl Attributes {
    /// Reads the content of an attributes file.
    pub fn parse(content: &[u8]) -> Result<Attributes, AttributesError> {
        if content.len() > ATTRIBUTES_BYTES_MAX {
            return Err(AttributesError::TooLong(content.len()));
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let mut globs = GlobSetBuilder::new();
        let mut file_types = Vec::new();
        for (at, text) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = at + 1;
            let text = std::str::from_utf8(text).map_err(|_| AttributesError::NotText { line })?.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (glob, file_type) = parse_line(line, text)?;
            globs.add(glob);
            file_types.push(file_type);
        }
        let globs =
            globs.build().map_err(|error| AttributesError::TooComplicated { reason: error.to_string() })?;
        Ok(Attributes { globs, file_types })
    }

    /// The type of the file at a path from the space's root, without a slash in front; none if no line matches.
    pub fn file_type(&self, path: &[u8]) -> Option<FileType> {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let last = self.globs.matches_candidate(&Candidate::from_bytes(path)).into_iter().max()?;
        self.file_types.get(last).copied()
    }
}

fn parse_line(line: usize, text: &str) -> Result<(globset::Glob, FileType), AttributesError> {
    let text_owned = || text.to_owned();
    let Some((glob, word)) = text.rsplit_once(char::is_whitespace) else {
        return Err(AttributesError::NoType { line, text: text_owned() });
    };
    let file_type: FileType =
        word.parse().map_err(|unknown| AttributesError::UnknownType { line, text: text_owned(), unknown })?;
    let glob = glob.trim_end();
    if glob.starts_with('!') {
        return Err(AttributesError::Negated { line, text: text_owned() });
    }
    let anywhere = match glob.strip_prefix('/') {
        Some(anchored) => anchored.to_owned(),
        None if glob.contains('/') => glob.to_owned(),
        None => format!("**/{glob}"),
    };
    let built = GlobBuilder::new(&anywhere).literal_separator(true).backslash_escape(true).build();
    let bad = |error: globset::Error| {
        let reason = error.kind().to_string();
        AttributesError::BadGlob { line, text: text_owned(), reason }
    };
    Ok((built.map_err(bad)?, file_type))
}
