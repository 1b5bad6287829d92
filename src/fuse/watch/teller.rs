//! The thread that tells watchers: takes sights in order, asks whether anybody looks, and has the repeater act.

use super::acts::{Act, Plan, Side, plan};
use super::companion::{Former, Repeater, Trace};
use super::held::Held;
use super::order::{Answer, At, Call, Marks, Order};
use super::queue::{Sights, Waiting};
use super::stage::{Part, Stage, Step, path_of};
use crate::model::{Kind, Name};
use crate::sync::Store;
use crate::sync::member::{Ino, Sight, Spot, Watched};
use crate::vfs::{ContentFiles, Volume};
use fuser::{INodeNo, Notifier};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// A system call on the mount takes a fraction of a millisecond; a repeater that takes so long hangs.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Looking at all processes takes at most one part in so many of the time.
const LOOK_SHARE: u32 = 20;
/// However long a look takes, the next one is not put off for longer.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(300);
/// Who was seen to watch is taken to watch still for so long.
const WATCHES_ON: Duration = Duration::from_secs(1);
/// How long nothing is told after a repeater could not be started.
const START_PAUSE: Duration = Duration::from_secs(5);
/// Times that a sight is tried where its call fails, and where the repeater does.
const CALL_TRIES: u32 = 3;
const REPEATER_TRIES: u32 = 10;
/// How often an earlier daemon's repeater is looked for while it may live.
const FORMER_CHECK: Duration = Duration::from_secs(1);

/// What telling watchers takes.
pub struct TellerSetup {
    pub stage: Arc<Stage>,
    pub sights: Sights,
    pub held: Held,
    /// Makes the command that starts a repeater.
    pub command: Box<dyn Fn() -> Command + Send>,
    pub trace: Trace,
}

/// Tells watchers, until its queue is closed.
pub struct Teller<S: Store, F: ContentFiles> {
    setup: TellerSetup,
    volume: Weak<Volume<S, F>>,
    notifier: Notifier,
    repeater: Option<Repeater>,
    former: Option<Former>,
    /// When no repeater could be had, many times in a row.
    failed: Option<Instant>,
    known: Option<Known>,
}

/// What was watched at a time.
struct Known {
    everything: bool,
    inodes: BTreeSet<u64>,
    begun: Instant,
    ended: Instant,
}

impl Known {
    fn is_watched(&self, ino: Ino) -> bool {
        self.everything || self.inodes.contains(&ino.0)
    }
}

/// Why a sight was not shown.
enum Failure {
    /// The call failed; the repeater is well.
    Call(i32),
    Repeater(io::Error),
    /// There is nothing left to show it on.
    Pointless,
}

impl<S, F> Teller<S, F>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    /// Starts the thread.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(
        setup: TellerSetup,
        volume: &Arc<Volume<S, F>>,
        notifier: Notifier,
    ) -> io::Result<thread::JoinHandle<()>> {
        let volume = Arc::downgrade(volume);
        let (repeater, failed, known) = (None, None, None);
        let former = setup.trace.former();
        let teller = Teller { setup, volume, notifier, repeater, former, failed, known };
        thread::Builder::new().name("tell-watchers".into()).spawn(move || teller.run())
    }

    fn run(mut self) {
        while let Some(first) = self.setup.sights.first(FORMER_CHECK) {
            self.forget_former();
            let Some(Waiting { sight, since }) = first else { continue };
            if let Err(error) = self.take(&sight, since) {
                tracing::debug!(%error, "watchers are not told of a change");
            }
            let volume = self.volume.upgrade();
            let ino_of =
                |watched: &Watched| volume.as_ref().and_then(|volume| volume.known_ino(watched.node));
            self.setup.stage.shown(&sight, ino_of);
            self.setup.sights.pop();
        }
        self.end_repeater();
    }

    fn forget_former(&mut self) {
        if !self.former.as_ref().is_some_and(Former::is_there) {
            self.former = None;
            self.setup.stage.former.store(0, Ordering::SeqCst);
        }
    }

    /// Tells whether nothing is tried for a while.
    fn rests(&self) -> bool {
        self.failed.is_some_and(|at| at.elapsed() < START_PAUSE)
    }

    /// Order: the stage knows the repeater until it is gone, else what it still asks for would be carried out; and no
    /// longer than that, else another process might be taken for it.
    fn end_repeater(&mut self) {
        self.known = None;
        self.setup.stage.greeting.store(false, Ordering::SeqCst);
        let Some(mut repeater) = self.repeater.take() else { return };
        while !repeater.end() {
            // Where all ends the next daemon knows it by its trace.
            if !self.setup.sights.pause(Duration::ZERO) {
                return;
            }
        }
        self.setup.stage.repeater.store(0, Ordering::SeqCst);
        repeater.bury();
    }

    fn take(&mut self, sight: &Sight, since: Instant) -> io::Result<()> {
        let (mut calls, mut repeaters) = (0, 0);
        let mut plan = None;
        loop {
            match self.try_to_show(sight, since, &mut plan) {
                Ok(()) => return Ok(()),
                Err(Failure::Pointless) => return Ok(()),
                Err(Failure::Call(errno)) => {
                    // The kernel may have remembered what it should have asked for.
                    sight.spots().into_iter().for_each(|spot| self.forget(spot));
                    calls += 1;
                    if calls == CALL_TRIES {
                        return Err(io::Error::from_raw_os_error(errno));
                    }
                }
                Err(Failure::Repeater(error)) => {
                    self.end_repeater();
                    repeaters += 1;
                    if self.rests() {
                        return Err(error);
                    }
                    if repeaters == REPEATER_TRIES {
                        self.failed = Some(Instant::now());
                    }
                }
            }
        }
    }

    fn forget(&self, spot: &Spot) {
        let name = OsStr::from_bytes(spot.name.as_bytes());
        if let Err(error) = self.notifier.inval_entry(INodeNo(spot.directory.0), name) {
            tracing::debug!(%error, "an invalidation was not taken");
        }
    }

    fn try_to_show(&mut self, sight: &Sight, since: Instant, plan: &mut Option<Plan>) -> Result<(), Failure> {
        let plan = match plan {
            Some(plan) => plan,
            None if !self.is_looked_at(sight, since).map_err(Failure::Repeater)? => return Ok(()),
            None => plan.insert(self.plan(sight).ok_or(Failure::Pointless)?),
        };
        let volume = self.volume.upgrade().ok_or(Failure::Pointless)?;
        while let Some(act) = plan.acts.front() {
            let (step, call) = self.call(&volume, act).ok_or(Failure::Pointless)?;
            self.act(step, call)?;
            plan.acts.pop_front();
        }
        if let Some((spot, ino)) = &plan.old {
            self.part_from_old(&volume, spot, *ino);
        }
        Ok(())
    }

    fn plan(&self, sight: &Sight) -> Option<Plan> {
        let known = self.known.as_ref()?;
        Some(plan(sight, |ino| known.is_watched(ino), &self.setup.stage.phantoms))
    }

    /// Tells whether anybody watches what a sight is about. Whoever did when it could first be seen is found.
    fn is_looked_at(&mut self, sight: &Sight, since: Instant) -> io::Result<bool> {
        let mut inodes = sight.inodes();
        inodes.retain(|ino| self.setup.held.has(*ino));
        if inodes.is_empty() {
            return Ok(false);
        }
        let sees = |known: &Known| inodes.iter().any(|ino| known.is_watched(*ino));
        if let Some(known) = &self.known {
            if known.begun >= since {
                return Ok(sees(known));
            }
            // Of what is not known to be watched each may be by now, and is to be shown as itself then.
            let all = inodes.iter().all(|ino| known.is_watched(*ino));
            if known.ended.elapsed() < WATCHES_ON && all {
                return Ok(true);
            }
            let pause = ((known.ended - known.begun) * LOOK_SHARE).min(LOOK_PAUSE_MAX);
            if !self.setup.sights.pause(pause.saturating_sub(known.ended.elapsed())) {
                return Ok(false);
            }
        }
        self.look()?;
        Ok(self.known.as_ref().is_some_and(sees))
    }

    fn look(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let Answer::Watched(Marks { everything, inodes }) = self.ask(&Order::Look)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let inodes = inodes.into_iter().collect();
        self.known = Some(Known { everything, inodes, begun, ended: Instant::now() });
        Ok(())
    }

    /// Asks the repeater, which is started where there is none.
    fn ask(&mut self, order: &Order) -> io::Result<Answer> {
        if self.repeater.is_none() {
            self.start_repeater()?;
        }
        let repeater = self.repeater.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        repeater.ask(order, CALL_MAX)
    }

    fn start_repeater(&mut self) -> io::Result<()> {
        if self.rests() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut repeater = Repeater::start(&mut (self.setup.command)())?;
        let greeted = self.greet(&mut repeater);
        self.repeater = Some(repeater);
        if greeted.is_err() {
            self.end_repeater();
        }
        greeted
    }

    /// Finds out by which number the kernel knows the repeater, and has it find out which mount is meant.
    fn greet(&self, repeater: &mut Repeater) -> io::Result<()> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!(".fl0wfs-{}", data_encoding::HEXLOWER.encode(&random)).into_bytes();
        let stage = &self.setup.stage;
        stage.scene.lock().greeting = Some((name.clone(), stage.phantoms.next(Kind::Directory)));
        stage.greeting.store(true, Ordering::SeqCst);
        let answer = repeater.ask(&Order::Hello(name), CALL_MAX)?;
        let number = stage.repeater.load(Ordering::SeqCst);
        match answer {
            Answer::Done if number != 0 => self.setup.trace.note(number, repeater.id()),
            _ => Err(io::Error::other("the mount is not where it was")),
        }
    }

    /// Has the repeater make a call. Where it ends without a word, what it asked of the stage tells whether the call
    /// was made.
    fn act(&mut self, step: Step, call: Call) -> Result<(), Failure> {
        self.setup.stage.begin(step);
        let answer = self.ask(&Order::Call(call));
        let done = self.setup.stage.end();
        if answer.is_err() && done {
            self.end_repeater();
            return Ok(());
        }
        match answer.map_err(Failure::Repeater)? {
            Answer::Done => Ok(()),
            Answer::Failed(errno) => Err(Failure::Call(errno)),
            Answer::Watched(_) => Err(Failure::Repeater(io::ErrorKind::InvalidData.into())),
        }
    }

    /// The kernel learns that a file has another inode with its new content: who watches the old one hears that it is
    /// gone, and whoever has it open goes on.
    fn part_from_old(&self, volume: &Volume<S, F>, spot: &Spot, ino: Ino) {
        if volume.is_live(ino) {
            return;
        }
        let name = OsStr::from_bytes(spot.name.as_bytes());
        if let Err(error) = self.notifier.delete(INodeNo(spot.directory.0), INodeNo(ino.0), name) {
            tracing::debug!(%error, "an inode's end was not taken");
        }
    }

    /// The call that an act is; none where what it needs is gone.
    fn call(&self, volume: &Volume<S, F>, Act { deed, at, to }: &Act) -> Option<(Step, Call)> {
        let (part, at) = self.side(volume, at)?;
        let (to_part, to) = match to {
            Some(to) => self.side(volume, to).map(|(part, to)| (Some(part), to))?,
            None => (None, At::default()),
        };
        Some((Step::new(*deed, part, to_part), Call { deed: *deed, at, to }))
    }

    fn side(&self, volume: &Volume<S, F>, Side { spot, figure }: &Side) -> Option<(Part, At)> {
        let Some(spot) = spot else {
            let (directory, part) = self.setup.stage.elsewhere(figure.map(|figure| figure.kind))?;
            let name = part.name.clone();
            return Some((part, At { directory, name }));
        };
        let directory = self.path_to(volume, spot.directory)?;
        Some((Part::new(spot, *figure), At { directory, name: spot.name.as_bytes().to_vec() }))
    }

    /// The path on which a directory stands for watchers.
    fn path_to(&self, volume: &Volume<S, F>, directory: Ino) -> Option<Vec<u8>> {
        /// As deep as the kernel's own limits let anybody go, and far more.
        const DEPTH_MAX: usize = 100_000;
        let (mut names, mut at): (Vec<Name>, Ino) = (Vec::new(), directory);
        while at != Ino::ROOT {
            let spot = self.setup.stage.place_of(at).or_else(|| volume.place_of(at))?;
            names.push(spot.name);
            at = spot.directory;
            if names.len() > DEPTH_MAX {
                return None;
            }
        }
        names.reverse();
        Some(path_of(&names))
    }
}
