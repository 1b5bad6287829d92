//! The repeater's requests, answered from the stage. None of them changes anything.
//!
//! A call is answered with success only if it is the one that the repeater was told to make, and if the kernel has
//! asked for its names first: else it goes by what it had remembered, and may be about another file.

use super::figure::{Figure, is_phantom};
use super::order::Deed;
use super::stage::{Part, Stage, Step};
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
            _ => matches!(deed, Deed::MakeEmpty | Deed::MakeOther),
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

    /// A file opened. It may lose its content with that only where it is a phantom.
    pub(in crate::fuse) fn open(&self, pid: u32, number: u64) -> Answered<(FileHandle, FopenFlags)> {
        let opens = |step: &Step| {
            let deed = if is_phantom(number) { Deed::Write } else { Deed::Close };
            step.deed == deed && step.is_about(number)
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
        let sets = |step: &Step| matches!(step.deed, Deed::Change | Deed::Touch) && step.is_about(number);
        Some(
            answered
                .and_then(|attributes| self.act(pid, sets).unwrap_or(Err(Errno::EPERM)).map(|()| attributes)),
        )
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
            // An earlier one's call would be seen beside the one that is to be made now.
            let is_former = self.repeater.load(Ordering::SeqCst) != pid;
            let step = scene.step.as_mut().filter(|step| !is_former && is_told(step)).ok_or(Errno::EIO)?;
            step.done = true;
            Ok(())
        })
    }
}

impl Step {
    /// Tells whether what the step is about is this inode, and the kernel knows it by what it was told here.
    fn is_about(&self, number: u64) -> bool {
        self.at.asked && self.at.figure.is_some_and(|figure| figure.number == number)
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::watch::figure::Phantoms;
    use crate::model::Name;
    use crate::sync::member::Spot;

    const REPEATER: u32 = 4711;
    const FILE: Figure = Figure { number: 9, kind: Kind::File };

    fn part(name: &str, figure: Option<Figure>) -> Part {
        Part::new(&Spot { directory: Ino(1), name: Name::new(name.as_bytes()).unwrap() }, figure)
    }

    /// A stage on which the repeater has been told to do something at the name `f`.
    fn told(deed: Deed, figure: Option<Figure>) -> Stage {
        let stage = Stage::default();
        stage.repeater.store(REPEATER, Ordering::SeqCst);
        let to = matches!(deed, Deed::Move).then(|| part("g", None));
        stage.begin(Step::new(deed, part("f", figure), to));
        stage
    }

    fn ask(stage: &Stage, name: &str) -> Option<u64> {
        let found = stage.lookup(REPEATER, 1, name.as_bytes(), stat)?;
        Some(found.map_or(0, |attributes| attributes.ino.0))
    }

    fn stat(ino: Ino) -> Option<FileAttr> {
        (ino == Ino(FILE.number)).then(|| FileAttr { size: 77, ..FILE.attributes() })
    }

    fn is_ok<T>(answered: Answered<T>) -> bool {
        answered.expect("the request is the repeater's").is_ok()
    }

    #[test]
    fn a_call_has_been_made_once_the_request_that_decides_is_answered() {
        let stage = told(Deed::Remove, Some(FILE));
        assert_eq!(ask(&stage, "f"), Some(FILE.number));
        assert!(!stage.end(), "a repeater that ends here has removed nothing");
        let stage = told(Deed::Remove, Some(FILE));
        ask(&stage, "f");
        assert!(is_ok(stage.remove(REPEATER, 1, b"f")));
        assert!(stage.end(), "a repeater that ends here has removed it");
        assert!(!is_ok(stage.remove(REPEATER, 1, b"f")), "and is told to remove nothing more");
    }

    #[test]
    fn making_and_moving_are_decided_by_one_answer() {
        for (deed, kind) in [
            (Deed::MakeEmpty, Kind::File),
            (Deed::MakeOther, Kind::File),
            (Deed::MakeDirectory, Kind::Directory),
        ] {
            let stage = told(deed, None);
            assert_eq!(ask(&stage, "f"), Some(0));
            assert!(is_ok(stage.make(REPEATER, 1, b"f", kind)) && stage.end(), "{deed:?}");
        }
        let stage = told(Deed::Move, Some(FILE));
        ask(&stage, "f");
        assert!(
            !is_ok(stage.rename(REPEATER, (1, b"f"), (1, b"g"))),
            "the kernel knows one name from before"
        );
        ask(&stage, "g");
        assert!(is_ok(stage.rename(REPEATER, (1, b"f"), (1, b"g"))) && stage.end());
    }

    #[test]
    fn a_file_may_lose_its_content_where_it_is_a_phantom_and_nowhere_else() {
        let phantom = Phantoms::new().next(Kind::File);
        let stage = told(Deed::Write, Some(phantom));
        ask(&stage, "f");
        assert!(is_ok(stage.open(REPEATER, phantom.number)) && stage.end());
        let stage = told(Deed::Write, Some(FILE));
        ask(&stage, "f");
        assert!(!is_ok(stage.open(REPEATER, FILE.number)) && !stage.end());
        let stage = told(Deed::Close, Some(FILE));
        ask(&stage, "f");
        assert!(!is_ok(stage.open(REPEATER, FILE.number + 1)));
        assert!(is_ok(stage.open(REPEATER, FILE.number)) && stage.end());
    }

    #[test]
    fn attributes_are_answered_as_they_are_and_set_by_nobody() {
        for deed in [Deed::Change, Deed::Touch] {
            let stage = told(deed, Some(FILE));
            assert!(!is_ok(stage.set_attributes(REPEATER, FILE.number, stat)), "its name was not asked for");
            ask(&stage, "f");
            let set = stage.set_attributes(REPEATER, FILE.number, stat).unwrap().unwrap();
            assert!(set.size == 77 && stage.end(), "{deed:?}");
        }
        let stage = told(Deed::Remove, Some(FILE));
        ask(&stage, "f");
        assert!(!is_ok(stage.set_attributes(REPEATER, FILE.number, stat)) && !stage.end());
        let stage = told(Deed::Touch, Some(FILE));
        ask(&stage, "f");
        assert!(!is_ok(stage.set_attributes(REPEATER, 8, stat)) && !stage.end(), "an inode that is no more");
    }

    #[test]
    fn what_others_ask_for_is_not_answered_here_and_decides_nothing() {
        let stage = told(Deed::Remove, Some(FILE));
        ask(&stage, "f");
        stage.former.store(REPEATER + 2, Ordering::SeqCst);
        assert!(
            !is_ok(stage.remove(REPEATER + 2, 1, b"f")),
            "an earlier repeater has nothing to do any more"
        );
        for pid in [0, 1, REPEATER + 1] {
            assert!(stage.lookup(pid, 1, b"f", stat).is_none() && stage.remove(pid, 1, b"f").is_none());
            assert!(stage.set_attributes(pid, FILE.number, stat).is_none() && !stage.refuse(pid));
        }
        assert!(!stage.end());
    }
}
