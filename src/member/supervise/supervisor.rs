//! The supervisor: starts daemons, one after the other, and holds what outlives them.

use super::channel::{Begin, FromDaemon, Serving, receive, send};
use super::patience::{Next, Patience};
use super::signals::{END, Signals};
use super::watcher;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The program that runs; also where its file has been replaced since.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// How wait(2) tells of exit code 127, which is what a shell says of a program that cannot be run.
const NOT_STARTED: i32 = 127 << 8;

/// What a supervisor is told by whoever knows what a daemon is.
pub trait Supervised {
    /// Prepares a daemon's start: everything but its program and its standard input.
    fn prepare(&self, command: &mut Command);

    /// The first daemon serves: whoever waited for the mount waits no longer, and this process goes into the background.
    fn is_serving(&mut self, state_directory: &Path);

    /// Something that a person may want to read afterwards.
    fn note(&self, message: &str);
}

/// How a mount ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As its daemon did.
    With(ExitStatus),
    /// Its daemons died one after the other, and the mount was taken away.
    GivenUp,
}

/// What is held for the daemons to come.
struct Held {
    serving: Serving,
    device: OwnedFd,
    lock: OwnedFd,
    deaths: u32,
}

struct Supervisor<'a, S> {
    mount: &'a mut S,
    signals: Signals,
    ledger: OwnedFd,
    watch: OwnedFd,
    held: Option<Held>,
    /// The program that daemons are started from, where it is not this one, and the one before it.
    program: Option<OwnedFd>,
    earlier_program: Option<Option<OwnedFd>>,
    ending: bool,
}

/// How a daemon ended, and how long it had served.
struct Death {
    status: ExitStatus,
    served: Option<Duration>,
    /// It was ended for another program's sake.
    replaced: bool,
}

/// Starts a daemon, and others after it, until the mount is over.
///
/// # Errors
/// Nothing could be started.
pub fn supervise<S: Supervised>(mount: &mut S) -> io::Result<Ended> {
    let (watch, watcher) = watcher::start()?;
    let _ = rustix::thread::set_name(c"fl0wfs-superv");
    let signals = Signals::take()?;
    let ledger = memfd_create("fl0wfs-ledger", MemfdFlags::CLOEXEC)?;
    let (held, program, earlier_program) = (None, None, None);
    let ending = false;
    let ended = Supervisor { mount, signals, ledger, watch, held, program, earlier_program, ending }.run();
    // It has nothing to watch any more, and goes.
    let _ = waitpid(Some(watcher), WaitOptions::empty());
    ended
}

impl<S: Supervised> Supervisor<'_, S> {
    fn run(mut self) -> io::Result<Ended> {
        let mut patience = Patience::default();
        loop {
            let Death { status, served, replaced } = match self.run_daemon() {
                Err(error) if self.held.is_some() => {
                    self.mount.note(&format!("no daemon could be started: {error}"));
                    Death { status: ExitStatus::from_raw(NOT_STARTED), served: None, replaced: false }
                }
                death => death?,
            };
            let is_over = served.is_some() && (status.success() || self.ending);
            if is_over || !self.is_mounted() {
                return Ok(Ended::With(status));
            }
            if replaced {
                continue;
            }
            if let Some(earlier) = self.earlier_program.take() {
                self.mount.note("the new program did not take the mount up; the one before goes on");
                self.program = earlier;
            }
            self.count_death(status);
            match patience.died(served, status.signal() == Some(libc::SIGKILL)) {
                Next::StartAfter(pause) => self.pause(pause)?,
                Next::GiveUp { deaths } => return Ok(self.give_up(deaths)),
            }
        }
    }

    /// Runs a daemon from start to end.
    fn run_daemon(&mut self) -> io::Result<Death> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let mut child = self.start(theirs)?;
        // Where the daemon has died already, its end is seen below.
        let _ = self.hand_over(&ours);
        let pid = Pid::from_child(&child);
        let mut served_since = None;
        let (mut listening, mut replaced) = (true, false);
        loop {
            if let Some(status) = child.try_wait()? {
                let served = served_since.map(|since: Instant| since.elapsed());
                return Ok(Death { status, served, replaced });
            }
            self.wait_for_news(listening.then_some(&ours), None)?;
            if self.signals.is_asked_to_end() {
                self.ending = true;
                let _ = kill_process(pid, END);
            }
            if listening && is_ready(&ours) {
                match receive::<FromDaemon>(ours.as_fd()) {
                    Ok(Some((FromDaemon::Serving(serving), files))) => {
                        served_since = Some(Instant::now());
                        self.earlier_program = None;
                        self.serves(serving, files);
                        // It may have been asked to end while nobody was there to do it.
                        if self.ending {
                            let _ = kill_process(pid, END);
                        }
                    }
                    Ok(Some((FromDaemon::Program(program), _))) => {
                        replaced |= self.change_program(&program, &mut child);
                    }
                    Ok(None) | Err(_) => listening = false,
                }
            }
        }
    }

    fn start(&self, socket: OwnedFd) -> io::Result<Child> {
        let program = match &self.program {
            Some(program) => format!("/proc/self/fd/{}", program.as_raw_fd()),
            None => THIS_PROGRAM.to_owned(),
        };
        let mut command = Command::new(program);
        self.mount.prepare(&mut command);
        Signals::release_in(&mut command);
        command.stdin(Stdio::from(socket)).spawn()
    }

    fn hand_over(&self, socket: &OwnedFd) -> io::Result<()> {
        let mut files = vec![self.ledger.as_fd(), self.watch.as_fd()];
        files.extend(self.held.iter().flat_map(|held| [held.device.as_fd(), held.lock.as_fd()]));
        let begin = Begin {
            mount_point: self.held.as_ref().map(|held| held.serving.mount_point.clone()),
            supervisor: std::process::id(),
            deaths: self.held.as_ref().map_or(0, |held| held.deaths),
        };
        send(socket.as_fd(), &begin, &files)
    }

    /// The first daemon that serves brings what there is to hold.
    fn serves(&mut self, serving: Serving, files: Vec<OwnedFd>) {
        let mut files = files.into_iter();
        if let (None, Some(device), Some(lock)) = (&self.held, files.next(), files.next()) {
            if let Some(number) = watcher::device_at(&serving.mount_point) {
                let _ = rustix::io::write(&self.watch, &watcher::note(&serving.mount_point, &number));
            }
            self.mount.is_serving(&serving.state_directory);
            self.held = Some(Held { serving, device, lock, deaths: 0 });
        }
    }

    fn change_program(&mut self, program: &Path, daemon: &mut Child) -> bool {
        match rustix::fs::open(program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(opened) => {
                self.mount.note(&format!("{} goes on with the mount", program.display()));
                self.earlier_program = Some(self.program.replace(opened));
                // It has nothing to do that a kill would spoil; what it has not answered is asked of the next one.
                daemon.kill().is_ok()
            }
            Err(error) => {
                self.mount.note(&format!("{} cannot be run: {error}", program.display()));
                false
            }
        }
    }

    /// Whether the kernel still asks on the device. A daemon that dies before it serves leaves no mount.
    fn is_mounted(&self) -> bool {
        let Some(held) = &self.held else { return false };
        let mut wanted = [PollFd::new(&held.device, PollFlags::empty())];
        let _ = poll(&mut wanted, Some(&Timespec::default()));
        !wanted[0].revents().contains(PollFlags::ERR)
    }

    fn count_death(&mut self, status: ExitStatus) {
        if let Some(held) = &mut self.held {
            held.deaths += 1;
            self.mount.note(&format!("the daemon died ({status}); the next one goes on with the mount"));
        }
    }

    fn pause(&mut self, pause: Duration) -> io::Result<()> {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.ending {
                return Ok(());
            }
            self.wait_for_news(None, Some(left))?;
            self.ending |= self.signals.is_asked_to_end();
        }
    }

    fn give_up(&mut self, deaths: u32) -> Ended {
        self.mount.note(&format!(
            "{deaths} daemons died one after the other before they served; the mount is ended"
        ));
        if let Some(held) = self.held.take() {
            watcher::take_away(&held.serving.mount_point);
        }
        Ended::GivenUp
    }

    fn wait_for_news(&self, socket: Option<&OwnedFd>, limit: Option<Duration>) -> io::Result<()> {
        let mut wanted = vec![PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN)];
        wanted.extend(socket.map(|socket| PollFd::new(socket, PollFlags::IN)));
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut wanted, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_ready(socket: &OwnedFd) -> bool {
    let mut wanted = [PollFd::new(socket, PollFlags::IN)];
    poll(&mut wanted, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

impl Ended {
    /// The exit code that says so; a daemon's own where it has one.
    pub fn code(self, failed: u8) -> u8 {
        match self {
            Ended::With(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(failed),
            Ended::GivenUp => failed,
        }
    }

    /// The signal that the daemon died of, where that ended the mount.
    pub fn signal(self) -> Option<i32> {
        match self {
            Ended::With(status) => status.signal(),
            Ended::GivenUp => None,
        }
    }
}
