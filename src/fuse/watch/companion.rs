//! The repeater as the daemon has it: started, spoken to, and ended.

use super::order::{Answer, Order, receive, send};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A killed process is waited for so long.
const END_WAIT_MAX: Duration = Duration::from_secs(2);
const END_CHECK: Duration = Duration::from_millis(5);

/// A repeater that runs.
pub struct Repeater {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<Answer>,
}

impl Repeater {
    /// Starts one.
    ///
    /// # Errors
    /// Where the system has no process or no thread for it.
    pub fn start(command: &mut Command) -> io::Result<Repeater> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let orders = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, answers) = channel();
        thread::Builder::new().name("repeater".into()).spawn(move || {
            // Whoever asks notices the end by the channel's.
            while let Some(answer) = receive(&mut pipe).ok().and_then(|body| Answer::decode(&body)) {
                if sender.send(answer).is_err() {
                    return;
                }
            }
        })?;
        Ok(Repeater { child, orders, answers })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order and waits until it is done.
    ///
    /// # Errors
    /// `TimedOut`; `BrokenPipe` where the process is gone. It must not be used any more then.
    pub fn ask(&mut self, order: &Order, patience: Duration) -> io::Result<Answer> {
        send(&mut self.orders, &order.encode())?;
        self.answers.recv_timeout(patience).map_err(|error| match error {
            std::sync::mpsc::RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
            std::sync::mpsc::RecvTimeoutError::Disconnected => io::ErrorKind::BrokenPipe.into(),
        })
    }

    /// Ends it, also in the middle of a call. Returns whether it is gone, and so asks for nothing any more; what it waits
    /// for may take longer. Its process id is not given to another before it is buried.
    pub fn end(&mut self) -> bool {
        // It may have ended by itself.
        let _ = self.child.kill();
        let begun = Instant::now();
        while !self.is_gone() {
            if begun.elapsed() >= END_WAIT_MAX {
                return false;
            }
            thread::sleep(END_CHECK);
        }
        true
    }

    fn is_gone(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), options), Ok(Some(_)) | Err(Errno::CHILD))
    }

    /// Gives up the process id of one that is gone.
    pub fn bury(mut self) {
        // Whoever ignores the ends of children has none to wait for.
        let _ = self.child.try_wait();
    }
}

/// A note of the repeater's process that outlives the daemon.
///
/// A request of it that was under way when the daemon died may reach the next daemon of the same mount, which must not
/// carry it out.
#[derive(Clone, Debug)]
pub struct Trace(pub PathBuf);

impl Trace {
    /// Notes a process: its number for the mount, and the one by which this process knows it.
    ///
    /// # Errors
    /// Where it cannot be written; the repeater must not be used then.
    pub fn note(&self, number: u32, id: u32) -> io::Result<()> {
        let begun = begin_of(id).ok_or(io::ErrorKind::NotFound)?;
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, format!("{number} {id} {begun}\n"))?;
        std::fs::rename(fresh, &self.0)
    }

    /// The noted process, if it is still there.
    pub fn former(&self) -> Option<Former> {
        let noted = std::fs::read_to_string(&self.0).ok()?;
        let mut fields = noted.split_ascii_whitespace();
        let number = fields.next()?.parse().ok()?;
        let id = fields.next()?.parse().ok()?;
        let former = Former { number, id, begun: fields.next()?.to_owned() };
        former.is_there().then_some(former)
    }
}

/// A repeater of an earlier daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Its process for the mount.
    pub number: u32,
    id: u32,
    begun: String,
}

impl Former {
    /// Tells whether the process may still ask for something. Once it is gone its number may be anybody's.
    pub fn is_there(&self) -> bool {
        begin_of(self.id).is_some_and(|begun| begun == self.begun)
    }
}

/// The time at which a process began, by which it is told from a later one of the same number.
fn begin_of(id: u32) -> Option<String> {
    const BEGIN: usize = 19;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(BEGIN).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeater_that_does_not_answer_is_noticed_and_ended() {
        let mut silent = Repeater::start(Command::new("sleep").arg("600")).unwrap();
        let error = silent.ask(&Order::Look, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let id = silent.id();
        assert!(silent.end());
        assert!(begin_of(id).is_some(), "its number is still its own");
        silent.bury();
        assert_eq!(begin_of(id), None);
        let mut gone = Repeater::start(&mut Command::new("true")).unwrap();
        let error = gone.ask(&Order::Look, Duration::from_secs(30)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(gone.end());
        gone.bury();
    }

    #[test]
    fn an_earlier_process_is_known_as_long_as_it_lives() {
        let directory = tempfile::tempdir().unwrap();
        let trace = Trace(directory.path().join("repeater"));
        assert_eq!(trace.former(), None);
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        trace.note(77, child.id()).unwrap();
        let former = trace.former().unwrap();
        assert!(former.number == 77 && former.is_there());
        trace.note(78, std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!former.is_there(), "whoever is noted now");
    }
}
