//! Two members, a hub, and messages that arrive at once or not at all.

use super::member::{Chunks, Member};
use super::work::{self, Chance};
use fl0wfs::model::{
    ChunkId, Incarnation, MemberName, MemberNumber, Role, Sequence, SpaceId, SpaceName, Timestamp,
};
use fl0wfs::sync::hub::{Device, HeldContent, HubSync, Invitation, TokenHash, create_space};
use fl0wfs::sync::member::Kept;
use fl0wfs::sync::{Durability, Kv, MemoryKv, Store, Txn};
use fl0wfs::wire::{Answer, Enrol, FromHub, FromMember, Inline, Start, WIRE_FORMAT};

const MEMBERS: usize = 2;
const STEPS: usize = 100;

pub struct World {
    chance: Chance,
    now: i64,
    pub members: Vec<Member>,
    numbers: [Option<MemberNumber>; MEMBERS],
    hub: HubSync,
    kv: MemoryKv,
    chunks: Chunks,
}

struct Held<'a>(&'a Chunks, &'a [Inline]);

impl HeldContent for Held<'_> {
    fn has(&self, chunk: ChunkId) -> bool {
        self.read(chunk).is_some()
    }

    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        let inline = self.1.iter().find(|inline| inline.chunk == chunk);
        inline.map(|inline| inline.bytes.clone()).or_else(|| self.0.get(&chunk).cloned())
    }
}

fn space() -> SpaceName {
    SpaceName::new("space").unwrap()
}

fn make_space(number: u8) -> (MemoryKv, HubSync) {
    let kv = MemoryKv::default();
    let mut txn = Txn::new(&kv);
    create_space(&mut txn, space(), SpaceId([number; 16]), Timestamp::default()).expect("a new space");
    for at in 0..MEMBERS as u8 {
        let expiry = Timestamp { seconds: i64::MAX, nanos: 0 };
        let hub = HubSync::open(&txn, &space()).unwrap();
        hub.invite(&mut txn, TokenHash([at; 32]), Invitation { role: Role::Writer, uses: 1, expiry });
        let name = MemberName::new(format!("m{at}")).unwrap();
        let wish = Enrol { format: WIRE_FORMAT, space: space(), token: Vec::new(), name };
        let enrolled =
            hub.enrol(&mut txn, Device([at; 32]), TokenHash([at; 32]), &wish, Timestamp::default());
        enrolled.expect("a good invite");
    }
    let batch = txn.into_batch();
    kv.commit(batch, Durability::Power).unwrap();
    let hub = HubSync::open(&kv, &space()).unwrap();
    (kv, hub)
}

impl World {
    pub fn new(seed: u64) -> World {
        let (kv, hub) = make_space(7);
        World {
            chance: Chance(seed),
            now: 1,
            members: (0..MEMBERS).map(|at| Member::new(&format!("m{at}"))).collect(),
            numbers: [None; MEMBERS],
            hub,
            kv,
            chunks: Chunks::new(),
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp { seconds: self.now, nanos: 0 }
    }

    fn on_hub<R>(&mut self, body: impl FnOnce(HubSync, &mut Txn<MemoryKv>) -> R) -> R {
        let mut txn = Txn::new(&self.kv);
        let result = body(self.hub, &mut txn);
        let batch = txn.into_batch();
        self.kv.commit(batch, Durability::Power).unwrap();
        result
    }

    pub fn run(&mut self) {
        for _ in 0..STEPS {
            self.now += 1;
            let (at, now) = (self.chance.below(MEMBERS), self.time());
            match self.chance.below(16) {
                0 => self.disconnect(at),
                1 if self.chance.one_in(4) => self.members[at].restart(now),
                2..=4 => self.converse(at),
                _ => work::act(&mut self.members[at], &mut self.chance, now),
            }
            self.members[at].check();
        }
    }

    pub fn settle(&mut self) {
        let now = self.time();
        self.members.iter_mut().for_each(|member| member.capture_all(now));
        for _ in 0..60 {
            self.now += 1;
            (0..MEMBERS).for_each(|at| self.converse(at));
            let head = self.hub.head(&self.kv);
            let quiet = |member: &Member| {
                let replica = &member.replica;
                replica.is_clean() && replica.position().map(|position| position.sequence) == head
            };
            if self.members.iter().all(quiet) {
                return;
            }
        }
        panic!("not quiet after a long time");
    }

    pub fn check(&mut self) {
        let rows = |kv: &MemoryKv, prefix: &[u8]| -> Vec<_> {
            kv.scan_prefix(prefix).map(|(key, value)| (key[prefix.len()..].to_vec(), value)).collect()
        };
        let mut views = Vec::new();
        for member in &mut self.members {
            member.check();
            let store = member.replica.store();
            let slot = store.get(b"Mslot").map_or(0, |value| value[0]);
            views.push(rows(store, &[b'V', slot]));
        }
        let names = |rows: &[(Vec<u8>, Vec<u8>)]| -> Vec<_> {
            rows.iter().filter(|(key, _)| b"nep".contains(&key[0])).cloned().collect()
        };
        assert_eq!(names(&views[0]), names(&views[1]), "the shared trees differ");
        let unshared = u32::MAX.to_be_bytes();
        let told = views[0].iter().any(|(key, _)| key[1..5] == unshared);
        assert!(!told, "the log tells of an unshared node");
    }

    /// Unshared nodes that are left, and how many stayed or gave way in the end or before.
    pub fn counts(&self) -> [u64; 3] {
        let left = |member: &Member| member.replica.store().scan_prefix(b"Un").count();
        let kept = |kept: Kept| {
            let of = |member: &Member| member.seen_kept.values().filter(|seen| **seen == kept).count();
            self.members.iter().map(of).sum::<usize>() as u64
        };
        [self.members.iter().map(left).sum::<usize>() as u64, kept(Kept::Directory), kept(Kept::Aside)]
    }

    /// All members go on from a snapshot.
    pub fn forget_positions(&mut self) {
        for at in 0..MEMBERS {
            self.disconnect(at);
            self.members[at].restart(Timestamp { seconds: self.now, nanos: 0 });
            self.connect(at, true);
        }
    }

    pub fn back_up(&self) -> (MemoryKv, Chunks) {
        (self.kv.clone(), self.chunks.clone())
    }

    pub fn restore(&mut self, backup: (MemoryKv, Chunks)) {
        (0..MEMBERS).for_each(|at| self.disconnect(at));
        (self.kv, self.chunks) = backup;
    }

    pub fn make_anew(&mut self) {
        (0..MEMBERS).for_each(|at| self.disconnect(at));
        (self.kv, self.hub) = make_space(8);
        self.chunks.clear();
    }

    fn disconnect(&mut self, at: usize) {
        self.members[at].connected = false;
        self.members[at].broken = false;
        self.members[at].replica.disconnected();
    }

    fn connect(&mut self, at: usize, anew: bool) {
        let mut hello = self.members[at].replica.connected(space());
        if anew {
            hello.position = None;
        }
        let fresh = Incarnation(std::array::from_fn(|_| self.chance.next() as u8));
        let welcome =
            self.on_hub(|hub, txn| hub.hello(txn, Device([at as u8; 32]), &hello, fresh, &|_| false));
        let welcome = welcome.expect("an enrolled device is welcome");
        self.numbers[at] = Some(welcome.member);
        let mut messages = vec![FromHub::Welcome(welcome.clone())];
        let from = match welcome.start {
            Start::Tail => hello.position.map(|position| position.sequence),
            Start::Snapshot { position, .. } => {
                let rows = self.hub.snapshot(&self.kv).rows.collect();
                messages.extend([FromHub::SnapshotRows(rows), FromHub::SnapshotEnd]);
                position.map(|position| position.sequence)
            }
        };
        let tail = self.hub.entries(&self.kv, Sequence::after(from));
        messages.extend(tail.map(|entry| FromHub::Entry { entry, inline: Vec::new() }));
        self.members[at].connected = true;
        for message in messages {
            if self.members[at].connected {
                self.deliver(at, message);
            }
        }
    }

    fn deliver(&mut self, at: usize, message: FromHub) {
        let now = self.time();
        self.members[at].handle(now, message);
        if self.members[at].broken {
            return self.disconnect(at);
        }
        let wanted = std::mem::take(&mut self.members[at].wanted_chunks);
        if !wanted.is_empty() {
            for chunk in wanted {
                match self.members[at].chunk_bytes(chunk) {
                    Some(bytes) => drop(self.chunks.insert(chunk, bytes)),
                    // Moved and dropped here, gone at the hub: its content went with the drop.
                    None => self.members[at].lose(now, chunk),
                }
            }
            self.members[at].replica.uploaded();
        }
    }

    fn converse(&mut self, at: usize) {
        if !self.members[at].connected {
            self.connect(at, false);
        }
        while self.members[at].connected {
            let Some(FromMember::Commit { commit, inline }) = self.members[at].next_commit() else { break };
            self.commit(at, commit, inline);
        }
        self.members[at].fetch(&self.chunks);
    }

    fn commit(&mut self, at: usize, commit: fl0wfs::wire::SealedCommit, inline: Vec<Inline>) {
        let (number, now) = (commit.commit.number, self.time());
        let (chunks, member) = (self.chunks.clone(), self.numbers[at].expect("it is connected"));
        let judged = self.on_hub(|hub, txn| hub.commit(txn, member, commit, &Held(&chunks, &inline), now));
        let Some(judged) = judged else { return self.disconnect(at) };
        if let Answer::Refuse { reason, .. } = &judged.answer {
            panic!("the hub refused honest work: {reason}");
        }
        if let Some(entry) = judged.entry {
            self.chunks.extend(inline.iter().map(|inline| (inline.chunk, inline.bytes.clone())));
            for other in (0..MEMBERS).filter(|other| *other != at) {
                if self.members[other].connected {
                    self.deliver(other, FromHub::Entry { entry: entry.clone(), inline: inline.clone() });
                }
            }
        }
        self.deliver(at, FromHub::Answer { number, answer: judged.answer });
    }
}
