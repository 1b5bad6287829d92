//! A wire in between that can be cut, moved, slowed and led elsewhere.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Nothing of QUIC is this short.
const PROBE_BYTES: usize = 1;

/// Forwards datagrams between one member and a hub.
pub struct Relay {
    pub address: SocketAddr,
    wire: Arc<Wire>,
    tasks: Vec<JoinHandle<()>>,
}

struct Wire {
    near: UdpSocket,
    cut: AtomicBool,
    /// Towards the hub: the socket that stands for the member, and where the hub is.
    far: Mutex<(Arc<UdpSocket>, SocketAddr)>,
    member: Mutex<Option<SocketAddr>>,
    /// Bytes a second in each direction.
    rate: f64,
}

async fn free_socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

impl Relay {
    pub async fn start(hub: SocketAddr, rate: f64) -> Relay {
        let far = Arc::new(free_socket().await);
        let near = free_socket().await;
        let address = near.local_addr().unwrap();
        let (cut, member) = (AtomicBool::new(false), Mutex::new(None));
        let wire = Arc::new(Wire { near, cut, far: Mutex::new((far.clone(), hub)), member, rate });
        let tasks = vec![tokio::spawn(outward(wire.clone())), tokio::spawn(inward(wire.clone(), far))];
        Relay { address, wire, tasks }
    }

    /// From now on nothing gets through.
    pub fn cut(&self) {
        self.wire.cut.store(true, Ordering::Relaxed);
    }

    /// From now on the hub hears the member from another port.
    pub async fn move_member(&mut self) {
        let far = Arc::new(free_socket().await);
        self.wire.far.lock().0 = far.clone();
        self.tasks.push(tokio::spawn(inward(self.wire.clone(), far)));
    }

    /// From now on another hub gets what the member sends.
    pub fn lead_to(&self, hub: SocketAddr) {
        self.wire.far.lock().1 = hub;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn outward(wire: Arc<Wire>) {
    let mut line = Line::new(wire.rate);
    let mut datagram = [0; 65536];
    loop {
        let (bytes, member) = wire.near.recv_from(&mut datagram).await.unwrap();
        // The probe comes from a port of its own, where answers to the member must not go.
        if bytes <= PROBE_BYTES {
            continue;
        }
        *wire.member.lock() = Some(member);
        let (far, hub) = wire.far.lock().clone();
        line.carry(bytes).await;
        if !wire.cut.load(Ordering::Relaxed) {
            far.send_to(&datagram[..bytes], hub).await.unwrap();
        }
    }
}

async fn inward(wire: Arc<Wire>, far: Arc<UdpSocket>) {
    let mut line = Line::new(wire.rate);
    let mut datagram = [0; 65536];
    loop {
        let bytes = far.recv(&mut datagram).await.unwrap();
        let member = *wire.member.lock();
        line.carry(bytes).await;
        if !wire.cut.load(Ordering::Relaxed) {
            wire.near.send_to(&datagram[..bytes], member.unwrap()).await.unwrap();
        }
    }
}

/// Takes as long for each datagram as a line of a given rate would.
struct Line {
    rate: f64,
    free_at: Instant,
}

impl Line {
    fn new(rate: f64) -> Line {
        Line { rate, free_at: Instant::now() }
    }

    /// Waits until the datagram is through.
    async fn carry(&mut self, bytes: usize) {
        let now = Instant::now();
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(bytes as f64 / self.rate);
        // Timers are coarse: only a lag that one can resolve is waited for.
        if self.free_at > now + Duration::from_millis(2) {
            sleep_until(self.free_at).await;
        }
    }
}
