//! Where configuration, state and sockets live, and what this machine knows of each hub.
//!
//! Order: a remote's file is written beside itself, synced and renamed into place under one lock, so that a
//! crash leaves the old or the new one, and two joins at once both count.

use super::Remote;
use crate::model::{MemberName, Role, SpaceName};
use crate::net::Fingerprint;
use serde::{Deserialize, Serialize, de};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{env, fmt, str::FromStr};

/// The directories of one member of this machine: one user's, root's, or those under `FL0WFS_HOME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    config: PathBuf,
    state: PathBuf,
    run: PathBuf,
}

/// Why configuration cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("neither FL0WFS_HOME nor HOME is set, so there is no place for configuration and state")]
    NoHome,
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a remote's configuration: {detail}", path.display())]
    Malformed { path: PathBuf, detail: String },
    #[error("there is no remote called {0}")]
    UnknownRemote(RemoteName),
    #[error("this device has not joined the space {space} of the remote {remote}")]
    NotJoined { remote: RemoteName, space: SpaceName },
    #[error("the remote {0} is another hub (its key differs)")]
    OtherHub(RemoteName),
}

/// What tells where [`Home`] is: the environment, or a test's.
struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<PathBuf>,
    is_root: bool,
    user_id: u32,
}

impl Home {
    /// Finds the directories: `FL0WFS_HOME` where it is set; else `/etc`, `/var/lib` and `/run` for root, because
    /// nobody has a home when fstab is read at boot; else the XDG directories.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`].
    pub fn from_environment() -> Result<Home, ConfigError> {
        let user = rustix::process::geteuid();
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let surroundings =
            Surroundings { variable: &variable, is_root: user.is_root(), user_id: user.as_raw() };
        let home = Home::find(&surroundings)?;
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|source| ConfigError::Io { path: path.clone(), source })
        };
        Ok(Home { config: absolute(home.config)?, state: absolute(home.state)?, run: absolute(home.run)? })
    }

    fn find(around: &Surroundings) -> Result<Home, ConfigError> {
        if let Some(home) = (around.variable)("FL0WFS_HOME") {
            return Ok(Home::under(&home));
        }
        if around.is_root {
            let (config, state, run) = ("/etc/fl0wfs".into(), "/var/lib/fl0wfs".into(), "/run/fl0wfs".into());
            return Ok(Home { config, state, run });
        }
        let home = (around.variable)("HOME");
        // Relative XDG directories are to be ignored, says the XDG base directory specification.
        let xdg = |name: &str, fallback: &str| {
            let set = (around.variable)(name).filter(|path| path.is_absolute());
            set.or_else(|| home.as_ref().map(|home| home.join(fallback))).ok_or(ConfigError::NoHome)
        };
        let state = xdg("XDG_STATE_HOME", ".local/state")?.join("fl0wfs");
        let run = (around.variable)("XDG_RUNTIME_DIR").filter(|path| path.is_absolute());
        let run = run.unwrap_or_else(|| PathBuf::from(format!("/run/user/{}", around.user_id)));
        let run = if run.is_dir() { run.join("fl0wfs") } else { state.join("run") };
        Ok(Home { config: xdg("XDG_CONFIG_HOME", ".config")?.join("fl0wfs"), state, run })
    }

    /// Everything under one directory.
    pub fn under(directory: &Path) -> Home {
        Home { config: directory.join("config"), state: directory.join("state"), run: directory.join("run") }
    }

    /// The directories that everything is in.
    pub fn places(&self) -> [&Path; 3] {
        [&self.config, &self.state, &self.run]
    }

    /// The file with this device's key pair.
    pub fn device_key(&self) -> PathBuf {
        self.config.join("device.key")
    }

    /// Patterns for what all mounts of this user are to ignore.
    pub fn ignore_list(&self) -> PathBuf {
        self.config.join("ignore")
    }

    /// The state directory of the member that mounts `space`.
    pub fn member_state(&self, remote: &RemoteName, space: &SpaceName) -> PathBuf {
        self.state.join("members").join(remote.as_str()).join(space.as_str())
    }

    /// Where visits keep their state while they last.
    pub fn visits(&self) -> PathBuf {
        self.state.join("visits")
    }

    /// Where a hub keeps its data unless told otherwise.
    pub fn hub_data(&self) -> PathBuf {
        self.state.join("hub")
    }

    /// The directory with the sockets and records of what is mounted.
    pub fn mounts(&self) -> PathBuf {
        self.run.join("mounts")
    }

    fn remotes(&self) -> PathBuf {
        self.config.join("remotes")
    }

    fn remote_file(&self, remote: &RemoteName) -> PathBuf {
        self.remotes().join(format!("{remote}.json"))
    }

    /// Reads what is known of `remote`.
    ///
    /// # Errors
    /// [`ConfigError`], [`ConfigError::UnknownRemote`] among them.
    pub fn read_remote(&self, remote: &RemoteName) -> Result<RemoteConfig, ConfigError> {
        let path = self.remote_file(remote);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ConfigError::UnknownRemote(remote.clone()));
            }
            read => read.map_err(|source| ConfigError::Io { path: path.clone(), source })?,
        };
        serde_json::from_slice(&text)
            .map_err(|error| ConfigError::Malformed { path, detail: error.to_string() })
    }

    /// Reads what is known of all remotes, by name.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn list_remotes(&self) -> Result<Vec<(RemoteName, RemoteConfig)>, ConfigError> {
        let directory = self.remotes();
        let failed = |source| ConfigError::Io { path: directory.clone(), source };
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut remotes = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if let Some(name) = name.and_then(|name| RemoteName::new(name).ok()) {
                let config = self.read_remote(&name)?;
                remotes.push((name, config));
            }
        }
        remotes.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(remotes)
    }

    /// Notes that this device has joined a space of the hub that `joined` describes.
    ///
    /// # Errors
    /// [`ConfigError`]; [`ConfigError::OtherHub`] where the remote stands for a hub with another key.
    pub fn add_space(&self, name: &RemoteName, joined: RemoteConfig) -> Result<(), ConfigError> {
        let _lock = self.lock_remotes()?;
        let mut config = match self.read_remote(name) {
            Ok(known) if known.hub != joined.hub => return Err(ConfigError::OtherHub(name.clone())),
            Ok(known) => known,
            Err(ConfigError::UnknownRemote(_)) => joined.clone(),
            Err(error) => return Err(error),
        };
        config.host = joined.host;
        config.port = joined.port;
        config.spaces.extend(joined.spaces);
        self.write_remote(name, &config)
    }

    /// Forgets a remote; state directories stay.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn remove_remote(&self, name: &RemoteName) -> Result<(), ConfigError> {
        let _lock = self.lock_remotes()?;
        let path = self.remote_file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ConfigError::UnknownRemote(name.clone()))
            }
            removed => removed.map_err(|source| ConfigError::Io { path, source }),
        }
    }

    fn lock_remotes(&self) -> Result<File, ConfigError> {
        let directory = self.remotes();
        make_private_directory(&directory)?;
        let path = directory.join("lock");
        let failed = |source: io::Error| ConfigError::Io { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        Ok(file)
    }

    fn write_remote(&self, name: &RemoteName, config: &RemoteConfig) -> Result<(), ConfigError> {
        let path = self.remote_file(name);
        let text = serde_json::to_string_pretty(config).expect("a remote's configuration has only text keys");
        replace_file(&path, format!("{text}\n").as_bytes()).map_err(|source| ConfigError::Io { path, source })
    }
}

/// Makes a directory that only its owner may enter, with those above it.
///
/// # Errors
/// [`ConfigError::Io`].
pub fn make_private_directory(path: &Path) -> Result<(), ConfigError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ConfigError::Io { path: path.to_owned(), source })
}

/// Puts a private file in place of what may be there, in one step.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// A hub, as this machine knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteConfig {
    pub host: String,
    pub port: u16,
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub hub: Fingerprint,
    /// The spaces of this hub that this device has joined.
    #[serde(default)]
    pub spaces: BTreeMap<SpaceName, JoinedSpace>,
}

/// What a device is in a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedSpace {
    pub member: MemberName,
    /// As it was when the device joined; the hub's word counts.
    pub role: Role,
}

impl RemoteConfig {
    /// How to reach `space`, and under which member name.
    ///
    /// # Errors
    /// [`ConfigError::NotJoined`].
    pub fn space(&self, name: &RemoteName, space: &SpaceName) -> Result<(Remote, MemberName), ConfigError> {
        let joined = self.spaces.get(space);
        let joined =
            joined.ok_or_else(|| ConfigError::NotJoined { remote: name.clone(), space: space.clone() })?;
        let remote = Remote { host: self.host.clone(), port: self.port, hub: self.hub, space: space.clone() };
        Ok((remote, joined.member.clone()))
    }
}

fn as_text<T: fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn from_text<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// This machine's name for a hub: 1 to 32 of `[a-z0-9-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteName(SpaceName);

impl RemoteName {
    /// Checks `text` and makes it a remote's name.
    ///
    /// # Errors
    /// [`crate::model::InvalidName`].
    pub fn new(text: impl Into<String>) -> Result<RemoteName, crate::model::InvalidName> {
        SpaceName::new(text).map(RemoteName)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RemoteName {
    type Err = crate::model::InvalidName;

    fn from_str(text: &str) -> Result<RemoteName, Self::Err> {
        RemoteName::new(text)
    }
}

/// Makes any text fit to be a plain name: lower case, `-` for what does not fit, 32 characters at most.
/// `fallback` stands in where nothing is left.
pub fn plain_name(text: &str, fallback: &str) -> String {
    let mut plain = String::new();
    for character in text.to_lowercase().chars() {
        let fits = character.is_ascii_lowercase() || character.is_ascii_digit();
        match (fits, plain.ends_with('-') || plain.is_empty()) {
            (true, _) => plain.push(character),
            (false, false) => plain.push('-'),
            (false, true) => {}
        }
        if plain.len() == 32 {
            break;
        }
    }
    let plain = plain.trim_end_matches('-');
    if plain.is_empty() { fallback.to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
