//! `-o remount`: what the kernel lets through is changed on a mount that stands. Its daemon goes on and is not asked.
//!
//! mount(8) hands over all that the table of mounts or fstab says of a mount, and what is to change comes last. Only what
//! the kernel itself enforces can change: `ro`, `rw`, `suid`, `dev`, `exec` and their opposites.

use super::failure::{CliError, Exit};
use super::mount::MountLine;
use super::point::{self, PointError};
use crate::member::options::Options;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::io;
use std::path::{Path, PathBuf};

const REMOUNT: &str = "remount";

/// What the kernel enforces, and whether the option's name asks for it or against it.
const FLAGS: [(&str, MountFlags, bool); 9] = [
    ("ro", MountFlags::RDONLY, true),
    ("rw", MountFlags::RDONLY, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("suid", MountFlags::NOSUID, false),
    ("nodev", MountFlags::NODEV, true),
    ("dev", MountFlags::NODEV, false),
    ("noexec", MountFlags::NOEXEC, true),
    ("exec", MountFlags::NOEXEC, false),
    ("noatime", MountFlags::NOATIME, true),
];

/// What the kernel shows of a mount beside what it was asked for.
const SHOWN: [&str; 6] = [REMOUNT, "user_id", "group_id", "max_read", "blksize", "allow_other"];

/// Why a mount cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum RemountError {
    #[error("nothing of this program is mounted at {}, so nothing can be remounted", .0.display())]
    NotMounted(PathBuf),
    #[error("{} shows {}, not {asked}", point.display(), shown.display())]
    OtherSource { point: PathBuf, shown: PathBuf, asked: String },
    #[error("{} is busy: a file is open there for writing, or was removed and is still open", .0.display())]
    Busy(PathBuf),
    #[error("only root may change a mount")]
    NotRoot,
    #[error("{} cannot be remounted: {source}", point.display())]
    Failed { point: PathBuf, source: io::Error },
    #[error(transparent)]
    Point(#[from] PointError),
}

/// Tells whether a line is about a mount that stands.
pub fn is_asked(line: &MountLine) -> bool {
    line.options.iter().flat_map(|list| Options::split(list)).any(|option| option == REMOUNT)
}

/// Changes the mount, or only looks whether it could be.
///
/// # Errors
/// [`RemountError`], and those of the options.
pub fn run(line: &MountLine, fake: bool) -> Result<Exit, CliError> {
    let options: Vec<String> = line.options.iter().flat_map(|list| Options::split(list)).collect();
    Options::parse(options.iter().map(String::as_str).filter(|option| !is_shown(option)))?;
    let point = point::resolve(&line.directory).map_err(RemountError::from)?;
    let shown = point::shown_at(&point).map_err(RemountError::from)?;
    let (source, now) = shown.ok_or_else(|| RemountError::NotMounted(point.clone()))?;
    if source != Path::new(&line.source) {
        return Err(RemountError::OtherSource { point, shown: source, asked: line.source.clone() }.into());
    }
    if !fake {
        // What is shown of the file system comes after what is shown of the mount, and both may say read-only.
        let is_read_only = now.split(',').any(|option| option == "ro");
        let mut flags = changed(MountFlags::empty(), now.split(','));
        flags.set(MountFlags::RDONLY, is_read_only);
        let flags = changed(flags, options.iter().map(String::as_str));
        rustix::mount::mount_remount(&point, flags, c"").map_err(|errno| failure(errno, point))?;
    }
    Ok(Exit::Done)
}

fn is_shown(option: &str) -> bool {
    SHOWN.contains(&option.split('=').next().unwrap_or_default())
}

/// Flags after options that come one after the other.
fn changed<'o>(mut flags: MountFlags, options: impl Iterator<Item = &'o str>) -> MountFlags {
    for option in options {
        if let Some((_, flag, value)) = FLAGS.iter().find(|(name, ..)| *name == option) {
            flags.set(*flag, *value);
        }
    }
    flags
}

fn failure(errno: Errno, point: PathBuf) -> RemountError {
    match errno {
        Errno::BUSY => RemountError::Busy(point),
        Errno::PERM => RemountError::NotRoot,
        other => RemountError::Failed { point, source: other.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_options_win_and_what_is_not_named_stays() {
        let now = changed(MountFlags::empty(), "rw,nosuid,nodev,noatime".split(','));
        assert_eq!(now, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME);
        let then = changed(now, "rw,nosuid,nodev,remount,ro,suid,user_id=0".split(','));
        assert_eq!(then, MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOATIME);
    }

    #[test]
    fn a_remount_needs_a_mount_and_known_options() {
        let directory = tempfile::tempdir().unwrap();
        let line = |options: &str| MountLine {
            source: "work:notes".into(),
            directory: directory.path().to_owned(),
            options: vec![options.to_owned()],
        };
        assert!(is_asked(&line("rw,remount")) && !is_asked(&line("rw,remounted")));
        let error = |options| run(&line(options), false).unwrap_err().to_string();
        assert!(error("remount,ro,user_id=0").contains("nothing of this program is mounted"));
        assert!(error("remount,rainbow").contains("rainbow"));
    }
}
