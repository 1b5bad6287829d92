//! Mount options: one parser and one validation for the command line and for mount(8).
//!
//! Later options win over earlier ones, as with mount(8). Options that only concern mount(8), systemd or fstab
//! are dropped wherever they come from. Nothing unknown is dropped.

use super::cache::KeptFrom;
use crate::fuse::{MountOptions, Passthrough};
use crate::rebase::Policy;
use crate::sync::member::Fetching;
use std::path::PathBuf;

/// What `-o` says, in a list or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub read_only: bool,
    /// What becomes of two contents that cannot be merged.
    pub conflict: Policy,
    pub allow_other: bool,
    /// The mount point may hold files; the mount hides them.
    pub nonempty: bool,
    pub suid: bool,
    pub dev: bool,
    pub noexec: bool,
    /// The kernel shows the type `fuse`, for tools that know no other.
    pub plain_type: bool,
    /// Whether the kernel reads and writes files by itself.
    pub passthrough: Passthrough,
    /// A state directory in place of the usual one.
    pub state: Option<PathBuf>,
    /// A list of patterns for what this mount is to ignore.
    pub ignore: Option<PathBuf>,
    /// What is fetched.
    pub fetching: Fetching,
    /// How many bytes of content may be here, where not all is fetched.
    pub cache_bytes: Option<u64>,
    /// Programs that get nothing fetched.
    pub kept_from: KeptFrom,
    /// Programs that watch files and directories are told nothing of remote work.
    pub silent: bool,
}

/// A smaller cache would hold next to nothing.
const CACHE_BYTES_MIN: u64 = 1024 * 1024;

/// Why mount options are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error("unknown mount option {0:?}")]
    Unknown(String),
    #[error("the mount option {0} needs a value, as in {0}=...")]
    NeedsValue(&'static str),
    #[error("the mount option {0} takes no value")]
    NoValue(String),
    #[error("{value:?} is not a value of the mount option {option}; it takes {takes}")]
    BadValue { option: &'static str, value: String, takes: &'static str },
    #[error("the mount option {option} is not available: {reason}")]
    NotAvailable { option: String, reason: &'static str },
}

/// What mount(8) and fstab add that means nothing to a file system of this kind.
const DROPPED: [&str; 34] = [
    "_netdev",
    "_rnetdev",
    "nofail",
    "fail",
    "defaults",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "nousers",
    "owner",
    "noowner",
    "group",
    "nogroup",
    "comment",
    "uhelper",
    "helper",
    "async",
    "atime",
    "noatime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "lazytime",
    "nolazytime",
    "diratime",
    "nodiratime",
    "silent",
    "loud",
    "default_permissions",
    "nodefaults",
    "fsname",
];

impl Options {
    /// Reads one or several lists of options. A comma in a value is written `\,`.
    ///
    /// # Errors
    /// [`OptionError`], naming the first option at fault.
    pub fn parse<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<Options, OptionError> {
        let mut options = Options::default();
        for list in lists {
            for option in Options::split(list) {
                options.take(&option)?;
            }
        }
        if options.cache_bytes.is_some() && options.fetching == Fetching::All {
            let reason = "it needs content=lazy: this mount fetches all content";
            return Err(not_available("cache-size", reason));
        }
        Ok(options)
    }

    fn take(&mut self, option: &str) -> Result<(), OptionError> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if DROPPED.contains(&name) || name.starts_with("x-") || name.starts_with("X-") {
            return Ok(());
        }
        match name {
            "state" | "ignore" | "conflict" | "content" | "cache-size" | "no-materialize" | "notify"
            | "passthrough" => {
                return self.take_value(name, value.unwrap_or_default());
            }
            _ => {}
        }
        let flag = self.flag(name)?;
        if value.is_some() {
            return Err(OptionError::NoValue(name.to_owned()));
        }
        flag();
        Ok(())
    }

    /// Finds what a flag sets.
    fn flag(&mut self, name: &str) -> Result<Box<dyn FnOnce() + '_>, OptionError> {
        let (field, value) = match name {
            "ro" => (&mut self.read_only, true),
            "rw" => (&mut self.read_only, false),
            "allow_other" => (&mut self.allow_other, true),
            "nonempty" => (&mut self.nonempty, true),
            "suid" => (&mut self.suid, true),
            "nosuid" => (&mut self.suid, false),
            "dev" => (&mut self.dev, true),
            "nodev" => (&mut self.dev, false),
            "exec" => (&mut self.noexec, false),
            "noexec" => (&mut self.noexec, true),
            "plain-type" => (&mut self.plain_type, true),
            other => return Err(unavailable(other)),
        };
        Ok(Box::new(move || *field = value))
    }

    fn take_value(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        match (name, value) {
            ("state", path) => absolute("state", path).map(|path| self.state = Some(path)),
            ("ignore", path) => absolute("ignore", path).map(|path| self.ignore = Some(path)),
            ("conflict", "") => Err(OptionError::NeedsValue("conflict")),
            ("conflict", "copy") => self.set_policy(Policy::Copy),
            ("conflict", "hold") => self.set_policy(Policy::Hold),
            ("conflict", other) => Err(bad("conflict", other, "copy or hold")),
            ("notify", "on") => self.set_silent(false),
            ("notify", "off") => self.set_silent(true),
            ("notify", "") => Err(OptionError::NeedsValue("notify")),
            ("notify", other) => Err(bad("notify", other, "on or off")),
            ("passthrough", value) => {
                let named = Passthrough::named(value);
                self.passthrough = named.ok_or_else(|| bad("passthrough", value, "auto, on or off"))?;
                Ok(())
            }
            ("content", "eager") => self.set_fetching(Fetching::All),
            ("content", "lazy") => self.set_fetching(Fetching::Asked),
            ("content", "") => Err(OptionError::NeedsValue("content")),
            ("content", other) => Err(bad("content", other, "eager or lazy")),
            ("cache-size", value) => cache_size(value).map(|bytes| self.cache_bytes = Some(bytes)),
            ("no-materialize", "") => Err(OptionError::NeedsValue("no-materialize")),
            (_, "none") => self.keep_from(KeptFrom::of([])),
            (_, names) => self.keep_from(KeptFrom::of(names.split(':'))),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "an arm of a match among others that fail")]
    fn set_fetching(&mut self, fetching: Fetching) -> Result<(), OptionError> {
        self.fetching = fetching;
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "an arm of a match among others that fail")]
    fn keep_from(&mut self, programs: KeptFrom) -> Result<(), OptionError> {
        self.kept_from = programs;
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "an arm of a match among others that fail")]
    fn set_silent(&mut self, silent: bool) -> Result<(), OptionError> {
        self.silent = silent;
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "an arm of a match among others that fail")]
    fn set_policy(&mut self, policy: Policy) -> Result<(), OptionError> {
        self.conflict = policy;
        Ok(())
    }

    /// Splits at commas that have no backslash before them, and takes one level of backslashes away.
    pub fn split(list: &str) -> Vec<String> {
        let mut options = vec![String::new()];
        let mut characters = list.chars();
        while let Some(character) = characters.next() {
            let last = options.last_mut().expect("there is always one");
            match character {
                ',' => options.push(String::new()),
                '\\' => last.extend(characters.next()),
                other => last.push(other),
            }
        }
        options.retain(|option| !option.is_empty());
        options
    }

    /// What the kernel is to be told; `source` is shown as the mount's source.
    pub fn for_kernel(&self, source: String) -> MountOptions {
        MountOptions {
            source,
            allow_other: self.allow_other,
            read_only: self.read_only,
            suid: self.suid,
            dev: self.dev,
            exec: !self.noexec,
            plain_type: self.plain_type,
            passthrough: self.passthrough,
        }
    }
}

fn bad(option: &'static str, value: &str, takes: &'static str) -> OptionError {
    OptionError::BadValue { option, value: value.to_owned(), takes }
}

fn cache_size(text: &str) -> Result<u64, OptionError> {
    if text.is_empty() {
        return Err(OptionError::NeedsValue("cache-size"));
    }
    let bytes = read_size(text).filter(|bytes| *bytes >= CACHE_BYTES_MIN);
    bytes.ok_or_else(|| bad("cache-size", text, "a size of 1 MiB or more, as in 500M, 20G or 1T"))
}

/// Reads a size as people write it: bytes, or a whole number and a unit (K, M, G or T, with or without `iB`), each 1024
/// times the one before. None for anything else, and for what is too large to be one.
pub fn read_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn absolute(option: &'static str, path: &str) -> Result<PathBuf, OptionError> {
    match path {
        "" => Err(OptionError::NeedsValue(option)),
        path if path.starts_with('/') => Ok(path.into()),
        path => Err(OptionError::BadValue { option, value: path.to_owned(), takes: "an absolute path" }),
    }
}

fn unavailable(name: &str) -> OptionError {
    match name {
        "remount" => not_available(name, "a mount that stands is changed without --foreground"),
        "allow_root" => not_available(name, "use allow_other, which lets root in among others"),
        "sync" | "dirsync" => not_available(name, "programs that need their data on disk call fsync"),
        _ => OptionError::Unknown(name.to_owned()),
    }
}

fn not_available(option: &str, reason: &'static str) -> OptionError {
    OptionError::NotAvailable { option: option.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<Options, OptionError> {
        Options::parse([list])
    }

    #[test]
    fn every_option_does_what_its_name_says() {
        let default = Options::default;
        let cases = [
            ("", default()),
            ("ro", Options { read_only: true, ..default() }),
            ("ro,rw", default()),
            ("rw,ro", Options { read_only: true, ..default() }),
            ("allow_other", Options { allow_other: true, ..default() }),
            ("default_permissions", default()),
            ("nonempty", Options { nonempty: true, ..default() }),
            ("suid,dev", Options { suid: true, dev: true, ..default() }),
            ("suid,nosuid,dev,nodev", default()),
            ("noexec", Options { noexec: true, ..default() }),
            ("plain-type", Options { plain_type: true, ..default() }),
            ("noexec,exec", default()),
            ("conflict=copy,content=eager", default()),
            ("content=lazy", Options { fetching: Fetching::Asked, ..default() }),
            ("content=lazy,content=eager", default()),
            (
                "cache-size=20G,content=lazy",
                Options { fetching: Fetching::Asked, cache_bytes: Some(20 << 30), ..default() },
            ),
            (
                "content=lazy,cache-size=1048576",
                Options { fetching: Fetching::Asked, cache_bytes: Some(1 << 20), ..default() },
            ),
            ("no-materialize=a:b", Options { kept_from: KeptFrom::of(["a", "b"]), ..default() }),
            ("no-materialize=none", Options { kept_from: KeptFrom::of([]), ..default() }),
            ("conflict=copy,conflict=hold", Options { conflict: Policy::Hold, ..default() }),
            ("passthrough=auto,passthrough=off", Options { passthrough: Passthrough::Off, ..default() }),
            ("passthrough=on", Options { passthrough: Passthrough::On, ..default() }),
            ("state=/s/a b", Options { state: Some("/s/a b".into()), ..default() }),
            (r"state=/a\,b\\c,ro", Options { state: Some(r"/a,b\c".into()), read_only: true, ..default() }),
            ("ignore=/home/me/list", Options { ignore: Some("/home/me/list".into()), ..default() }),
            ("notify=off", Options { silent: true, ..default() }),
            ("notify=off,notify=on", default()),
            (",,ro,", Options { read_only: true, ..default() }),
        ];
        for (list, expected) in cases {
            assert_eq!(parse(list), Ok(expected), "{list}");
        }
    }

    #[test]
    fn what_concerns_mount_and_fstab_alone_is_dropped() {
        let list = "rw,_netdev,nofail,x-systemd.automount,x-systemd.device-timeout=5,X-mount.mkdir,defaults,auto,\
                    noauto,user,user=joe,comment=systemd.automount,noatime,relatime,uhelper=x";
        assert_eq!(parse(list), Ok(Options::default()));
    }

    #[test]
    fn several_lists_count_as_one() {
        let expected = Options { read_only: true, noexec: true, ..Options::default() };
        assert_eq!(Options::parse(["rw,noexec", "ro"]), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let cases = [
            ("rw,rainbow", "unknown mount option \"rainbow\""),
            ("big=1", "unknown mount option \"big\""),
            ("ro=1", "the mount option ro takes no value"),
            ("notify", "notify needs a value"),
            ("notify=no", "it takes on or off"),
            ("state", "the mount option state needs a value, as in state=..."),
            ("state=relative", "it takes an absolute path"),
            ("ignore=relative", "the mount option ignore; it takes an absolute path"),
            ("conflict", "needs a value"),
            ("conflict=maybe", "it takes copy or hold"),
            ("content=some", "it takes eager or lazy"),
            ("cache-size=1G", "it needs content=lazy"),
            ("content=lazy,cache-size=1K", "a size of 1 MiB or more"),
            ("content=lazy,cache-size=1Q", "as in 500M, 20G or 1T"),
            ("content=lazy,cache-size=99999999T", "a size of 1 MiB or more"),
            ("cache-size", "needs a value"),
            ("no-materialize=", "needs a value"),
            ("remount,ro", "a mount that stands"),
            ("passthrough=maybe", "it takes auto, on or off"),
            ("allow_root", "use allow_other"),
            ("sync", "fsync"),
        ];
        for (list, part) in cases {
            let error = parse(list).unwrap_err().to_string();
            assert!(error.contains(part), "{list}: {error}");
        }
    }

    #[test]
    fn the_kernel_hears_nosuid_and_nodev_unless_asked_otherwise() {
        let kernel = Options::default().for_kernel("work:notes".into());
        assert!(!kernel.suid && !kernel.dev && kernel.exec && !kernel.allow_other && !kernel.read_only);
        let kernel = parse("suid,dev,noexec,allow_other,ro").unwrap().for_kernel(String::new());
        assert!(kernel.suid && kernel.dev && !kernel.exec && kernel.allow_other && kernel.read_only);
    }
}
