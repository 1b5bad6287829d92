//! Noticing that this machine's network has come back or changed.

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The kernel's numbers (linux/rtnetlink.h) for the groups of news to hear:
/// links, IPv4 addresses, IPv4 routes, IPv6 addresses.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100;
/// News of something that is there now: a link, an address, a route.
const NEW: [u16; 3] = [16, 20, 24];
/// A message begins with its length and its type.
const HEADER_BYTES: usize = 16;

/// Listens to the kernel's news about links, addresses and routes.
#[derive(Debug)]
pub struct NetworkWatch {
    socket: Option<AsyncFd<OwnedFd>>,
}

impl NetworkWatch {
    /// Begins to listen, in the current tokio runtime. Where the system does not allow it, nothing will
    /// ever be heard.
    pub fn new() -> NetworkWatch {
        let socket = open().inspect_err(|error| tracing::debug!(%error, "no news of the network"));
        NetworkWatch { socket: socket.ok() }
    }

    /// Waits for news that may make an unreachable hub reachable; news that came together count once.
    pub async fn changed(&mut self) {
        while let Some(socket) = &self.socket {
            let Ok(mut ready) = socket.readable().await else { break };
            match ready.try_io(|socket| hear_all(socket.get_ref())) {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "no more news of the network");
                    self.socket = None;
                }
            }
        }
        std::future::pending().await
    }
}

impl Default for NetworkWatch {
    fn default() -> NetworkWatch {
        NetworkWatch::new()
    }
}

fn open() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0 of netlink is routing.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    // SAFETY: an OwnedFd has one descriptor, open for as long as it lives, and nothing here takes it out.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// Reads all there is and tells whether any of it was good news. An error of kind `WouldBlock` where there
/// was nothing at all.
fn hear_all(socket: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    let mut heard = None;
    loop {
        let good = match recv(socket, &mut buffer, RecvFlags::empty()) {
            Ok((received, _)) => is_good_news(&buffer[..received.min(8192)]),
            // So much happened that the kernel could not keep it for us.
            Err(Errno::NOBUFS) => true,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return heard.ok_or_else(|| Errno::AGAIN.into()),
            Err(error) => return Err(error.into()),
        };
        heard = Some(heard.unwrap_or(false) || good);
    }
}

/// Whether a datagram has a message of something new; what is gone helps nobody to reach a hub.
fn is_good_news(mut datagram: &[u8]) -> bool {
    while let Some((header, _)) = datagram.split_first_chunk::<HEADER_BYTES>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if NEW.contains(&u16::from_ne_bytes([header[4], header[5]])) {
            return true;
        }
        // Messages stand at multiples of four bytes; one shorter than its header would never end.
        let next = length.max(HEADER_BYTES).next_multiple_of(4);
        datagram = datagram.get(next..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: usize) -> Vec<u8> {
        let mut message = ((HEADER_BYTES + body) as u32).to_ne_bytes().to_vec();
        message.extend_from_slice(&kind.to_ne_bytes());
        message.resize((HEADER_BYTES + body).next_multiple_of(4), 0);
        message
    }

    #[test]
    fn what_is_new_is_good_news_wherever_it_stands() {
        for new in NEW {
            assert!(is_good_news(&message(new, 4)));
            assert!(is_good_news(&[message(new + 1, 7), message(new, 4)].concat()));
            assert!(!is_good_news(&[message(new + 1, 7), message(new + 1, 0)].concat()));
        }
    }

    #[test]
    fn damaged_news_end_somewhere() {
        let mut endless = message(17, 4);
        endless[..4].fill(0);
        let mut huge = message(17, 4);
        huge[..4].fill(0xff);
        for bytes in [&endless[..], &huge, &endless[..9], &[]] {
            assert!(!is_good_news(bytes));
        }
    }
}
