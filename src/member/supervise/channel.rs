//! What supervisor and daemon say to each other: messages of JSON over a socket that keeps them apart, with files.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// A message holds a few paths.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const FILES_MAX: usize = 4;

/// The supervisor's first word to a daemon. With it come the ledger and the watcher's pipe, and for a daemon that goes on
/// the device and the mount's lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    /// Where an earlier daemon has mounted; None for the first.
    pub mount_point: Option<PathBuf>,
    pub supervisor: u32,
    /// How many daemons of this mount have died.
    pub deaths: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum FromDaemon {
    /// The mount is there and answers. From the first daemon the device and the mount's lock come along.
    Serving(Serving),
    /// Another program is to go on.
    Program(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Serving {
    pub mount_point: PathBuf,
    pub state_directory: PathBuf,
}

pub(super) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    files: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut along = SendAncillaryBuffer::new(&mut room);
    if !files.is_empty() && !along.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other("there is no room for so many files"));
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(&bytes)], &mut along, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return sent.map(drop).map_err(io::Error::from),
        }
    }
}

/// Waits for a message. None where the other end is gone.
pub(super) fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut along = RecvAncillaryBuffer::new(&mut room);
    let length = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut along, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            received => break received?.bytes,
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let files = along.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    let files = files.flatten().collect();
    let message = serde_json::from_slice(&bytes[..length]);
    Ok(Some((message.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?, files)))
}
