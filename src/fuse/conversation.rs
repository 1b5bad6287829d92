//! How a conversation with the kernel begins, and how another process goes on with it.
//!
//! The kernel says INIT once for each mount, and fuser wants to hear it from whatever it is given. So INIT is read here
//! and kept, fuser hears it over a pair of sockets, and then the device takes the place of fuser's socket. For a
//! process that goes on, INIT is what was kept, less what was not agreed on then; the kernel is asked to send again
//! what it has sent and nobody answered.
//!
//! Invariant: a device is read by one process at a time. Order: RESEND comes after the device has its place, and after
//! the process before has ended.

use super::adapter::Adapter;
use super::mount::MountOptions;
use super::nearness::Served;
use crate::sync::Store;
use crate::vfs::{ContentFiles, Ledger, LedgerKind};
use fuser::Session;
use rustix::io::{DupFlags, Errno, dup3, read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

/// INIT and its answer are far shorter.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
const IN_HEADER_BYTES: usize = 40;
const OUT_HEADER_BYTES: usize = 16;
/// Where the flags stand in INIT and in its answer, after the header: both have the same beginning.
const FLAGS_AT: usize = 12;
const IN_FLAGS2_AT: usize = 16;
const OUT_FLAGS2_AT: usize = 32;
/// The second word of flags is there.
const INIT_EXT: u32 = 1 << 30;
const NOTIFY_RESEND: i32 = 7;
const NOTIFY_INC_EPOCH: i32 = 8;

/// A device whose conversation may have begun.
pub struct Device {
    pub device: OwnedFd,
    /// An earlier process has talked with the kernel on it.
    pub resumed: bool,
}

/// Begins a conversation, or goes on with one. INIT is kept in the ledger for the next process.
///
/// # Errors
/// Those of the device; `InvalidData` where the kernel says what is no INIT, or the ledger has none.
pub(super) fn begin<S, F>(
    served: Served<Adapter<S, F>>,
    device: &Device,
    options: &MountOptions,
    ledger: &Ledger,
) -> io::Result<Session<Served<Adapter<S, F>>>>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    let Device { device, resumed } = device;
    let init = match resumed {
        true => {
            ledger.get(LedgerKind::Beginning, 0).ok_or_else(|| bad("the beginning was not handed over"))?
        }
        false => receive(device.as_fd())?,
    };
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    write(&ours, &init)?;
    let session = Session::from_fd(served, theirs, options.acl(), options.config())?;
    let answer = receive(ours.as_fd())?;
    if !resumed {
        write(device, &answer)?;
        ledger.put(LedgerKind::Beginning, 0, &agreed(init, &answer)?);
    }
    replace(session.as_fd(), device)?;
    if *resumed {
        notify(device.as_fd(), NOTIFY_RESEND)?;
    }
    Ok(session)
}

/// Makes all names that the kernel remembers be looked up again.
///
/// # Errors
/// `InvalidInput` where the kernel is too old for it.
pub(super) fn forget_all_names(device: BorrowedFd<'_>) -> io::Result<()> {
    notify(device, NOTIFY_INC_EPOCH)
}

/// Puts the device in the place of the socket that the session took for it.
fn replace(session: BorrowedFd<'_>, device: &OwnedFd) -> io::Result<()> {
    // SAFETY: the session owns the number and goes on owning it; this owner of it is given up without closing it.
    let mut place = unsafe { OwnedFd::from_raw_fd(session.as_raw_fd()) };
    let replaced = dup3(device, &mut place, DupFlags::CLOEXEC);
    let _ = place.into_raw_fd();
    Ok(replaced?)
}

fn receive(from: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut message = vec![0; MESSAGE_BYTES_MAX];
    loop {
        match read(from, &mut message) {
            Err(Errno::INTR | Errno::AGAIN | Errno::NOENT) => {}
            length => {
                message.truncate(length?);
                return Ok(message);
            }
        }
    }
}

/// INIT as a later process is to hear it: offered is what was agreed on.
fn agreed(mut init: Vec<u8>, answer: &[u8]) -> io::Result<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
        word.ok_or_else(|| bad("the beginning of the conversation is too short"))
    };
    let asked = word(answer, OUT_HEADER_BYTES + FLAGS_AT)? | INIT_EXT;
    let mut keep = |at: usize, flags: u32| -> io::Result<()> {
        let kept = word(&init, at)? & flags;
        init[at..at + 4].copy_from_slice(&kept.to_le_bytes());
        Ok(())
    };
    keep(IN_HEADER_BYTES + FLAGS_AT, asked)?;
    if init.len() >= IN_HEADER_BYTES + IN_FLAGS2_AT + 4 {
        let asked = word(answer, OUT_HEADER_BYTES + OUT_FLAGS2_AT).unwrap_or(0);
        let kept = word(&init, IN_HEADER_BYTES + IN_FLAGS2_AT)? & asked;
        let at = IN_HEADER_BYTES + IN_FLAGS2_AT;
        init[at..at + 4].copy_from_slice(&kept.to_le_bytes());
    }
    Ok(init)
}

/// A notification without a body: length, code, and the zero that tells it from an answer.
fn notify(device: BorrowedFd<'_>, code: i32) -> io::Result<()> {
    let mut message = Vec::with_capacity(OUT_HEADER_BYTES);
    message.extend_from_slice(&(OUT_HEADER_BYTES as u32).to_ne_bytes());
    message.extend_from_slice(&code.to_ne_bytes());
    message.extend_from_slice(&0u64.to_ne_bytes());
    write(device, &message)?;
    Ok(())
}

fn bad(detail: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}
