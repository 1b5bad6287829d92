//! A volume mounted for real, without a hub: RocksDB and backing files in a temporary directory.

use fl0wfs::fuse::{Mount, MountOptions, Passthrough, mount};
use fl0wfs::model::{MemberName, Owner};
use fl0wfs::store::{BackingFiles, RocksStore, StoreRole};
use fl0wfs::sync::member::{Effects, Ino, Replica};
use fl0wfs::vfs::{ContentFiles, Host, LastEnd, NotMaterialized, Settings, Space, Volume};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Backing files of one state directory.
pub struct Files(BackingFiles);

fn to_io(error: fl0wfs::store::StoreError) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

impl ContentFiles for Files {
    fn open_read(&self, file: u64) -> io::Result<File> {
        self.0.open_read(file, 0).map_err(to_io)
    }

    fn open_write(&self, file: u64) -> io::Result<File> {
        self.0.open_write(file, 0).map_err(to_io)
    }

    fn create(&self, file: u64) -> io::Result<File> {
        self.0.remove(file, 0).map_err(to_io)?;
        self.0.create(file, 0).map_err(to_io)
    }

    fn remove(&self, file: u64) -> io::Result<()> {
        self.0.remove(file, 0).map_err(to_io)
    }
}

/// A process without network and with boundless room.
struct LonelyHost;

impl Host for LonelyHost {
    fn wait_materialized(&self, _: Ino, _: Instant) -> Result<(), NotMaterialized> {
        Err(NotMaterialized)
    }

    fn happened(&self, _: Effects) {}

    fn space(&self) -> Space {
        Space { block_bytes: 4096, blocks: 1 << 24, blocks_free: 1 << 23, ..Space::default() }
    }
}

/// A mounted volume; unmounted when dropped.
pub struct Mounted {
    pub directory: PathBuf,
    pub volume: Arc<Volume<RocksStore, Files>>,
    mount: Option<Mount>,
    captures: Option<JoinHandle<()>>,
}

impl Mounted {
    /// Mounts the volume whose state is below `root`, which is made where it is missing.
    pub fn new(root: &Path, passthrough: Passthrough) -> Mounted {
        let (state, directory) = (root.join("state"), root.join("mount"));
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(&state).unwrap();
        let store = RocksStore::open(&state.join("rows"), StoreRole::Member).unwrap();
        let replica = Replica::open(store, MemberName::new("a").unwrap()).unwrap();
        let files = Files(BackingFiles::open(&state).unwrap());
        let user = rustix::process::geteuid();
        let owner = Owner { uid: user.as_raw(), gid: rustix::process::getegid().as_raw() };
        let settings = Settings { shown_as: (!user.is_root()).then_some(owner) };
        let volume = Arc::new(Volume::new(replica, files, Box::new(LonelyHost), settings));
        volume.recover(LastEnd::SameBoot).unwrap();
        let capturing = volume.clone();
        let captures = thread::spawn(move || capturing.run_captures());
        let options = MountOptions {
            source: "here:test".into(),
            allow_other: user.is_root(),
            read_only: false,
            suid: true,
            dev: true,
            exec: true,
            plain_type: false,
            passthrough,
        };
        let mount =
            mount(volume.clone(), Arc::default(), &directory, &options).expect("mounting needs /dev/fuse");
        Mounted { directory, volume, mount: Some(mount), captures: Some(captures) }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = self.mount.take().map(Mount::unmount);
        let captured = self.volume.capture_all(Instant::now() + Duration::from_secs(10));
        self.volume.stop_captures();
        let joined = self.captures.take().map(JoinHandle::join);
        self.volume.end();
        if !thread::panicking() {
            unmounted.unwrap().unwrap();
            captured.unwrap();
            joined.unwrap().unwrap();
        }
    }
}
