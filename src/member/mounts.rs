//! What is mounted by whom: a record, a lock and a control socket for each mount of one [`Home`].
//!
//! Invariant: whoever holds a mount's lock is its daemon, and the only one, or the supervisor that holds it for the next
//! daemon. The kernel drops the lock with the processes, however they end, so a record whose lock is free tells of a
//! mount that died.

use super::config::{ConfigError, Home, RemoteName, make_private_directory, replace_file};
use crate::model::{Sequence, SpaceName};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, process};

/// Waiting for a daemon's end means looking this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Whoever asks whether a daemon lives holds its lock for a moment; this is longer.
const CLAIM_PATIENCE: Duration = Duration::from_millis(200);

/// A mount, as its daemon wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRecord {
    pub pid: u32,
    pub mount_point: PathBuf,
    pub state_directory: PathBuf,
    pub socket: PathBuf,
    pub remote: RemoteName,
    pub space: SpaceName,
    /// The sequence that is shown, where it is not the space as it is.
    #[serde(default)]
    pub visit: Option<Sequence>,
}

/// The right to be a mount point's daemon, and the duty to clear up after it. Dropping it does so.
#[derive(Debug)]
pub struct MountClaim {
    files: MountFiles,
    lock: File,
    /// Another daemon goes on with the claim if this one fails.
    stays: bool,
}

/// Why a mount point cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("{} is taken by another fl0wfs process", mount_point.display())]
    Taken { mount_point: PathBuf },
    #[error(transparent)]
    Config(#[from] ConfigError),
}

#[derive(Clone, Debug)]
struct MountFiles {
    record: PathBuf,
    lock: PathBuf,
    socket: PathBuf,
}

impl MountFiles {
    fn of(home: &Home, mount_point: &Path) -> MountFiles {
        let hash = blake3::hash(mount_point.as_os_str().as_bytes()).to_hex();
        let file = |extension: &str| home.mounts().join(format!("{}.{extension}", &hash[..16]));
        MountFiles { record: file("json"), lock: file("lock"), socket: file("sock") }
    }

    /// Takes the lock where nobody holds it.
    fn try_lock(&self) -> io::Result<Option<File>> {
        loop {
            let mut options = OpenOptions::new();
            let file = options.create(true).truncate(false).write(true).mode(0o600).open(&self.lock)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                locked => locked?,
            }
            // Its last holder removes the file: a lock on a file that has gone since is no lock.
            let held = file.metadata()?.ino();
            if fs::metadata(&self.lock).is_ok_and(|now| now.ino() == held) {
                return Ok(Some(file));
            }
        }
    }

    fn is_held(&self) -> bool {
        let Ok(file) = File::open(&self.lock) else { return false };
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    fn remove(&self) {
        for path in [&self.record, &self.socket, &self.lock] {
            // What is left behind is found to be dead, so a failure does no harm.
            let _ = fs::remove_file(path);
        }
    }
}

impl MountClaim {
    /// Claims `mount_point`, an absolute path without symlinks, for this process.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn take(home: &Home, mount_point: &Path) -> Result<MountClaim, ClaimError> {
        make_private_directory(&home.mounts())?;
        let files = MountFiles::of(home, mount_point);
        let failed = |source| ConfigError::Io { path: files.lock.clone(), source };
        let deadline = Instant::now() + CLAIM_PATIENCE;
        loop {
            if let Some(lock) = files.try_lock().map_err(failed)? {
                return Ok(MountClaim { files, lock, stays: false });
            }
            if Instant::now() >= deadline {
                return Err(ClaimError::Taken { mount_point: mount_point.to_owned() });
            }
            thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Goes on with a claim whose daemon has died; `lock` is the one that it held.
    pub fn take_over(home: &Home, mount_point: &Path, lock: File) -> MountClaim {
        MountClaim { files: MountFiles::of(home, mount_point), lock, stays: true }
    }

    /// The mount is this process's own from now on, and ends with it.
    pub fn is_served(&mut self) {
        self.stays = false;
    }

    /// What says that the claim is held, by whatever process has it open.
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Where the daemon is to answer.
    pub fn socket(&self) -> &Path {
        &self.files.socket
    }

    /// Writes the mount down, so that other processes find it.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn publish(&self, record: &MountRecord) -> Result<(), ConfigError> {
        let text = serde_json::to_string(record).map_err(io::Error::other);
        let written = text.and_then(|text| replace_file(&self.files.record, text.as_bytes()));
        written.map_err(|source| ConfigError::Io { path: self.files.record.clone(), source })
    }
}

impl Drop for MountClaim {
    fn drop(&mut self) {
        if !self.stays {
            self.files.remove();
        }
    }
}

impl MountRecord {
    pub fn new(home: &Home, mount_point: &Path, state_directory: &Path, of: (RemoteName, SpaceName)) -> Self {
        MountRecord {
            pid: process::id(),
            mount_point: mount_point.to_owned(),
            state_directory: state_directory.to_owned(),
            socket: MountFiles::of(home, mount_point).socket,
            remote: of.0,
            space: of.1,
            visit: None,
        }
    }

    /// All mounts of `home`, dead ones too, by mount point.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn list(home: &Home) -> Result<Vec<MountRecord>, ConfigError> {
        let directory = home.mounts();
        let failed = |source| ConfigError::Io { path: directory.clone(), source };
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                // One that vanishes or makes no sense belongs to a mount that just ended.
                let record = fs::read(&path).ok();
                records.extend(record.and_then(|text| serde_json::from_slice(&text).ok()));
            }
        }
        records.sort_by(|a: &MountRecord, b| a.mount_point.cmp(&b.mount_point));
        Ok(records)
    }

    /// The mount that `path`, absolute and without symlinks, lies in.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn find(home: &Home, path: &Path) -> Result<Option<MountRecord>, ConfigError> {
        let records = MountRecord::list(home)?.into_iter();
        let around = records.filter(|record| path.starts_with(&record.mount_point));
        Ok(around.max_by_key(|record| record.mount_point.as_os_str().len()))
    }

    /// Whether the daemon lives.
    pub fn is_alive(&self, home: &Home) -> bool {
        MountFiles::of(home, &self.mount_point).is_held()
    }

    /// Waits until the daemon has ended. Returns whether it has, at the deadline at the latest.
    pub fn wait_for_end(&self, home: &Home, deadline: Instant) -> bool {
        while self.is_alive(home) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::park_timeout(LOOK_INTERVAL);
        }
        true
    }

    /// Removes what a dead daemon left, unless another has taken its place.
    pub fn clear_dead(&self, home: &Home) {
        let files = MountFiles::of(home, &self.mount_point);
        if let Ok(Some(_lock)) = files.try_lock() {
            if self.visit.is_some() {
                super::visit::remove(&self.state_directory);
            }
            files.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(home: &Home, mount_point: &str) -> MountRecord {
        let of = (RemoteName::new("work").unwrap(), SpaceName::new("notes").unwrap());
        MountRecord::new(home, Path::new(mount_point), Path::new("/state"), of)
    }

    #[test]
    fn a_mount_point_has_one_daemon_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::under(directory.path());
        let claim = MountClaim::take(&home, Path::new("/mnt/a")).unwrap();
        let second = MountClaim::take(&home, Path::new("/mnt/a"));
        assert!(matches!(second, Err(ClaimError::Taken { .. })));
        let other = MountClaim::take(&home, Path::new("/mnt/b")).unwrap();
        assert_ne!(claim.socket(), other.socket());
        drop(claim);
        MountClaim::take(&home, Path::new("/mnt/a")).unwrap();
    }

    #[test]
    fn a_mount_is_found_by_any_path_in_it_and_the_innermost_wins() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::under(directory.path());
        let claims = ["/mnt/a", "/mnt/a/deep", "/mnt/ab"].map(|point| {
            let claim = MountClaim::take(&home, Path::new(point)).unwrap();
            claim.publish(&record(&home, point)).unwrap();
            claim
        });
        let find = |path: &str| {
            let found = MountRecord::find(&home, Path::new(path)).unwrap();
            found.map(|record| record.mount_point.to_str().unwrap().to_owned())
        };
        assert_eq!(find("/mnt/a/x/y").as_deref(), Some("/mnt/a"));
        assert_eq!(find("/mnt/a/deep/x").as_deref(), Some("/mnt/a/deep"));
        assert_eq!(find("/mnt/abc"), None);
        assert_eq!(MountRecord::list(&home).unwrap().len(), 3);
        drop(claims);
        assert_eq!(MountRecord::list(&home).unwrap(), []);
    }

    #[test]
    fn a_record_tells_whether_its_daemon_lives_and_a_dead_one_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::under(directory.path());
        let claim = MountClaim::take(&home, Path::new("/mnt/a")).unwrap();
        let record = record(&home, "/mnt/a");
        claim.publish(&record).unwrap();
        assert!(record.is_alive(&home));
        assert!(!record.wait_for_end(&home, Instant::now()));
        record.clear_dead(&home);
        assert_eq!(
            MountRecord::list(&home).unwrap(),
            std::slice::from_ref(&record),
            "the living keep their record"
        );
        let MountClaim { files, lock, .. } = &claim;
        flock(lock, FlockOperation::Unlock).unwrap();
        assert!(files.record.exists() && record.wait_for_end(&home, Instant::now()));
        record.clear_dead(&home);
        assert_eq!(MountRecord::list(&home).unwrap(), []);
    }
}
