//! A large content that is read before it is whole: the pieces that are read come, and some ahead of them.
//!
//! Invariant: a reader gets bytes of this content alone, each chunk verified before it counts as present; what is
//! present is not taken away under a reader. The staged file becomes the backing file when nothing is missing.

use super::keeper::Cache;
use crate::content::CHUNK_BYTES_MAX;
use crate::member::aside::Here;
use crate::member::assemble::Assembler;
use crate::member::content::{ContentError, Nearby, Piece, Wanted, all_pieces, fetch_chunks};
use crate::member::fetch::arrived;
use crate::member::files::Arriving;
use crate::member::shared::Shared;
use crate::model::{ChunkId, Digest, Manifest, NodeId};
use crate::store::Staging;
use crate::sync::member::{Ino, content_of};
use crate::vfs::{NotMaterialized, Pieces};
use parking_lot::{Condvar, Mutex, RwLock};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::task::block_in_place;

/// Smaller contents come whole.
const PIECEWISE_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// Pieces of one content held in memory: 40 MiB of them, for some 64 GiB. Longer contents come whole.
const PIECES_MAX: usize = 1 << 20;
/// How far it is read ahead, in bytes: from the first to the last where reading goes on in order.
const AHEAD_BYTES: Range<u64> = 1024 * 1024..8 * 1024 * 1024;
/// Contents nobody reads any more that are kept for the next reader.
const CLOSED_MAX: usize = 8;

/// Where a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Away,
    Coming,
    Here,
}

struct State {
    places: Vec<Place>,
    missing: usize,
    /// Where reading goes on if it is in order.
    next: u64,
    ahead: u64,
    /// Fetches that failed, and how the last did.
    failures: u64,
    last_failure: Option<ContentError>,
}

/// A content in pieces.
pub struct Partial {
    shared: Weak<Shared>,
    node: NodeId,
    ino: Ino,
    pub content: Digest,
    manifest: Manifest,
    pieces: Vec<Piece>,
    file: File,
    /// None once it is whole.
    staging: Mutex<Option<Staging>>,
    state: Mutex<State>,
    changed: Condvar,
    /// Held shared while present bytes are read.
    reading: RwLock<()>,
    bytes: AtomicU64,
}

impl Shared {
    /// The inode's content in pieces, for a handle that reads; none where it is here, or is better fetched whole.
    pub(in crate::member) fn content_in_pieces(self: &Arc<Self>, ino: Ino) -> Option<Arc<Partial>> {
        let (node, manifest) = self.volume().replica().read_in_pieces(ino, PIECEWISE_BYTES_MIN)?;
        let content = content_of(&manifest);
        if let Some(partial) = self.cache.partial(content) {
            return Some(partial);
        }
        let made = self.new_partial(node, ino, manifest);
        made.unwrap_or_else(|error| {
            tracing::debug!(%error, "a content is not read in pieces");
            None
        })
    }

    fn new_partial(
        self: &Arc<Self>,
        node: NodeId,
        ino: Ino,
        manifest: Manifest,
    ) -> Result<Option<Arc<Partial>>, ContentError> {
        let nearby = Here::of(self, node, &manifest);
        let connection = self.connected();
        let pieces =
            self.runtime().block_on(all_pieces(connection.as_ref(), &nearby, &manifest, PIECES_MAX))?;
        let Some(pieces) = pieces else { return Ok(None) };
        let staging = Arriving(self).begin(manifest.length, 0)?;
        let state = State {
            places: vec![Place::Away; pieces.len()],
            missing: pieces.len(),
            next: 0,
            ahead: AHEAD_BYTES.start,
            failures: 0,
            last_failure: None,
        };
        let partial = Arc::new(Partial {
            shared: Arc::downgrade(self),
            node,
            ino,
            content: content_of(&manifest),
            file: staging.file().try_clone()?,
            manifest,
            pieces,
            staging: Mutex::new(Some(staging)),
            state: Mutex::new(state),
            changed: Condvar::new(),
            reading: RwLock::new(()),
            bytes: AtomicU64::new(0),
        });
        Ok(Some(self.cache.keep_partial(partial)))
    }
}

impl Cache {
    pub(super) fn partial(&self, content: Digest) -> Option<Arc<Partial>> {
        self.partials.lock().iter().find(|partial| partial.content == content).cloned()
    }

    /// Keeps a content for later readers; the same one, if another has begun it meanwhile.
    fn keep_partial(&self, partial: Arc<Partial>) -> Arc<Partial> {
        let mut partials = self.partials.lock();
        if let Some(known) = partials.iter().find(|known| known.content == partial.content) {
            return known.clone();
        }
        partials.push(partial.clone());
        let mut closed = partials.iter().filter(|partial| Arc::strong_count(partial) == 1).count();
        partials.retain(|partial| {
            let goes = closed > CLOSED_MAX && Arc::strong_count(partial) == 1;
            closed -= usize::from(goes);
            !goes
        });
        partial
    }

    /// Lets go of contents in pieces that nobody reads.
    pub(super) fn drop_closed_partials(&self) {
        let mut partials = self.partials.lock();
        let (open, closed) = partials.drain(..).partition(|partial| Arc::strong_count(partial) > 1);
        *partials = open;
        drop(partials);
        drop::<Vec<_>>(closed);
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.uncount(self.bytes.load(Ordering::SeqCst));
    }
}

impl Partial {
    fn uncount(&self, bytes: u64) {
        if let Some(shared) = self.shared.upgrade() {
            shared.cache.partial_bytes.fetch_sub(bytes, Ordering::SeqCst);
        }
    }

    /// The pieces that a range of the content touches.
    fn touched(&self, range: Range<u64>) -> Range<usize> {
        let first = self.pieces.partition_point(|piece| piece.offset + piece.length <= range.start);
        let end = self.pieces.partition_point(|piece| piece.offset < range.end);
        first..end.max(first)
    }

    /// Marks those of these pieces as coming that are away, and has them fetched.
    fn begin_fetch(self: &Arc<Self>, state: &mut State, pieces: impl Iterator<Item = usize>) {
        let away: Vec<usize> = pieces.filter(|piece| state.places[*piece] == Place::Away).collect();
        let Some(shared) = self.shared.upgrade().filter(|_| !away.is_empty()) else { return };
        away.iter().for_each(|piece| state.places[*piece] = Place::Coming);
        let partial = self.clone();
        shared.runtime().clone().spawn(async move { partial.fetch(&shared, away).await });
    }

    /// Fetches pieces that are marked as coming.
    async fn fetch(self: Arc<Self>, shared: &Arc<Shared>, pieces: Vec<usize>) {
        let fetched = self.try_fetch(shared, &pieces).await;
        let is_whole = {
            let mut state = self.state.lock();
            if let Err(error) = fetched {
                tracing::debug!(%error, "pieces could not be fetched");
                state.failures += 1;
                state.last_failure = Some(error);
            }
            for piece in pieces {
                if state.places[piece] == Place::Coming {
                    state.places[piece] = Place::Away;
                }
            }
            state.missing == 0
        };
        if is_whole && let Err(error) = block_in_place(|| self.finish(shared)) {
            tracing::warn!(%error, "a content could not be put among the others");
        }
        self.changed.notify_all();
    }

    async fn try_fetch(&self, shared: &Shared, pieces: &[usize]) -> Result<(), ContentError> {
        let bytes = pieces.iter().map(|piece| self.pieces[*piece].length).sum();
        block_in_place(|| {
            _ = shared.make_room(bytes);
            shared.check_room(bytes)
        })?;
        let mut away = Vec::new();
        {
            let nearby = block_in_place(|| Here::of(shared, self.node, &self.manifest));
            for piece in pieces {
                match block_in_place(|| nearby.piece(&self.pieces[*piece])) {
                    Some(bytes) => block_in_place(|| self.write(shared, *piece, &bytes))?,
                    None => away.push(*piece),
                }
            }
        }
        let connection = shared.wait_connected().await?;
        let chunks: Vec<ChunkId> = away.iter().map(|piece| self.pieces[*piece].chunk).collect();
        let mut next = away.iter();
        fetch_chunks(&connection, &chunks, |_, bytes| {
            let piece = next.next().expect("a piece per chunk");
            Ok(block_in_place(|| self.write(shared, *piece, &bytes))?)
        })
        .await
    }

    fn write(&self, shared: &Shared, piece: usize, bytes: &[u8]) -> io::Result<()> {
        // A chunk that is longer than the list says must not reach into the next.
        let fits = bytes.len() as u64 == self.pieces[piece].length && bytes.len() <= CHUNK_BYTES_MAX;
        if !fits {
            return Err(io::Error::other("a chunk has another length than its list says"));
        }
        self.file.write_all_at(bytes, self.pieces[piece].offset)?;
        shared.demand.note_arrival();
        let mut state = self.state.lock();
        if state.places[piece] != Place::Here {
            state.places[piece] = Place::Here;
            state.missing -= 1;
            self.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            shared.cache.partial_bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Nothing is missing any more: it becomes the backing file of whatever has this content now.
    fn finish(&self, shared: &Shared) -> io::Result<()> {
        let Some(staging) = self.staging.lock().take() else { return Ok(()) };
        let file = Arriving(shared).finish(staging)?;
        let node = shared.volume().replica().inode(self.ino).map_or(self.node, |inode| inode.node);
        arrived(shared, &Wanted { node, content: self.content, manifest: self.manifest.clone() }, file);
        self.uncount(self.bytes.swap(0, Ordering::SeqCst));
        shared.cache.partials.lock().retain(|partial| partial.content != self.content);
        Ok(())
    }

    /// Fetches all that is missing.
    pub(super) async fn fetch_all(self: Arc<Self>, shared: &Arc<Shared>) -> Result<(), ContentError> {
        const GROUP: usize = 64;
        for group in (0..self.pieces.len()).collect::<Vec<_>>().chunks(GROUP) {
            let away: Vec<usize> = {
                let mut state = self.state.lock();
                let away: Vec<usize> =
                    group.iter().copied().filter(|piece| state.places[*piece] != Place::Here).collect();
                away.iter().for_each(|piece| state.places[*piece] = Place::Coming);
                away
            };
            let failures = self.state.lock().failures;
            self.clone().fetch(shared, away).await;
            let mut state = self.state.lock();
            if state.failures > failures {
                return Err(state.last_failure.take().unwrap_or(ContentError::Late));
            }
        }
        Ok(())
    }

    /// Waits for the pieces of a range. Returns false at the deadline, or where they could not be fetched.
    fn wait_for(self: &Arc<Self>, range: &Range<u64>, deadline: Instant) -> bool {
        let wanted = self.touched(range.clone());
        let mut state = self.state.lock();
        let failures = state.failures;
        loop {
            if state.places[wanted.clone()].iter().all(|place| *place == Place::Here) {
                return true;
            }
            let is_away = state.places[wanted.clone()].contains(&Place::Away);
            if is_away && state.failures > failures {
                return false;
            }
            self.begin_fetch(&mut state, wanted.clone());
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return false;
            }
        }
    }

    /// Reads ahead where reading goes on in order.
    fn read_ahead(self: &Arc<Self>, range: &Range<u64>) {
        let mut state = self.state.lock();
        let slack = AHEAD_BYTES.start;
        let in_order = range.start <= state.next + slack && range.end + slack >= state.next;
        state.next = range.end.max(if in_order { state.next } else { 0 });
        if !in_order {
            state.ahead = AHEAD_BYTES.start;
            return;
        }
        let ahead = self.touched(state.next..state.next.saturating_add(state.ahead));
        // Half of it is waited for to be used up, so that what is fetched comes in long rows.
        let away = state.places[ahead.clone()].iter().filter(|place| **place == Place::Away).count();
        if away * 2 >= ahead.len() && away > 0 {
            state.ahead = (state.ahead * 2).min(AHEAD_BYTES.end);
            self.begin_fetch(&mut state, ahead);
        }
    }

    /// Where the cache is too small for what is read, what lies far from the reader goes again.
    fn shrink(&self, range: &Range<u64>) {
        let Some(shared) = self.shared.upgrade() else { return };
        if shared.make_room(0).is_ok() {
            return;
        }
        let staging = self.staging.lock();
        let Some(staging) = &*staging else { return };
        let near = self.touched(range.start.saturating_sub(AHEAD_BYTES.end)..range.end + 2 * AHEAD_BYTES.end);
        let _reading = self.reading.write();
        let mut state = self.state.lock();
        for (number, piece) in self.pieces.iter().enumerate() {
            if !near.contains(&number) && state.places[number] == Place::Here {
                if staging.punch(piece.offset, piece.length).is_err() {
                    return;
                }
                state.places[number] = Place::Away;
                state.missing += 1;
                self.bytes.fetch_sub(piece.length, Ordering::SeqCst);
                self.uncount(piece.length);
            }
        }
    }
}

/// One handle's view of a content in pieces.
pub struct PartialReader(pub Arc<Partial>);

impl Pieces for PartialReader {
    fn length(&self) -> u64 {
        self.0.manifest.length
    }

    fn has(&self, offset: u64, length: u64) -> bool {
        let wanted = self.0.touched(offset..offset.saturating_add(length));
        self.0.state.lock().places[wanted].iter().all(|place| *place == Place::Here)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8], deadline: Instant) -> Result<usize, NotMaterialized> {
        let partial = &self.0;
        let end = offset.saturating_add(buffer.len() as u64).min(self.length());
        if offset >= end {
            return Ok(0);
        }
        let range = offset..end;
        loop {
            if !partial.wait_for(&range, deadline) {
                partial.note_unread();
                return Err(NotMaterialized);
            }
            let reading = partial.reading.read();
            if !self.has(offset, end - offset) {
                continue;
            }
            let wanted = &mut buffer[..(end - offset) as usize];
            partial.file.read_exact_at(wanted, offset).map_err(|_| NotMaterialized)?;
            drop(reading);
            partial.read_ahead(&range);
            partial.shrink(&range);
            return Ok((end - offset) as usize);
        }
    }
}

impl Partial {
    fn note_unread(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let failure = self.state.lock().last_failure.take().unwrap_or(ContentError::Late);
        shared.note_unread(self.node, &failure);
    }
}
