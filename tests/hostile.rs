//! A hub process and the mounts of two members, while a third device of the space says what it should not.

#![allow(clippy::disallowed_methods)]

use fl0wfs::member::config::Home;
use fl0wfs::model::{ChunkId, CommitNumber, MemberName, Round, SpaceName};
use fl0wfs::net::{Connection, Dialer, FrameReceiver, FrameSender, Identity};
use fl0wfs::wire::*;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::timeout;

/// Far longer than anything here takes; it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);
const SPACE: &str = "notes";

fn fl0wfs(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fl0wfs"));
    command.env("FL0WFS_HOME", home);
    command
}

/// Runs a command that has to succeed, and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {error}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// A hub process with one space; killed when dropped.
struct Hub {
    data: PathBuf,
    process: Child,
    address: String,
}

impl Hub {
    fn start(root: &Path) -> Hub {
        let data = root.join("hub");
        let mut serve = fl0wfs(&data);
        serve.args(["hub", "serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        let log = fs::File::create(root.join("hub.log")).unwrap();
        let mut process = serve.stdout(Stdio::piped()).stderr(log).spawn().expect("a hub starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("a hub says where it is").to_owned();
        run(fl0wfs(&data).args(["hub", "space", "create", SPACE, "--data"]).arg(&data));
        Hub { data, process, address }
    }

    /// Makes the device that has this home a member of the space.
    fn enrol(&self, home: &Path, name: &str) {
        let host = ["hub", "invite", SPACE, "--host", &self.address, "--data"];
        let invite = run(fl0wfs(home).args(host).arg(&self.data));
        run(fl0wfs(home).args(["join", invite.trim(), "--as", "work", "--name", name]));
    }

    fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A member's mount; unmounted when dropped.
struct Member {
    home: PathBuf,
    mount: PathBuf,
}

impl Member {
    fn mount(root: &Path, hub: &Hub, name: &str) -> Member {
        let (home, mount) = (root.join(format!("home-{name}")), root.join(name));
        fs::create_dir(&mount).unwrap();
        hub.enrol(&home, name);
        run(fl0wfs(&home).args(["mount", &format!("work:{SPACE}")]).arg(&mount));
        Member { home, mount }
    }

    fn sync(&self) {
        run(fl0wfs(&self.home).arg("sync").arg(&self.mount));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = fl0wfs(&self.home).args(["umount", "--timeout", "1s"]).arg(&self.mount).output();
    }
}

/// A device of the space that speaks for itself.
struct Mallory {
    home: Home,
    hello: Hello,
}

struct Line {
    connection: Connection,
    sender: FrameSender,
    receiver: FrameReceiver,
}

impl Mallory {
    fn enrol(root: &Path, hub: &Hub) -> Mallory {
        let home = root.join("home-mallory");
        hub.enrol(&home, "mallory");
        let (space, name) = (SpaceName::new(SPACE).unwrap(), MemberName::new("mallory").unwrap());
        let hello = Hello {
            format: WIRE_FORMAT,
            space,
            name,
            member: None,
            position: None,
            whole: false,
            sealed: None,
        };
        Mallory { home: Home::under(&home), hello }
    }

    async fn dial(&self, identity: &Identity) -> Line {
        let (_, remote) = self.home.list_remotes().unwrap().remove(0);
        let dialer = Dialer::new(identity);
        let connection = dialer.connect(&remote.host, remote.port, remote.hub, PATIENCE).await.unwrap();
        let (sender, receiver) = connection.open_control().await.unwrap();
        Line { connection, sender, receiver }
    }

    /// A connection as a member like any other.
    async fn greet(&self) -> Line {
        let mut line = self.dial(&Identity::load(&self.home.device_key()).unwrap()).await;
        line.sender.send_message(&Opening::Hello(self.hello.clone())).await.unwrap();
        while !matches!(line.hear().await, FromHub::Welcome(_)) {}
        line
    }
}

impl Line {
    async fn hear(&mut self) -> FromHub {
        let message = timeout(PATIENCE, self.receiver.receive_message("message of the hub")).await;
        message.expect("a message in time").unwrap().expect("a message")
    }

    /// What the hub says before it ends the conversation, which it has to.
    async fn refusal(mut self) -> (RefuseReason, String) {
        loop {
            if let FromHub::Refused { reason, detail } = self.hear().await {
                timeout(PATIENCE, self.connection.closed()).await.expect("the connection ends");
                return (reason, detail);
            }
        }
    }

    async fn commit(&mut self, number: u64, inline: Vec<Inline>) {
        let commit = Commit { number: CommitNumber(number), ops: vec![] };
        let commit = SealedCommit { round: Round(0), commit };
        self.sender.send_message(&FromMember::Commit { commit, inline }).await.unwrap();
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// What one writes reaches the other.
fn still_work(writer: &Member, reader: &Member, about: &str) {
    let (written, read) = (writer.mount.join(about), reader.mount.join(about));
    fs::write(&written, about).unwrap();
    let began = Instant::now();
    while fs::read_to_string(&read).ok().as_deref() != Some(about) {
        assert!(began.elapsed() < PATIENCE, "after {about} the others are harmed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Each way to say something bad on a connection, and the reason it is refused with.
async fn say_bad_things(mallory: &Mallory, mut after_each: impl FnMut(&str)) {
    for (about, frame) in
        [("no message", &b"\xff\xff\xff\xff"[..]), ("noise", &noise(5000)), ("nothing", b"")]
    {
        let mut line = mallory.greet().await;
        line.sender.send(frame).await.unwrap();
        let (reason, detail) = line.refusal().await;
        assert_eq!(reason, RefuseReason::Malformed, "{about}");
        assert!(!detail.is_empty(), "{about}: nothing is told");
        after_each(about);
    }
    let mut line = mallory.greet().await;
    line.commit(1, vec![Inline { chunk: ChunkId([1; 32]), bytes: b"something else".to_vec() }]).await;
    assert_eq!(line.refusal().await.0, RefuseReason::Malformed);
    after_each("content that is not what it is named");

    let line = mallory.greet().await;
    let (mut sender, _receiver) = line.connection.open_content().await.unwrap();
    sender.send_message(&ContentRequest::Put(vec![ChunkId([1; 32])])).await.unwrap();
    sender.send(&noise(fl0wfs::content::CHUNK_BYTES_MAX + 1)).await.unwrap();
    let (reason, detail) = line.refusal().await;
    assert_eq!(reason, RefuseReason::Malformed);
    assert!(!detail.is_empty());
    after_each("too long a chunk");

    let mut line = mallory.dial(&Identity::load(&mallory.home.device_key()).unwrap()).await;
    let hello = Hello { format: WIRE_FORMAT + 1, ..mallory.hello.clone() };
    line.sender.send_message(&Opening::Hello(hello)).await.unwrap();
    let (reason, detail) = line.refusal().await;
    assert_eq!(reason, RefuseReason::Format);
    assert!(detail.contains("update"), "{detail}");
    after_each("a format of another time");
}

/// Strangers learn nothing, and hold up nobody.
async fn be_unknown(mallory: &Mallory, mut after_each: impl FnMut(&str)) {
    let mut line = mallory.dial(&Identity::generate()).await;
    line.sender.send_message(&Opening::Hello(mallory.hello.clone())).await.unwrap();
    assert_eq!(line.refusal().await.0, RefuseReason::Unknown);
    after_each("an unknown device");

    let mut line = mallory.dial(&Identity::load(&mallory.home.device_key()).unwrap()).await;
    let elsewhere = Hello { space: SpaceName::new("elsewhere").unwrap(), ..mallory.hello.clone() };
    line.sender.send_message(&Opening::Hello(elsewhere)).await.unwrap();
    assert_eq!(line.refusal().await.0, RefuseReason::Unknown);
    after_each("an unknown space");

    let (_, remote) = mallory.home.list_remotes().unwrap().remove(0);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0, 1, 20, 1200, 1500, 60_000] {
        socket.send_to(&noise(length), (remote.host.as_str(), remote.port)).unwrap();
    }
    after_each("datagrams of noise");
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_bad_input_ends_that_connection_at_worst_and_is_told_and_all_others_go_on() {
    let directory = TempDir::new().unwrap();
    let root = directory.path();
    let mut hub = Hub::start(root);
    let (ada, bob) = (Member::mount(root, &hub, "ada"), Member::mount(root, &hub, "bob"));
    let mallory = Mallory::enrol(root, &hub);
    let bystander = mallory.greet().await;
    say_bad_things(&mallory, |about| still_work(&ada, &bob, about)).await;
    be_unknown(&mallory, |about| still_work(&bob, &ada, about)).await;
    drop(bystander);
    assert!(hub.is_alive());
    ada.sync();
    bob.sync();
    let names = |member: &Member| {
        let entries = fs::read_dir(&member.mount).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&ada), names(&bob));
    assert_eq!(names(&ada).len(), 9, "what was written, and nothing of what was said badly");
    // Whoever said bad things is still welcome to say good ones.
    mallory.greet().await;
}
