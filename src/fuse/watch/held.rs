//! Which inodes the kernel holds. A watch keeps its inode; names that were forgotten keep none.

use crate::sync::member::Ino;
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The mount's device, on which the kernel is told things and says whether it knows what they are about.
pub struct Held(OwnedFd);

impl Held {
    pub fn new(device: OwnedFd) -> Held {
        Held(device)
    }

    /// Tells whether the kernel holds an inode. It asks for the inode's attributes anew the next time it needs them.
    pub fn has(&self, ino: Ino) -> bool {
        rustix::io::write(&self.0, &attributes_are_old(ino)) != Err(Errno::NOENT)
    }
}

/// The message that says so, of an inode (`fuse_out_header` and `fuse_notify_inval_inode_out`).
fn attributes_are_old(ino: Ino) -> [u8; 40] {
    const INVALIDATE_INODE: i32 = 2;
    /// No content.
    const OFFSET: i64 = -1;
    let mut message = [0; 40];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        message[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&40u32.to_ne_bytes());
    put(&INVALIDATE_INODE.to_ne_bytes());
    put(&0u64.to_ne_bytes());
    put(&ino.0.to_ne_bytes());
    put(&OFFSET.to_ne_bytes());
    put(&0i64.to_ne_bytes());
    message
}
