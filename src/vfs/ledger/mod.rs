//! What must outlive this process although only the kernel's conversation with it needs it: a small log in a file that
//! whoever starts the next process holds open.
//!
//! Invariant: what was put is there after a kill at any moment, or not at all; the record being written then is told by
//! its checksum. The file is memory: nothing here survives the loss of power, and nothing has to, since the mount does
//! not either.
//! A record is written by a store to the file's memory, which stays when this process dies, or by a call where it is long.
//! Order: records are written behind one another; where most of them are old, those that count are written again behind
//! the rest, and then the header's one word says that the log begins there.

mod window;

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use window::{WINDOW_BYTES, Window};

/// The first word of the file: what it is, and the format of its records.
const MARK: u64 = u64::from_le_bytes(*b"fl0wled1");
const HEADER_BYTES: u64 = 16;
/// Length, checksum, kind and key.
const FRAME_BYTES: usize = 17;
const REMOVED: u8 = 0x80;
/// A log is written anew when it is longer than this and than a few times what counts of it.
const LOG_BYTES_MIN: u64 = 1024 * 1024;
const LOG_TIMES_MAX: u64 = 4;
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a record is about. The numbers are kept: the next process may be of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// How the kernel began the conversation.
    Beginning = 1,
    /// How many processes there were before.
    Incarnation = 2,
    /// An open file, by its number.
    Handle = 3,
    /// What is left of an unlinked inode, by inode.
    Orphan = 4,
    /// A change of names being made, by request.
    Change = 5,
    /// An access time that was set, by inode.
    AccessTime = 6,
    /// A file that the kernel reads and writes itself, by inode: its number with the kernel, and the backing file's.
    Passthrough = 7,
    /// The kernel is to be told of rows that are being changed.
    Untold = 8,
    /// What was fsynced and is still to be described, by the number of its copy: later ones have greater numbers.
    Sealed = 9,
}

const KINDS: [Kind; 9] = [
    Kind::Beginning,
    Kind::Incarnation,
    Kind::Handle,
    Kind::Orphan,
    Kind::Change,
    Kind::AccessTime,
    Kind::Passthrough,
    Kind::Untold,
    Kind::Sealed,
];

/// Records by kind and number. One without a file keeps nothing.
#[derive(Default)]
pub struct Ledger {
    log: Option<Mutex<Log>>,
}

struct Log {
    file: File,
    /// Where the file was written last.
    window: Option<Window>,
    start: u64,
    end: u64,
    live: BTreeMap<(Kind, u64), Vec<u8>>,
    live_bytes: u64,
}

impl Ledger {
    /// Reads what an earlier process left in the file, or begins in an empty one.
    ///
    /// # Errors
    /// `InvalidData` where another format stands in it; those of `read(2)`.
    pub fn open(file: File) -> io::Result<Ledger> {
        let mut log = Log {
            file,
            window: None,
            start: HEADER_BYTES,
            end: HEADER_BYTES,
            live: BTreeMap::new(),
            live_bytes: 0,
        };
        match log.file.metadata()?.len() {
            0 => log.write_header()?,
            length => log.read(length)?,
        }
        Ok(Ledger { log: Some(Mutex::new(log)) })
    }

    pub fn put(&self, kind: Kind, key: u64, value: &[u8]) {
        if let Some(log) = &self.log {
            let mut log = log.lock();
            log.report(kind, |log| log.append(kind as u8, key, value));
            log.keep(kind, key, value.to_vec());
            log.tidy();
        }
    }

    pub fn remove(&self, kind: Kind, key: u64) {
        if let Some(log) = &self.log {
            let mut log = log.lock();
            if log.forget(kind, key) {
                log.report(kind, |log| log.append(kind as u8 | REMOVED, key, &[]));
                log.tidy();
            }
        }
    }

    pub fn get(&self, kind: Kind, key: u64) -> Option<Vec<u8>> {
        self.log.as_ref()?.lock().live.get(&(kind, key)).cloned()
    }

    /// All records of a kind, by number.
    pub fn all(&self, kind: Kind) -> Vec<(u64, Vec<u8>)> {
        let Some(log) = &self.log else { return Vec::new() };
        let log = log.lock();
        let records = log.live.range((kind, 0)..=(kind, u64::MAX));
        records.map(|((_, key), value)| (*key, value.clone())).collect()
    }
}

impl Log {
    fn write_header(&self) -> io::Result<()> {
        self.file.write_all_at(&MARK.to_le_bytes(), 0)?;
        self.file.write_all_at(&self.start.to_le_bytes(), 8)
    }

    fn read(&mut self, length: u64) -> io::Result<()> {
        let mut header = [0; HEADER_BYTES as usize];
        self.file.read_exact_at(&mut header, 0)?;
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        if word(0) != MARK {
            let detail = "what an earlier process left for this one is of another format";
            return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
        }
        (self.start, self.end) = (word(8), word(8));
        let mut bytes = vec![0; usize::try_from(length.saturating_sub(self.start)).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, self.start)?;
        let mut rest = bytes.as_slice();
        while let Some((record, length)) = Record::read(rest) {
            self.take(&record);
            self.end += length as u64;
            rest = &rest[length..];
        }
        Ok(())
    }

    /// A kind that a later version has made is passed over: whoever wrote it knew that this could happen.
    fn take(&mut self, record: &Record) {
        let kind = KINDS.into_iter().find(|kind| *kind as u8 == record.kind & !REMOVED);
        match kind {
            Some(kind) if record.kind & REMOVED == 0 => self.keep(kind, record.key, record.value.to_vec()),
            Some(kind) => _ = self.forget(kind, record.key),
            None => {}
        }
    }

    fn keep(&mut self, kind: Kind, key: u64, value: Vec<u8>) {
        self.live_bytes += (FRAME_BYTES + value.len()) as u64;
        if let Some(old) = self.live.insert((kind, key), value) {
            self.live_bytes -= (FRAME_BYTES + old.len()) as u64;
        }
    }

    fn forget(&mut self, kind: Kind, key: u64) -> bool {
        let old = self.live.remove(&(kind, key));
        self.live_bytes -= old.as_ref().map_or(0, |old| (FRAME_BYTES + old.len()) as u64);
        old.is_some()
    }

    fn append(&mut self, kind: u8, key: u64, value: &[u8]) -> io::Result<()> {
        let record = Record { kind, key, value }.to_bytes();
        self.write(&record, self.end)?;
        self.end += record.len() as u64;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let covers = |window: &Window| window.covers(offset, bytes.len());
        if !self.window.as_ref().is_some_and(covers) && bytes.len() <= WINDOW_BYTES / 2 {
            // Where there is none, the call says why.
            self.window = Window::open(&self.file, offset).ok();
        }
        match self.window.as_mut().filter(|window| covers(window)) {
            Some(window) => window.write(bytes, offset),
            None => self.file.write_all_at(bytes, offset)?,
        }
        Ok(())
    }

    fn tidy(&mut self) {
        if self.end - self.start > LOG_BYTES_MIN.max(LOG_TIMES_MAX * self.live_bytes) {
            self.report(Kind::Beginning, Log::write_anew);
        }
    }

    fn write_anew(&mut self) -> io::Result<()> {
        let (old, new) = (self.start, self.end);
        let records = self
            .live
            .iter()
            .flat_map(|((kind, key), value)| Record { kind: *kind as u8, key: *key, value }.to_bytes());
        let bytes: Vec<u8> = records.collect();
        self.write(&bytes, new)?;
        self.file.write_all_at(&new.to_le_bytes(), 8)?;
        (self.start, self.end) = (new, new + bytes.len() as u64);
        // A window that was opened since may have taken room before the log's start anew. The header shares its page with the
        // first records.
        let dead = Window::beginning(old).max(HEADER_BYTES);
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.file, hole, dead, new - dead)?)
    }

    /// Without memory for it, what is asked of this process goes on; only its death would then be noticed.
    fn report(&mut self, kind: Kind, write: impl FnOnce(&mut Log) -> io::Result<()>) {
        if let Err(error) = write(self) {
            tracing::error!(?kind, %error, "what is to outlive this process could not be written");
        }
    }
}

struct Record<'a> {
    kind: u8,
    key: u64,
    value: &'a [u8],
}

impl Record<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.value.len()).expect("records are short");
        let mut bytes = Vec::with_capacity(FRAME_BYTES + self.value.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(self.kind);
        bytes.extend_from_slice(&self.key.to_le_bytes());
        bytes.extend_from_slice(self.value);
        let sum = checksum(&bytes[8..]);
        bytes[4..8].copy_from_slice(&sum);
        bytes
    }

    /// The record that `bytes` begin with, and its length there; none at the end of the log.
    fn read(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
        let frame = bytes.get(..FRAME_BYTES)?;
        let length = u32::from_le_bytes(frame[..4].try_into().ok()?) as usize;
        if length > RECORD_BYTES_MAX {
            return None;
        }
        let value = bytes.get(FRAME_BYTES..FRAME_BYTES + length)?;
        let whole = &bytes[8..FRAME_BYTES + length];
        let key = u64::from_le_bytes(frame[9..17].try_into().ok()?);
        let is_whole = checksum(whole) == frame[4..8];
        is_whole.then_some((Record { kind: frame[8], key, value }, FRAME_BYTES + length))
    }
}

/// Never 0 for bytes that nobody wrote.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let hash = blake3::hash(bytes);
    hash.as_bytes()[..4].try_into().expect("a hash has more than four bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(file: &File) -> Ledger {
        Ledger::open(file.try_clone().unwrap()).unwrap()
    }

    #[test]
    fn what_was_put_is_there_for_the_next_process_and_what_was_removed_is_not() {
        let file = tempfile::tempfile().unwrap();
        let ledger = reopened(&file);
        ledger.put(Kind::Handle, 1, b"one");
        ledger.put(Kind::Handle, 2, b"two");
        ledger.put(Kind::Orphan, 1, b"");
        ledger.put(Kind::Handle, 1, b"another");
        ledger.remove(Kind::Handle, 2);
        ledger.remove(Kind::Handle, 7);
        let next = reopened(&file);
        assert_eq!(next.all(Kind::Handle), [(1, b"another".to_vec())]);
        assert_eq!(next.get(Kind::Orphan, 1), Some(Vec::new()));
        next.put(Kind::Handle, 3, b"three");
        assert_eq!(reopened(&file).all(Kind::Handle).len(), 2);
    }

    #[test]
    fn a_record_cut_off_at_any_byte_is_none_and_the_next_one_takes_its_place() {
        let file = tempfile::tempfile().unwrap();
        let end = |ledger: &Ledger| ledger.log.as_ref().unwrap().lock().end;
        let ledger = reopened(&file);
        ledger.put(Kind::Handle, 1, b"whole");
        let length = end(&ledger);
        ledger.put(Kind::Handle, 2, b"torn");
        let torn = length..end(&ledger);
        drop(ledger);
        assert_eq!(reopened(&file).all(Kind::Handle).len(), 2);
        for cut in torn.rev() {
            file.set_len(cut).unwrap();
            assert_eq!(reopened(&file).all(Kind::Handle), [(1, b"whole".to_vec())], "{cut}");
        }
        reopened(&file).put(Kind::Handle, 3, b"next");
        assert_eq!(reopened(&file).all(Kind::Handle).len(), 2);
    }

    #[test]
    fn a_log_stays_short_however_much_is_put() {
        let file = tempfile::tempfile().unwrap();
        let ledger = reopened(&file);
        ledger.put(Kind::Beginning, 0, b"kept");
        for number in 0..300_000u64 {
            ledger.put(Kind::Change, number, &[7; 200]);
            ledger.remove(Kind::Change, number);
        }
        use std::os::unix::fs::MetadataExt;
        let start = ledger.log.as_ref().unwrap().lock().start;
        let (held, end) = (file.metadata().unwrap().blocks() * 512, file.metadata().unwrap().len());
        assert!(held < LOG_BYTES_MIN + 2 * WINDOW_BYTES as u64, "{held}");
        // Of what was there before, only the header's page is.
        assert!(held <= end - Window::beginning(start) + window::PAGE_BYTES_MAX, "{held}");
        assert_eq!(reopened(&file).all(Kind::Beginning), [(0, b"kept".to_vec())]);
        assert_eq!(reopened(&file).all(Kind::Change), []);
    }

    #[test]
    fn another_format_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 64], 0).unwrap();
        let refused = Ledger::open(file).err().map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::InvalidData));
    }
}
