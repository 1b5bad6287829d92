//! Earlier contents, as the daemon hands them out: open files that nobody else can open.

use super::failure::CliError;
use super::mounted::{Mounted, unexpected};
use crate::member::control::{
    ContentReport, ControlPath, ControlRequest, ControlResponse, HistoryRequest, Which,
};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// A content of any size may have to be fetched; the daemon itself notices where that comes to nothing.
const CONTENT_PATIENCE: Duration = Duration::from_secs(24 * 3_600);
const PIECE_BYTES: usize = 256 * 1024;

/// The bytes of a version, or of a file as it is.
#[derive(Debug)]
pub struct Content {
    pub file: File,
    /// Bytes.
    pub length: u64,
    /// The tag, where it is known.
    pub md5: Option<String>,
}

impl Content {
    /// What is not there.
    pub fn none() -> Result<Content, CliError> {
        let file = File::open("/dev/null").map_err(CliError::System)?;
        Ok(Content { file, length: 0, md5: Some("0".to_owned()) })
    }

    /// All of it, into memory; the caller knows how much that is.
    pub fn read(&self) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        self.for_each_piece(|piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// All of it, piece by piece.
    pub fn for_each_piece(&self, mut take: impl FnMut(&[u8])) -> Result<(), CliError> {
        let (mut piece, mut offset) = (vec![0; PIECE_BYTES], 0);
        loop {
            match read_full(&self.file, &mut piece, offset)? {
                0 => return Ok(()),
                count => {
                    take(&piece[..count]);
                    offset += count as u64;
                }
            }
        }
    }

    /// Tells whether both are the same bytes; where there is nothing is not the same as an empty file.
    pub fn is_same(&self, other: &Content) -> Result<bool, CliError> {
        let is_there = |content: &Content| content.md5.as_deref() != Some("0");
        if self.length != other.length || is_there(self) != is_there(other) {
            return Ok(false);
        }
        let (mut one, mut two, mut offset) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES], 0);
        loop {
            let count = read_full(&self.file, &mut one, offset)?;
            if count != read_full(&other.file, &mut two, offset)? || one[..count] != two[..count] {
                return Ok(false);
            }
            if count < PIECE_BYTES {
                return Ok(true);
            }
            offset += count as u64;
        }
    }
}

/// Fills the buffer as far as the file reaches.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, CliError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CliError::System(error)),
        }
    }
    Ok(filled)
}

/// Asks for a content of a file.
///
/// # Errors
/// As [`Mounted::ask`].
pub fn content(
    mounted: &Mounted,
    path: &ControlPath,
    which: Which,
) -> Result<(ContentReport, Content), CliError> {
    let request = ControlRequest::History(HistoryRequest::Content { path: path.clone(), which });
    let mut found = None;
    let last = mounted.ask_files(&request, CONTENT_PATIENCE, |response, file| {
        if let (ControlResponse::Content(report), Some(file)) = (response, file) {
            let (length, md5) = (report.length, Some(report.md5.clone()));
            found = Some((*report, Content { file, length, md5 }));
        }
        ControlFlow::Continue(())
    })?;
    match (found, last) {
        (Some(found), _) => Ok(found),
        (None, last) => Err(unexpected(&last.unwrap_or(ControlResponse::Done))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn content_of(bytes: &[u8]) -> Content {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Content { file, length: bytes.len() as u64, md5: None }
    }

    #[test]
    fn contents_are_compared_to_their_last_byte_and_nothing_is_no_empty_file() {
        let long = |last: u8| [vec![7; 3 * PIECE_BYTES], vec![last]].concat();
        let (one, two) = (content_of(&long(1)), content_of(&long(2)));
        assert!(one.is_same(&content_of(&long(1))).unwrap());
        assert!(!one.is_same(&two).unwrap());
        assert!(one.read().unwrap() == long(1));
        let (empty, none) = (content_of(b""), Content::none().unwrap());
        assert!(empty.is_same(&content_of(b"")).unwrap() && none.is_same(&Content::none().unwrap()).unwrap());
        assert!(!empty.is_same(&none).unwrap());
    }
}
