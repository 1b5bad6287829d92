//! A whole hub over loopback, talked to by members that do only what each test says.

mod administration;
mod collecting;
mod content;
mod conversations;
mod fences;
mod full;
mod guarding;
mod hostile;
mod manifests;
mod quota;
mod slow;
mod verifying;
mod visits;

use super::*;
use crate::content::{ManifestBuilder, chunk_id};
use crate::model::*;
use crate::net::{Connection, Dialer, FrameReceiver, FrameSender, Identity, Invite};
use crate::ops::{Make, Op, Verb};
use crate::sync::hub::Rate;
use crate::wire::*;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything here takes; it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address that nothing else takes while a hub is down that comes back to it: the kernel gives no such port by itself.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = std::process::id() % 24 * 512;
    loop {
        let port = 20_000 + own as u16 + NEXT.fetch_add(1, Ordering::Relaxed) % 512;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// A hub in a directory of its own, which outlives it.
struct TestHub {
    directory: TempDir,
    address: SocketAddr,
    guard: Rate,
    running: Option<Running>,
}

/// How to stop a hub, and what came of it.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), HubError>>);

impl TestHub {
    async fn start() -> TestHub {
        TestHub::start_in(TempDir::new().unwrap()).await
    }

    async fn start_in(directory: TempDir) -> TestHub {
        let mut hub = TestHub { directory, address: free_address(), guard: Rate::Any, running: None };
        hub.run().await;
        hub.admin(AdminRequest::SpaceCreate { space: space() }).await.unwrap();
        hub
    }

    fn data(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the hub, at the address it had before.
    async fn run(&mut self) {
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let options = ServeOptions {
            data: self.data().join("data"),
            listen: self.address,
            guard: self.guard,
            on_ready: Box::new(move |address| ready.send(address).unwrap()),
        };
        let task = tokio::spawn(serve(options, async { drop(stopped.await) }));
        self.address = match timeout(PATIENCE, address).await.unwrap() {
            Ok(address) => address,
            Err(_) => panic!("the hub did not start: {:?}", task.await),
        };
        self.running = Some((stop, task));
    }

    async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.send(()).unwrap();
        timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
        // The endpoint's own task closes its socket, a moment later.
        let closed = async {
            while UdpSocket::bind(self.address).is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, closed).await.unwrap();
    }

    /// Asks as the command line does: by the socket of the running hub, else in the store.
    async fn admin(&self, request: AdminRequest) -> Result<AdminResponse, HubError> {
        let data = self.data().join("data");
        tokio::task::spawn_blocking(move || admin(&data, request)).await.unwrap()
    }

    async fn invite(&self, role: Role, uses: u32) -> Invite {
        let ttl = Duration::from_secs(60);
        let request = AdminRequest::Invite { space: space(), role, uses, ttl, host: None };
        match self.admin(request).await.unwrap() {
            AdminResponse::Invite { url, .. } => url.parse().unwrap(),
            other => panic!("no invite: {other:?}"),
        }
    }

    async fn members(&self) -> Vec<MemberRow> {
        match self.admin(AdminRequest::Members { space: space() }).await.unwrap() {
            AdminResponse::Members(rows) => rows,
            other => panic!("no members: {other:?}"),
        }
    }

    /// Opens a connection and its control stream with `opening`.
    async fn open(&self, identity: &Identity, opening: Opening) -> Line {
        let fingerprint = Identity::load(&self.data().join("data/identity")).unwrap();
        let fingerprint = fingerprint.public_key().fingerprint();
        let port = self.address.port();
        let connection =
            Dialer::new(identity).connect("127.0.0.1", port, fingerprint, PATIENCE).await.unwrap();
        let (mut sender, receiver) = connection.open_control().await.unwrap();
        sender.send_message(&opening).await.unwrap();
        Line { connection, sender, receiver }
    }

    /// Enrols a new device with a new invite.
    async fn enrol(&self, role: Role, name: &str) -> Identity {
        let invite = self.invite(role, 1).await;
        let identity = Identity::generate();
        let answer = self.redeem(&identity, &invite, name).await;
        assert!(matches!(answer, FromHub::Enrolled { role: given, .. } if given == role), "{answer:?}");
        identity
    }

    async fn redeem(&self, identity: &Identity, invite: &Invite, name: &str) -> FromHub {
        let enrol = Enrol {
            format: WIRE_FORMAT,
            space: invite.space.clone(),
            token: invite.token.as_bytes().to_vec(),
            name: MemberName::new(name).unwrap(),
        };
        self.open(identity, Opening::Enrol(enrol)).await.hear().await
    }

    async fn greet(&self, identity: &Identity, hello: Hello) -> FakeMember {
        let mut line = self.open(identity, Opening::Hello(hello)).await;
        let welcome = match line.hear().await {
            FromHub::Welcome(welcome) => welcome,
            other => panic!("not welcome: {other:?}"),
        };
        let names = match line.hear().await {
            FromHub::Members(names) => names,
            other => panic!("no names: {other:?}"),
        };
        FakeMember { identity: identity.clone(), line, welcome, names }
    }

    /// A new device with its first hello said.
    async fn join(&self, role: Role, name: &str) -> FakeMember {
        let identity = self.enrol(role, name).await;
        self.greet(&identity, first_hello(name)).await
    }
}

/// A connection with its control stream.
struct Line {
    connection: Connection,
    sender: FrameSender,
    receiver: FrameReceiver,
}

impl Line {
    /// The next message, but for the quota, which follows every welcome.
    async fn hear(&mut self) -> FromHub {
        loop {
            match self.hear_any().await {
                FromHub::Quota(_) => {}
                other => return other,
            }
        }
    }

    async fn hear_any(&mut self) -> FromHub {
        let message = timeout(PATIENCE, self.receiver.receive_message("message of the hub")).await;
        message.expect("a message in time").unwrap().expect("a message")
    }

    async fn say(&mut self, message: &FromMember) {
        timeout(PATIENCE, self.sender.send_message(message)).await.unwrap().unwrap();
    }

    /// Waits for the hub to end the conversation, and returns what it said.
    async fn refusal(mut self) -> (RefuseReason, String) {
        loop {
            if let FromHub::Refused { reason, detail } = self.hear().await {
                timeout(PATIENCE, self.connection.closed()).await.unwrap();
                return (reason, detail);
            }
        }
    }
}

/// A member with a conversation under way.
struct FakeMember {
    identity: Identity,
    line: Line,
    welcome: Welcome,
    names: Vec<(MemberNumber, MemberName)>,
}

impl FakeMember {
    fn number(&self) -> MemberNumber {
        self.welcome.member
    }

    fn node(&self, counter: u64) -> NodeId {
        NodeId { member: self.number(), counter }
    }

    fn hello_again(&self, position: Option<Position>) -> Hello {
        let member = Some((self.welcome.space, self.welcome.member, self.welcome.incarnation));
        Hello { member, position, ..first_hello(self.welcome.name.as_str()) }
    }

    async fn commit(&mut self, number: u64, ops: Vec<Op>, inline: Vec<Inline>) {
        let commit = Commit { number: CommitNumber(number), ops };
        let commit = SealedCommit { round: Round(0), commit };
        self.line.say(&FromMember::Commit { commit, inline }).await;
    }

    /// Hears the answer to a commit, whatever entries come before it.
    async fn answer(&mut self, number: u64) -> Answer {
        loop {
            match self.line.hear().await {
                FromHub::Answer { number: about, answer } if about == CommitNumber(number) => return answer,
                FromHub::Entry { .. } | FromHub::Members(_) => {}
                other => panic!("no answer: {other:?}"),
            }
        }
    }

    async fn accepted(&mut self, number: u64, ops: Vec<Op>, inline: Vec<Inline>) -> Position {
        self.commit(number, ops, inline).await;
        match self.answer(number).await {
            Answer::Accept { sequence, chain, .. } => Position { sequence, chain },
            other => panic!("not accepted: {other:?}"),
        }
    }

    async fn entry(&mut self) -> (LogEntry, Vec<Inline>) {
        loop {
            match self.line.hear().await {
                FromHub::Entry { entry, inline } => return (entry, inline),
                FromHub::Members(_) => {}
                other => panic!("no entry: {other:?}"),
            }
        }
    }

    /// Asks for a barrier and hears everything up to it.
    async fn until_barrier(&mut self, id: u64) -> (Vec<FromHub>, Option<Sequence>) {
        self.line.say(&FromMember::Barrier { id }).await;
        let mut heard = Vec::new();
        loop {
            match self.line.hear().await {
                FromHub::Barrier { id: about, head } if about == id => return (heard, head),
                other => heard.push(other),
            }
        }
    }

    async fn put(&self, chunks: &[(ChunkId, Vec<u8>)]) -> ContentReply {
        let (mut sender, mut receiver) = self.line.connection.open_content().await.unwrap();
        let ids = chunks.iter().map(|(id, _)| *id).collect();
        sender.send_message(&ContentRequest::Put(ids)).await.unwrap();
        for (_, bytes) in chunks {
            sender.send(bytes).await.unwrap();
        }
        timeout(PATIENCE, receiver.receive_message("reply")).await.unwrap().unwrap().unwrap()
    }

    async fn get(&self, ids: Vec<ChunkId>) -> Vec<Option<Vec<u8>>> {
        let (mut sender, mut receiver) = self.line.connection.open_content().await.unwrap();
        let count = ids.len();
        sender.send_message(&ContentRequest::Get(ids)).await.unwrap();
        let mut got = Vec::new();
        while let Some(bytes) = timeout(PATIENCE, receiver.receive_message("chunk")).await.unwrap().unwrap() {
            got.push(bytes);
        }
        assert_eq!(got.len(), count);
        got
    }
}

fn space() -> SpaceName {
    SpaceName::new("work").unwrap()
}

fn first_hello(name: &str) -> Hello {
    let name = MemberName::new(name).unwrap();
    Hello {
        format: WIRE_FORMAT,
        space: space(),
        name,
        member: None,
        position: None,
        whole: false,
        sealed: None,
    }
}

fn make(node: NodeId, name: &str, manifest: Manifest) -> Op {
    Op {
        time: Timestamp::default(),
        verb: Verb::Make(Make {
            node,
            place: Place { parent: NodeId::ROOT, name: Name::new(name).unwrap() },
            body: Body::File(manifest),
            mode: 0o644,
            owner: None,
            mtime: Timestamp::default(),
            xattrs: Xattrs::new(),
            came_from: None,
            conflict: None,
        }),
    }
}

fn unlink(node: NodeId, name: &str) -> Op {
    let place = Place { parent: NodeId::ROOT, name: Name::new(name).unwrap() };
    Op { time: Timestamp::default(), verb: Verb::Drop(crate::ops::Drop { node, place, version: Version(1) }) }
}

/// Content with its manifest and chunks.
fn content(bytes: &[u8]) -> (Manifest, Vec<(ChunkId, Vec<u8>)>) {
    let mut chunks = Vec::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| chunks.push((id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut sink);
    let manifest = builder.finish(&mut sink);
    (manifest, chunks)
}

/// Bytes that neither repeat nor compress; another seed gives others.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn small_file(member: &FakeMember, counter: u64, name: &str, bytes: &[u8]) -> (Op, Vec<Inline>) {
    let (manifest, chunks) = content(bytes);
    let inline = chunks.into_iter().map(|(chunk, bytes)| Inline { chunk, bytes }).collect();
    (make(member.node(counter), name, manifest), inline)
}
