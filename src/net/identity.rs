//! A key pair of this machine, and the file that keeps it.

use super::key::PublicKey;
use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, sync::Arc};

/// An Ed25519 key pair: what a device or a hub is known by.
#[derive(Clone)]
pub struct Identity {
    pkcs8: Arc<[u8]>,
    public_key: PublicKey,
}

/// Why a key file gives no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot use the key file {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the key file {} can be read by others (mode {mode:04o}); make it private with: chmod 600 {}",
        path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} holds no Ed25519 private key", path.display())]
    Malformed { path: PathBuf },
}

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// A key file has about 150 bytes; more than this is something else.
const FILE_BYTES_MAX: u64 = 4096;

impl Identity {
    /// Makes a new key pair.
    ///
    /// # Panics
    /// Where the system has no randomness to give; nothing secret can be made then.
    pub fn generate() -> Identity {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let pkcs8 = pkcs8.expect("the system gives random bytes");
        Identity::from_pkcs8(pkcs8.as_ref()).expect("a new key pair is well formed")
    }

    /// Reads the key pair from `path`, or makes one and keeps it there (mode 0600, directories 0700).
    ///
    /// Two processes that do this at once get the same key pair: the file appears complete or not at all,
    /// and the second finds the first one's.
    ///
    /// # Errors
    /// [`IdentityError`] where the file can be read by others, holds something else, or I/O fails.
    pub fn load_or_create(path: &Path) -> Result<Identity, IdentityError> {
        match Identity::load(path) {
            Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let failed = |source| IdentityError::Io { path: path.to_owned(), source };
                Identity::generate().create(path).map_err(failed)?;
                Identity::load(path)
            }
            other => other,
        }
    }

    /// Reads the key pair from `path`.
    ///
    /// # Errors
    /// [`IdentityError`] where the file is missing, can be read by others or holds something else.
    pub fn load(path: &Path) -> Result<Identity, IdentityError> {
        let failed = |source| IdentityError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
        let malformed = || IdentityError::Malformed { path: path.to_owned() };
        from_pem(&text).and_then(|pkcs8| Identity::from_pkcs8(&pkcs8)).ok_or_else(malformed)
    }

    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Identity> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        let public_key = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Identity { pkcs8: pkcs8.into(), public_key })
    }

    /// Order: contents synced, then linked to the name, then the directory synced; so that a crash leaves
    /// the whole file or none. Linking, unlike renaming, leaves a file alone that is there already.
    fn create(&self, path: &Path) -> io::Result<()> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let draft = directory.join(draft_name()?);
        let linked = write_private(&draft, &to_pem(&self.pkcs8)).and_then(|()| fs::hard_link(&draft, path));
        let removed = fs::remove_file(&draft);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        removed?;
        File::open(directory)?.sync_all()
    }
}

/// Shows the public half only.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Identity").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}

fn draft_name() -> io::Result<String> {
    let number = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!(".key-{number:016x}"))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn to_pem(pkcs8: &[u8]) -> String {
    let body = BASE64.encode(pkcs8);
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", lines.join("\n"))
}

fn from_pem(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let body = text.strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    let body: String = body.split_whitespace().collect();
    BASE64.decode(body.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_privately_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/key");
        let made = Identity::load_or_create(&path).unwrap();
        let found = Identity::load_or_create(&path).unwrap();
        assert_eq!(made.public_key(), found.public_key());
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        Identity::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Exposed { mode: 0o640, .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for damaged in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            write_private(&path, damaged).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Malformed { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn processes_that_make_the_key_at_once_agree_on_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let load = || Identity::load_or_create(&path).unwrap().public_key();
        let keys: Vec<PublicKey> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn debug_output_shows_no_private_key() {
        let identity = Identity::generate();
        let shown = format!("{identity:?}");
        assert!(shown.contains("public_key") && !shown.contains("pkcs8"), "{shown}");
    }
}
