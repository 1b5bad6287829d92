//! Watchers of the mount are told of remote work: what that takes, put together.

use super::run::MemberOptions;
use super::shared::MemberVolume;
use crate::fuse::Mount;
use crate::fuse::watch::{Prepared, Sights, Stage, Teller, TellerSetup, Trace};
use crate::sync::member::Sight;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// The command that this program understands as the order to repeat remote work for watchers.
pub const REPEATER_COMMAND: &str = "repeat-for-watchers";
/// Where a repeater's process is noted, in the state directory.
const TRACE: &str = "repeater";

/// What tells watchers; nothing does where they are not to be told.
#[derive(Default)]
pub struct Watchers {
    stage: Arc<Stage>,
    sights: Option<Sights>,
    trace: PathBuf,
}

impl Watchers {
    /// Gets ready before the mount is there. What an earlier daemon's repeater still asks for is known from the start.
    pub fn new(options: &MemberOptions, volume: &MemberVolume) -> Watchers {
        let trace = Trace(options.state.join(TRACE));
        let stage = Arc::new(Stage::after(&trace));
        // Where nothing may be changed nothing can be repeated.
        if !options.notify || options.mount.read_only {
            return Watchers { stage, ..Watchers::default() };
        }
        volume.replica().tell_sights();
        let sights = Some(Sights::new(stage.clone()));
        Watchers { stage, sights, trace: trace.0 }
    }

    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Takes what is to be seen. Order: before the kernel is told of the rows.
    pub fn prepare(&self, sights: Vec<Sight>) -> Option<Prepared> {
        self.sights.as_ref().filter(|_| !sights.is_empty()).map(|queue| queue.prepare(sights))
    }

    /// The kernel has been told of the rows.
    pub fn release(&self, prepared: Option<Prepared>) {
        if let (Some(queue), Some(prepared)) = (&self.sights, prepared) {
            queue.release(prepared);
        }
    }

    /// Begins to tell.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(&self, mount: &Mount, volume: &Arc<MemberVolume>, directory: &Path) -> io::Result<Telling> {
        let Some(sights) = self.sights.clone() else { return Ok(Telling(None)) };
        let directory = directory.to_owned();
        let setup = TellerSetup {
            stage: self.stage.clone(),
            sights: sights.clone(),
            held: mount.held()?,
            command: Box::new(move || repeater(&directory)),
            trace: Trace(self.trace.clone()),
        };
        let thread = Teller::start(setup, volume, mount.notifier())?;
        Ok(Telling(Some((sights, thread))))
    }
}

/// It is started again, not forked: a fork of a program with threads may do nothing safely.
fn repeater(directory: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("fl0wfs").arg(REPEATER_COMMAND).arg("--").arg(directory).current_dir("/");
    command
}

/// Watchers are being told.
pub struct Telling(Option<(Sights, thread::JoinHandle<()>)>);

impl Telling {
    /// Ends it, and the repeater with it.
    pub fn end(self) {
        let Some((sights, thread)) = self.0 else { return };
        sights.close();
        if thread.join().is_err() {
            tracing::error!("the thread that tells watchers ended badly");
        }
    }
}
