//! A volume without a kernel: its replica in memory, its backing files in a temporary directory.

use crate::model::{Body, MemberName};
use crate::ops::{Op, Verb};
use crate::sync::member::{Effects, Ino, Replica, content_of};
use crate::sync::{Kv, MemoryKv};
use crate::vfs::{
    Caller, ContentFiles, FileId, Host, InUse, LastEnd, Ledger, NewNode, NotMaterialized, OpenMode,
    RequestId, Settings, Space, Volume, now,
};
use crate::wire::decode;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;

pub const ROOT: Caller = Caller { uid: 0, gid: 0, pid: 0, umask: 0 };
pub const OTHER: Caller = Caller { uid: 1000, gid: 1000, pid: 0, umask: 0 };
pub const READ: OpenMode =
    OpenMode { read: true, write: false, append: false, truncate: false, exclusive: false, direct: false };
pub const WRITE: OpenMode = OpenMode { write: true, ..READ };

/// Backing files as plain files of one directory.
#[derive(Clone)]
pub struct PlainFiles(pub PathBuf);

impl PlainFiles {
    fn path(&self, file: u64) -> PathBuf {
        self.0.join(file.to_string())
    }
}

impl ContentFiles for PlainFiles {
    fn open_read(&self, file: u64) -> io::Result<File> {
        File::open(self.path(file))
    }

    fn open_write(&self, file: u64) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(file))
    }

    fn create(&self, file: u64) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(file))
    }

    fn remove(&self, file: u64) -> io::Result<()> {
        fs::remove_file(self.path(file))
    }
}

/// A process without network and with boundless room.
pub struct LonelyHost;

impl Host for LonelyHost {
    fn wait_materialized(&self, _: Ino, _: Instant) -> Result<(), NotMaterialized> {
        Err(NotMaterialized)
    }

    fn happened(&self, _: Effects) {}

    fn space(&self) -> Space {
        Space::default()
    }
}

pub struct Fixture {
    pub volume: Volume<MemoryKv, PlainFiles>,
    pub directory: TempDir,
    /// What the volume's ledger is in.
    pub ledger: File,
}

impl Default for Fixture {
    fn default() -> Fixture {
        Fixture::with(MemoryKv::default(), TempDir::new().unwrap(), Settings::default())
    }
}

impl Fixture {
    pub fn with(store: MemoryKv, directory: TempDir, settings: Settings) -> Fixture {
        let replica = Replica::open(store, MemberName::new("a").unwrap()).unwrap();
        let files = PlainFiles(directory.path().to_path_buf());
        let ledger = tempfile::tempfile().unwrap();
        let volume = Volume::new(replica, files, Box::new(LonelyHost), settings);
        let volume = volume.with_ledger(Ledger::open(ledger.try_clone().unwrap()).unwrap());
        Fixture { volume, directory, ledger }
    }

    /// What a start finds after this process died: the store and the files as they are, nothing of memory.
    pub fn after_crash(&self) -> Fixture {
        self.after(LastEnd::SameBoot, |_| {})
    }

    /// What a start finds after the power went, which did `damage` to the directory of backing files.
    pub fn after_power_loss(&self, damage: impl FnOnce(&Path)) -> Fixture {
        self.after(LastEnd::OtherBoot, damage)
    }

    /// What the next process makes of it after this one was killed, with the ledger that both use, and with what was open.
    pub fn after_kill(&self) -> Fixture {
        let directory = copy_of(self.directory.path());
        let store = self.volume.replica().store().clone();
        let ledger = self.ledger.try_clone().unwrap();
        let in_use = InUse::read(&Ledger::open(ledger.try_clone().unwrap()).unwrap());
        let mut fixture = Fixture::with(store, directory, Settings::default());
        fixture.ledger = ledger.try_clone().unwrap();
        fixture.volume.replica().remove_abandoned_but(|ino| in_use.inodes.contains(&ino)).unwrap();
        fixture.volume = fixture.volume.with_ledger(Ledger::open(ledger).unwrap());
        fixture.volume.resume().unwrap();
        fixture.volume.recover(LastEnd::SameBoot).unwrap();
        fixture
    }

    /// As [`Fixture::create`], told to the kernel.
    pub fn create_for(&self, request: RequestId, name: &str) -> FileId {
        let file = self.create(name);
        self.volume.keep_handle(request, file, self.ino(name), WRITE);
        file
    }

    fn after(&self, end: LastEnd, damage: impl FnOnce(&Path)) -> Fixture {
        let directory = copy_of(self.directory.path());
        let store = self.volume.replica().store().clone();
        damage(directory.path());
        let fixture = Fixture::with(store, directory, Settings::default());
        fixture.volume.recover(end).unwrap();
        fixture
    }

    pub fn ino(&self, path: &str) -> Ino {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(Ino::ROOT, |at, name| self.volume.lookup(at, name.as_bytes()).unwrap().ino)
    }

    /// Waits until the clock that stamps changes has moved on.
    pub fn after_a_tick(&self) {
        let before = now();
        while now() == before {
            std::thread::yield_now();
        }
    }

    pub fn create(&self, name: &str) -> FileId {
        self.volume.create(ROOT, (Ino::ROOT, name.as_bytes()), 0o644, WRITE).unwrap().1
    }

    pub fn write(&self, name: &str, content: &[u8]) -> Ino {
        let file = self.create(name);
        self.put(file, 0, content);
        self.volume.close(file);
        self.ino(name)
    }

    pub fn put(&self, file: FileId, offset: u64, content: &[u8]) {
        assert_eq!(self.volume.write(file, offset, content, false, None).unwrap(), content.len());
    }

    pub fn open(&self, name: &str, mode: OpenMode) -> FileId {
        self.volume.open(ROOT, self.ino(name), mode).unwrap()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let file = self.open(name, READ);
        let content = self.read_from(file);
        self.volume.close(file);
        content
    }

    pub fn read_path(&self, path: &str) -> Vec<u8> {
        let file = self.volume.open(ROOT, self.ino(path), READ).unwrap();
        let content = self.read_from(file);
        self.volume.close(file);
        content
    }

    pub fn read_from(&self, file: FileId) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 20];
        let bytes = self.volume.read(file, 0, &mut buffer).unwrap();
        buffer.truncate(bytes);
        buffer
    }

    pub fn make_directory(&self, name: &str) -> Ino {
        let new = NewNode { body: Body::Directory, mode: 0o755 };
        self.volume.make(ROOT, Ino::ROOT, name.as_bytes(), new).unwrap().ino
    }

    pub fn names(&self, directory: Ino) -> Vec<String> {
        let entries = self.volume.list(directory, 2, usize::MAX).unwrap();
        let mut names: Vec<_> =
            entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect();
        names.sort();
        names
    }

    /// The ops of the journal, in order.
    pub fn journal(&self) -> Vec<Op> {
        let replica = self.volume.replica();
        replica.store().scan_prefix(b"J").map(|(_, value)| decode("op", &value).unwrap()).collect()
    }

    /// What the journal's ops do, a word each.
    pub fn verbs(&self) -> Vec<&'static str> {
        let word = |op: &Op| match &op.verb {
            Verb::Make(_) => "make",
            Verb::Put(_) => "put",
            Verb::SetMeta(_) => "set",
            Verb::Link(_) => "link",
            Verb::Move(_) => "move",
            Verb::Drop(_) => "drop",
            Verb::Settle { .. } => "settle",
            Verb::Record(_) => "record",
        };
        self.journal().iter().map(word).collect()
    }

    /// As [`Fixture::verbs`], without the times of a directory in which several files are made: the later one's, where the
    /// clock has ticked in between.
    pub fn file_verbs(&self) -> Vec<&'static str> {
        self.verbs().into_iter().filter(|verb| *verb != "set").collect()
    }

    /// The bytes that the journal's op at `index` brings, from where they are kept for it.
    pub fn pending_bytes(&self, index: usize) -> Option<Vec<u8>> {
        let op = self.journal().swap_remove(index);
        let manifest = op.verb.manifest().unwrap();
        let (content, chunk) = (content_of(manifest), manifest.chunk_ids().next().unwrap());
        let replica = self.volume.replica();
        let in_file = || {
            let file = replica.file_holding(op.verb.node(), content)?;
            fs::read(self.volume.files().path(file)).ok()
        };
        replica.spooled(content, chunk).or_else(in_file)
    }

    pub fn backing_files(&self) -> usize {
        files_in(self.directory.path())
    }
}

fn copy_of(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let to = copy.path().join(path.file_name().unwrap());
        fs::copy(&path, &to).unwrap();
        File::open(to).unwrap().set_modified(path.metadata().unwrap().modified().unwrap()).unwrap();
    }
    copy
}

fn files_in(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}
