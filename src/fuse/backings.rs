//! Backing ids: the kernel's own numbers for files that it reads and writes without asking.
//!
//! Invariant: an inode has one id from the first handle that is answered with it until the last of those is released,
//! which the kernel says after the last close and the last unmapping; all of these handles are answered with it and with
//! none beside it. (A second id, or a handle without one, would be an I/O error for whoever opens.) The kernel takes a
//! handle off its own count before it says so, therefore the id may go at once.
//!
//! Ids belong to the mount and outlive this process: they are in the ledger, and a process that goes on takes them up
//! with the handles it finds there. Order: an id is in the ledger before a handle is answered with it. A volume counts
//! a handle before an id is asked for and after it is given back, so that the file behind an id never changes.

use crate::sync::member::Ino;
use crate::vfs::{Ledger, LedgerKind};
use fuser::BackingId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `FUSE_DEV_IOC_BACKING_CLOSE`, from `linux/fuse.h`.
const BACKING_CLOSE: libc::c_ulong = 0x4004_e502;

pub(super) struct Backings {
    device: OwnedFd,
    by_ino: Mutex<HashMap<Ino, Registered>>,
}

#[derive(Clone, Copy)]
struct Registered {
    id: u32,
    handles: u32,
}

impl Backings {
    /// Those of an earlier process, if the ledger has any; `handles` tells how many an inode has, and all have some.
    pub fn new(device: OwnedFd, ledger: &Ledger, handles: impl Fn(Ino) -> u32) -> Backings {
        let registered = |(ino, id)| (ino, Registered { id, handles: handles(ino) });
        Backings { device, by_ino: Mutex::new(ids(ledger).into_iter().map(registered).collect()) }
    }

    /// The id to answer one more handle with.
    ///
    /// # Errors
    /// Where the kernel takes no file; `PermissionDenied` where it takes none from us.
    pub fn take(&self, ledger: &Ledger, ino: Ino, file: &File) -> io::Result<u32> {
        let mut by_ino = self.by_ino.lock();
        if let Some(registered) = by_ino.get_mut(&ino) {
            registered.handles += 1;
            return Ok(registered.id);
        }
        let id = BackingId::create_raw(&self.device, file)?;
        ledger.put(LedgerKind::Passthrough, ino.0, &id.to_le_bytes());
        by_ino.insert(ino, Registered { id, handles: 1 });
        Ok(id)
    }

    /// The id of an inode's handles.
    pub fn id_of(&self, ino: Ino) -> Option<u32> {
        self.by_ino.lock().get(&ino).map(|registered| registered.id)
    }

    /// A handle with the inode's id was released.
    pub fn give_back(&self, ledger: &Ledger, ino: Ino) {
        let mut by_ino = self.by_ino.lock();
        let Some(registered) = by_ino.get_mut(&ino) else { return };
        registered.handles -= 1;
        if registered.handles == 0 {
            let id = registered.id;
            by_ino.remove(&ino);
            self.end(ledger, ino, id);
        }
    }

    fn end(&self, ledger: &Ledger, ino: Ino, id: u32) {
        end(self.device.as_fd(), ledger, ino, id);
    }
}

/// Ends the ids that an earlier process has left for inodes of which no handle passes. To be called before anybody asks
/// whether a backing file is still written: an id counts as a writer.
pub fn end_left_ids(device: BorrowedFd<'_>, ledger: &Ledger, handles: impl Fn(Ino) -> u32) {
    for (ino, id) in ids(ledger) {
        if handles(ino) == 0 {
            end(device, ledger, ino, id);
        }
    }
}

fn ids(ledger: &Ledger) -> Vec<(Ino, u32)> {
    let records = ledger.all(LedgerKind::Passthrough).into_iter();
    records.filter_map(|(ino, bytes)| Some((Ino(ino), u32::from_le_bytes(bytes.try_into().ok()?)))).collect()
}

fn end(device: BorrowedFd<'_>, ledger: &Ledger, ino: Ino, id: u32) {
    ledger.remove(LedgerKind::Passthrough, ino.0);
    // SAFETY: the descriptor is open, and the call reads one number.
    if unsafe { libc::ioctl(device.as_raw_fd(), BACKING_CLOSE, &raw const id) } != 0 {
        let error = io::Error::last_os_error();
        tracing::debug!(%error, "the kernel did not know a backing file");
    }
}
