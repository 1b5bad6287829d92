//! The extents of a content, read from its manifest and the lists that it names.
//!
//! A reader does no reading itself: it says which chunk of a list it wants, and is given the bytes. It holds a
//! manifest's extents and, of each list, one chunk and a bit; so content of any length is walked in bounded memory.

use super::list::{ENTRY_BYTES, Entry};
use super::{CHUNK_BYTES_MAX, verify};
use crate::model::{ChunkId, ChunkList, Extent, Manifest};

/// All lists of one content together, in bytes: over 26 million extents. It bounds the time that a manifest can
/// cost whoever reads it.
pub const LIST_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Lists above one another: the chunks of the longest one have room in a manifest and one list more.
const LISTS_MAX: usize = 2;

/// Why a manifest's lists cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    #[error("chunk {0} of the list is missing")]
    Missing(ChunkId),
    #[error("the list is longer than 1 GiB")]
    TooLong,
    #[error("the list is damaged")]
    Damaged,
    #[error("the extents do not add up to the content's length")]
    Length,
}

/// What a reader has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next extent of the content.
    Extent(Extent),
    /// It goes on with [`ExtentReader::take`], or without this chunk by [`ExtentReader::pass_over`].
    Fetch(ChunkId),
    /// The next chunk of a list that cannot be read any more, because one of its chunks was passed over.
    Named(ChunkId),
    End,
}

/// Walks the extents of one content in order.
pub struct ExtentReader {
    named: std::vec::IntoIter<Extent>,
    is_flat: bool,
    /// Bytes read and not decoded yet of each list, the uppermost first.
    lists: Vec<Unread>,
    wanted: Option<Wanted>,
    /// Content was found in the last of the lists, so there is none below it.
    at_content: bool,
    /// A chunk of this list was passed over, so neither it nor any below can be read any more.
    unreadable: Option<usize>,
    content_left: u64,
    list_bytes: u64,
}

#[derive(Clone, Copy)]
struct Wanted {
    chunk: ChunkId,
    length: u64,
    /// Which list it belongs to.
    list: usize,
}

#[derive(Default)]
struct Unread {
    bytes: Vec<u8>,
    at: usize,
}

impl Unread {
    fn has_entry(&self) -> bool {
        self.bytes.len() - self.at >= ENTRY_BYTES
    }

    fn next(&mut self) -> Option<Entry> {
        let entry = self.bytes[self.at..].first_chunk()?;
        self.at += ENTRY_BYTES;
        Entry::decode(entry)
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }
}

impl ExtentReader {
    pub fn new(manifest: &Manifest) -> ExtentReader {
        ExtentReader {
            named: manifest.extents().to_vec().into_iter(),
            is_flat: matches!(manifest.chunks, ChunkList::Flat(_)),
            lists: Vec::new(),
            wanted: None,
            at_content: false,
            unreadable: None,
            content_left: manifest.length,
            list_bytes: 0,
        }
    }

    /// Goes on to the next extent, or to a chunk that is needed first. After an end or an error there is nothing
    /// more.
    ///
    /// # Errors
    /// [`InvalidList`], but for [`InvalidList::Missing`].
    pub fn step(&mut self) -> Result<Step, InvalidList> {
        loop {
            if let Some(Wanted { chunk, list, .. }) = self.wanted {
                if self.unreadable.is_none_or(|unreadable| list < unreadable) {
                    return Ok(Step::Fetch(chunk));
                }
                self.wanted = None;
                return Ok(Step::Named(chunk));
            }
            let Some(at) = self.lists.iter().rposition(Unread::has_entry) else {
                match self.named.next() {
                    None => return self.end(),
                    Some(extent) if self.is_flat => return self.content(extent),
                    Some(extent) => self.want(extent.chunk.ok_or(InvalidList::Damaged)?, extent.length, 0)?,
                }
                continue;
            };
            let is_lowest = at + 1 == self.lists.len();
            match self.lists[at].next().ok_or(InvalidList::Damaged)? {
                Entry::Content(extent) if is_lowest && self.unreadable.is_none() => {
                    self.at_content = true;
                    return self.content(extent);
                }
                Entry::List { chunk, length } if !(is_lowest && self.at_content) => {
                    self.want(chunk, length, at + 1)?;
                }
                _ => return Err(InvalidList::Damaged),
            }
        }
    }

    /// Gives the bytes of the chunk that was asked for.
    ///
    /// # Errors
    /// [`InvalidList::Damaged`] where they are not what the chunk is named.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), InvalidList> {
        let Some(wanted) = self.wanted.take() else { return Ok(()) };
        if bytes.len() as u64 != wanted.length || verify(wanted.chunk, bytes).is_err() {
            return Err(InvalidList::Damaged);
        }
        if wanted.list == self.lists.len() {
            self.lists.push(Unread::default());
        }
        self.lists[wanted.list].extend(bytes);
        Ok(())
    }

    /// Goes on without the chunk that was asked for: what its list and those above name is still told, no more.
    pub fn pass_over(&mut self) {
        if let Some(wanted) = self.wanted.take() {
            self.lists.truncate(wanted.list);
            (self.unreadable, self.at_content) = (Some(wanted.list), false);
        }
    }

    fn want(&mut self, chunk: ChunkId, length: u64, list: usize) -> Result<(), InvalidList> {
        self.list_bytes = self.list_bytes.saturating_add(length);
        if self.list_bytes > LIST_BYTES_MAX {
            return Err(InvalidList::TooLong);
        }
        if length > CHUNK_BYTES_MAX as u64 || length == 0 || list >= LISTS_MAX {
            return Err(InvalidList::Damaged);
        }
        self.wanted = Some(Wanted { chunk, length, list });
        Ok(())
    }

    fn content(&mut self, extent: Extent) -> Result<Step, InvalidList> {
        let bytes_max = extent.chunk.map_or(u64::MAX, |_| CHUNK_BYTES_MAX as u64);
        let fits = (1..=bytes_max).contains(&extent.length);
        let left = self.content_left.checked_sub(extent.length).filter(|_| fits);
        self.content_left = left.ok_or(InvalidList::Length)?;
        Ok(Step::Extent(extent))
    }

    fn end(&self) -> Result<Step, InvalidList> {
        if self.unreadable.is_some() {
            Ok(Step::End)
        } else if self.lists.iter().any(|list| list.at < list.bytes.len()) {
            Err(InvalidList::Damaged)
        } else if self.content_left > 0 {
            Err(InvalidList::Length)
        } else {
            Ok(Step::End)
        }
    }
}

/// The content's extents, one after the other; `fetch` gives the chunks of its lists. Ends with the first error.
pub fn extents(
    manifest: &Manifest,
    mut fetch: impl FnMut(ChunkId) -> Option<Vec<u8>>,
) -> impl Iterator<Item = Result<Extent, InvalidList>> {
    let mut reader = Some(ExtentReader::new(manifest));
    std::iter::from_fn(move || {
        let next = next_extent(reader.as_mut()?, &mut fetch).transpose();
        if !matches!(next, Some(Ok(_))) {
            reader = None;
        }
        next
    })
}

fn next_extent(
    reader: &mut ExtentReader,
    fetch: &mut impl FnMut(ChunkId) -> Option<Vec<u8>>,
) -> Result<Option<Extent>, InvalidList> {
    loop {
        match reader.step()? {
            Step::Extent(extent) => return Ok(Some(extent)),
            Step::Fetch(chunk) => reader.take(&fetch(chunk).ok_or(InvalidList::Missing(chunk))?)?,
            Step::Named(chunk) => return Err(InvalidList::Missing(chunk)),
            Step::End => return Ok(None),
        }
    }
}
