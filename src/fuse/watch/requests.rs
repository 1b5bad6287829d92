//! The repeater's requests, answered from the stage. None of them changes anything.
//!
//! A call is answered with success only if it is the one that the repeater was told to make, and if the kernel has
//! asked for its names first: else it goes by what it had remembered, and may be about another file.

use super::figure::Figure;
use super::order::Deed;
use super::stage::{Part, Progress, Stage, Step};
use crate::model::Kind;
use crate::sync::member::Ino;
use fuser::{Errno, FileAttr, FileHandle, FopenFlags};
use std::sync::atomic::Ordering;

/// The repeater's open files; none of the volume's handles has this number.
const HANDLE: FileHandle = FileHandle(u64::MAX);
/// Its files share nothing with others': no pages, no mode of access.
const FLAGS: FopenFlags =
    FopenFlags::FOPEN_DIRECT_IO.union(FopenFlags::FOPEN_KEEP_CACHE).union(FopenFlags::FOPEN_NOFLUSH);

/// What the repeater is answered; None where the request is not its own.
pub type Answered<T> = Option<Result<T, Errno>>;

impl Stage {
    /// Tells whether a process is the repeater, or an earlier daemon's.
    fn is_repeater(&self, pid: u32) -> bool {
        let is = |process: u32| process == pid && pid != 0;
        is(self.repeater.load(Ordering::SeqCst)) || is(self.former.load(Ordering::SeqCst))
    }

    pub(in crate::fuse) fn is_staged_handle(&self, handle: FileHandle) -> bool {
        handle == HANDLE
    }

    /// The inode that a name leads to. None also where the repeater is to be answered like anybody.
    pub(in crate::fuse) fn lookup(
        &self,
        pid: u32,
        directory: u64,
        name: &[u8],
        stat: impl Fn(Ino) -> Option<FileAttr>,
    ) -> Answered<FileAttr> {
        if self.greeting.load(Ordering::SeqCst)
            && let Some(found) = self.greet(pid, directory, name)
        {
            return Some(Ok(found.attributes()));
        }
        if !self.is_repeater(pid) {
            return None;
        }
        let (figure, removes) = {
            let mut scene = self.scene.lock();
            let greeting = scene.greeting.as_ref();
            if let Some((known, figure)) = greeting.filter(|_| directory == Ino::ROOT.0)
                && known == name
            {
                return Some(Ok(figure.attributes()));
            }
            let shown = scene.shown_under(directory, name);
            match scene.step.as_mut().and_then(|step| step.part(directory, name)) {
                Some((part, removes)) => {
                    part.asked = true;
                    (part.figure, removes)
                }
                None => {
                    let stand_in = |watched| self.phantoms.stand_in(&watched, |_| true);
                    (shown?.map(stand_in), false)
                }
            }
        };
        Some(figure.map(|figure| attributes_of(figure, removes, stat)).ok_or(Errno::ENOENT))
    }

    fn greet(&self, pid: u32, directory: u64, name: &[u8]) -> Option<Figure> {
        let scene = self.scene.lock();
        let (known, figure) = scene.greeting.as_ref().filter(|_| directory == Ino::ROOT.0)?;
        let found = (known == name && pid != 0).then_some(*figure)?;
        // Once is enough: nobody else may come by this name.
        self.greeting.store(false, Ordering::SeqCst);
        self.repeater.store(pid, Ordering::SeqCst);
        Some(found)
    }

    /// A new name.
    pub(in crate::fuse) fn make(
        &self,
        pid: u32,
        directory: u64,
        name: &[u8],
        kind: Kind,
    ) -> Answered<FileAttr> {
        let makes = |deed: Deed| match kind {
            Kind::Directory => deed == Deed::MakeDirectory,
            _ => matches!(deed, Deed::MakeEmpty | Deed::MakeFull | Deed::MakeOther),
        };
        let made = self.act(pid, |step| makes(step.deed) && step.at.is(directory, name) && step.at.asked)?;
        Some(made.map(|_| self.phantoms.next(kind).attributes()))
    }

    /// A name gone.
    pub(in crate::fuse) fn remove(&self, pid: u32, directory: u64, name: &[u8]) -> Answered<()> {
        let removes = |step: &Step| {
            let deed = matches!(step.deed, Deed::Remove | Deed::RemoveDirectory);
            deed && step.at.is(directory, name) && step.at.asked
        };
        self.act(pid, removes)
    }

    /// A name changed.
    pub(in crate::fuse) fn rename(
        &self,
        pid: u32,
        (directory, name): (u64, &[u8]),
        (new_directory, new_name): (u64, &[u8]),
    ) -> Answered<()> {
        let moves = |step: &Step| {
            let deed = matches!(step.deed, Deed::Move | Deed::Exchange);
            let to = step.to.as_ref().is_some_and(|to| to.is(new_directory, new_name) && to.asked);
            deed && to && step.at.is(directory, name) && step.at.asked
        };
        self.act(pid, moves)
    }

    /// A call that the repeater is never told to make.
    pub(in crate::fuse) fn refuse(&self, pid: u32) -> bool {
        self.is_repeater(pid)
    }

    /// A file opened.
    pub(in crate::fuse) fn open(&self, pid: u32, number: u64) -> Answered<(FileHandle, FopenFlags)> {
        let opens = |step: &Step| {
            let found = step.at.figure.is_some_and(|figure| figure.number == number);
            step.deed == Deed::Write && found && step.at.asked
        };
        Some(self.act(pid, opens)?.map(|_| self.handle()))
    }

    /// How the repeater's files are open.
    pub(in crate::fuse) fn handle(&self) -> (FileHandle, FopenFlags) {
        (HANDLE, FLAGS)
    }

    /// An inode's attributes, asked to be changed.
    pub(in crate::fuse) fn set_attributes(
        &self,
        pid: u32,
        number: u64,
        stat: impl Fn(Ino) -> Option<FileAttr>,
    ) -> Answered<FileAttr> {
        let answered = self.attributes(pid, number, stat)?;
        if let Some(step) = self.scene.lock().step.as_mut().filter(|_| self.is_repeater(pid)) {
            step.progress = Progress::Done;
        }
        Some(answered)
    }

    /// An inode's attributes. Phantoms are nobody's but the repeater's.
    pub(in crate::fuse) fn attributes(
        &self,
        pid: u32,
        number: u64,
        stat: impl Fn(Ino) -> Option<FileAttr>,
    ) -> Answered<FileAttr> {
        if let Some(figure) = Figure::of_number(number) {
            return Some(Ok(figure.attributes()));
        }
        self.is_repeater(pid).then(|| {
            // What a step is about may be no more.
            let shown = |figure: &Figure| figure.number == number;
            let figure = || self.scene.lock().step.as_ref()?.at.figure.filter(shown).map(Figure::attributes);
            stat(Ino(number)).or_else(figure).ok_or(Errno::ESTALE)
        })
    }

    /// Compares the repeater's call with what it was told.
    fn act(&self, pid: u32, is_told: impl Fn(&Step) -> bool) -> Answered<()> {
        self.is_repeater(pid).then(|| {
            let mut scene = self.scene.lock();
            let step = scene.step.as_mut().filter(|step| is_told(step)).ok_or(Errno::EIO)?;
            step.progress = match step.deed {
                Deed::MakeFull => Progress::Made,
                Deed::Write => Progress::Begun,
                _ => Progress::Done,
            };
            Ok(())
        })
    }
}

impl Step {
    /// The part that a name is, and whether the name is about to be taken from it.
    fn part(&mut self, directory: u64, name: &[u8]) -> Option<(&mut Part, bool)> {
        if self.at.is(directory, name) {
            let removes = matches!(self.deed, Deed::Remove | Deed::RemoveDirectory);
            return Some((&mut self.at, removes));
        }
        let replaces = self.deed == Deed::Move;
        self.to.as_mut().filter(|to| to.is(directory, name)).map(|to| (to, replaces))
    }
}

/// An inode as it is, or as it may have been. The kernel counts a name down where one is removed; what is left of them
/// is counted already.
fn attributes_of(figure: Figure, removes: bool, stat: impl Fn(Ino) -> Option<FileAttr>) -> FileAttr {
    let real = Figure::of_number(figure.number).is_none().then(|| stat(Ino(figure.number))).flatten();
    let Some(real) = real else { return figure.attributes() };
    let is_directory = figure.kind == Kind::Directory;
    FileAttr { nlink: real.nlink + u32::from(removes && !is_directory), ..real }
}
