//! The answering side.

use super::line::{LineReader, write_line, write_line_with};
use super::messages::{ControlRequest, ControlResponse};
use super::socket::stranger;
use parking_lot::{Condvar, Mutex};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::fs::File;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// An asker has this long to say what it wants,
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// and this long to take each piece of the answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// Who still waits for an answer when the process ends is given this long to get it.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);
/// More askers at once are turned away.
const ASKERS_MAX: usize = 64;

/// Answers requests; called in a thread of its own for each.
pub trait Handler: Send + Sync + 'static {
    /// Gives all answers but the last to `reply`, as they come, and returns the last.
    ///
    /// # Errors
    /// Those of `reply`: the asker is gone, and the work is to be given up.
    fn handle(&self, request: ControlRequest, reply: &mut Reply) -> io::Result<ControlResponse>;
}

/// The way back to an asker.
pub struct Reply<'a> {
    stream: &'a UnixStream,
    brought: Option<File>,
}

impl Reply<'_> {
    /// Sends an answer that is not the last.
    ///
    /// # Errors
    /// The asker is gone.
    pub fn send(&mut self, response: &ControlResponse) -> io::Result<()> {
        write_line(self.stream, response, Some(ANSWER_PATIENCE))
    }
}

impl Reply<'_> {
    /// Sends an answer that is not the last, however long it takes the asker to take it: it may be a person who reads.
    ///
    /// # Errors
    /// The asker is gone.
    pub fn send_at_leisure(&mut self, response: &ControlResponse) -> io::Result<()> {
        write_line(self.stream, response, None)
    }

    /// Sends an answer that is not the last, and an open file with it.
    ///
    /// # Errors
    /// The asker is gone.
    pub fn send_with(&mut self, response: &ControlResponse, file: &File) -> io::Result<()> {
        write_line_with(self.stream, response, file, ANSWER_PATIENCE)
    }

    /// The open file that came along with the request.
    pub fn take_brought(&mut self) -> Option<File> {
        self.brought.take()
    }

    /// Tells whether the asker has gone, or said more than it should; never waits.
    pub fn is_alone(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(rustix::net::recv(self.stream, &mut [0u8; 1], flags), Err(Errno::AGAIN | Errno::INTR))
    }
}

/// A running control server. Dropping it stops it; requests being answered go on.
pub struct ControlServer {
    stopping: Arc<AtomicBool>,
    listener: Arc<UnixListener>,
    askers: Arc<Askers>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Serves requests from `listener` until the returned server is dropped.
///
/// # Errors
/// The system refuses a thread.
pub fn serve(listener: UnixListener, handler: Arc<dyn Handler>) -> io::Result<ControlServer> {
    let (stopping, listener) = (Arc::new(AtomicBool::new(false)), Arc::new(listener));
    let askers = Arc::new(Askers::default());
    let acceptor =
        Acceptor { stopping: stopping.clone(), listener: listener.clone(), askers: askers.clone(), handler };
    let thread = thread::Builder::new().name("control".into()).spawn(move || acceptor.run())?;
    Ok(ControlServer { stopping, listener, askers, thread: Some(thread) })
}

impl ControlServer {
    /// Stops, and waits a little for requests being answered to be answered: the process is about to end, and what its
    /// handler has to say last must not end with it.
    pub fn end(self) {
        let askers = self.askers.clone();
        drop(self);
        if !askers.wait_until_none(Instant::now() + FAREWELL_PATIENCE) {
            tracing::debug!("an asker was left without its last answer");
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor: a listening socket that is shut down accepts nothing any more.
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the control thread ended badly");
        }
    }
}

struct Acceptor {
    stopping: Arc<AtomicBool>,
    listener: Arc<UnixListener>,
    askers: Arc<Askers>,
    handler: Arc<dyn Handler>,
}

impl Acceptor {
    fn run(&self) {
        while !self.stopping.load(Ordering::SeqCst) {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.stopping.load(Ordering::SeqCst) => {
                    tracing::debug!(%error, "the control socket is closed");
                }
                Err(error) => {
                    // Out of descriptors, for instance: that passes, and asking again at once would only burn time.
                    tracing::warn!(%error, "the control socket could not accept");
                    thread::park_timeout(Duration::from_millis(100));
                }
            }
        }
    }

    fn admit(&self, stream: UnixStream) {
        match stranger(&stream) {
            Ok(None) => {}
            other => return tracing::warn!(?other, "a stranger was turned away from the control socket"),
        }
        let Some(seat) = Askers::seat(&self.askers) else {
            return tracing::warn!("too many ask at once; one was turned away");
        };
        let handler = self.handler.clone();
        let answer = move || {
            let _seat = seat;
            if let Err(error) = converse(&stream, handler.as_ref()) {
                tracing::debug!(%error, "an asker was lost");
            }
        };
        if let Err(error) = thread::Builder::new().name("control-answer".into()).spawn(answer) {
            tracing::warn!(%error, "no thread to answer a request");
        }
    }
}

/// How many are being answered.
#[derive(Default)]
struct Askers {
    count: Mutex<usize>,
    left: Condvar,
}

/// One asker's place while it is being answered.
struct Seat(Arc<Askers>);

impl Askers {
    /// A place for one more, if there is any.
    fn seat(askers: &Arc<Askers>) -> Option<Seat> {
        let mut count = askers.count.lock();
        (*count < ASKERS_MAX).then(|| {
            *count += 1;
            Seat(askers.clone())
        })
    }

    /// Waits until nobody is being answered; false if somebody still is at the deadline.
    fn wait_until_none(&self, deadline: Instant) -> bool {
        let mut count = self.count.lock();
        !self.left.wait_while_until(&mut count, |count| *count > 0, deadline).timed_out()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.left.notify_all();
    }
}

fn converse(stream: &UnixStream, handler: &dyn Handler) -> io::Result<()> {
    let mut lines = LineReader::new(stream);
    let request = lines.read::<ControlRequest>(Instant::now() + REQUEST_PATIENCE);
    let last = match request {
        Ok(request) => handler.handle(request, &mut Reply { stream, brought: lines.next_file() })?,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => ControlResponse::Failed {
            message: format!("the request was not understood: {error}"),
            hint: Some("the mounted daemon may be of another version; unmount and mount again".into()),
        },
        Err(error) => return Err(error),
    };
    write_line(stream, &last, Some(ANSWER_PATIENCE))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
