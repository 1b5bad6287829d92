//! Mount points: what stands there, and taking mounts away.
//!
//! Invariant: nothing here asks a mounted fl0wfs anything before the kernel's own table has been read, since a
//! mount whose daemon is gone answers every call with an error.

use super::mount::parse_source;
use crate::member::REPEATER_COMMAND;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The type the kernel shows for our mounts.
const FILE_SYSTEM: &[u8] = b"fuse.fl0wfs";
const PLAIN: &[u8] = b"fuse";
/// More dead mounts on top of each other than this are somebody else's problem.
const DEAD_MOUNTS_MAX: usize = 16;
/// How many of those who keep a mount busy are named.
const BUSY_SHOWN_MAX: usize = 10;
/// For so long a mount may be busy with nobody to be named, and so often it is tried again meanwhile.
const PASSING_MAX: Duration = Duration::from_secs(2);
const PASSING_CHECK: Duration = Duration::from_millis(5);

/// What is wrong with a mount point.
#[derive(Debug, thiserror::Error)]
pub enum PointError {
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("{} is not a directory", .0.display())]
    NotDirectory(PathBuf),
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is mounted at {} already", source_name.display(), path.display())]
    Mounted { path: PathBuf, source_name: PathBuf },
    #[error("{} is busy{}", path.display(), users(by))]
    Busy { path: PathBuf, by: Vec<String> },
    #[error("{} cannot be unmounted: {detail}", path.display())]
    Unmount { path: PathBuf, detail: String },
    #[error("cannot look at {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn users(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(": used by {}", by.join(", ")) }
}

/// An entry of the kernel's table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    point: PathBuf,
    file_system: Vec<u8>,
    source: PathBuf,
    /// Those of the mount, then those of the file system.
    options: String,
}

impl Mounted {
    /// A mount that was to show a plain type is known by its source.
    fn is_ours(&self) -> bool {
        let has_our_source = || self.source.to_str().is_some_and(|source| parse_source(source).is_ok());
        self.file_system == FILE_SYSTEM || (self.file_system == PLAIN && has_our_source())
    }
}

/// Makes `path` absolute and free of symlinks, also where a dead mount stands at its end.
///
/// # Errors
/// [`PointError`].
pub fn resolve(path: &Path) -> Result<PathBuf, PointError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => PointError::Missing(path.to_owned()),
        _ => PointError::Io { path: path.to_owned(), source },
    };
    match std::fs::canonicalize(path) {
        Err(error) if is_dead(&error) => {
            let absolute = std::path::absolute(path).map_err(failed)?;
            let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
                return Err(failed(error));
            };
            Ok(std::fs::canonicalize(parent).map_err(failed)?.join(name))
        }
        resolved => resolved.map_err(failed),
    }
}

/// Makes `path` absolute and its directories free of symlinks; what it names need not exist any more.
///
/// # Errors
/// [`PointError`].
pub fn resolve_removed(path: &Path) -> Result<PathBuf, PointError> {
    let absolute =
        std::path::absolute(path).map_err(|source| PointError::Io { path: path.to_owned(), source })?;
    let mut missing = Vec::new();
    let mut existing = absolute.as_path();
    // The last component is not followed: a symlink in a space has a history of its own.
    while let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) {
        missing.push(name);
        match resolve(parent) {
            Ok(resolved) => return Ok(missing.iter().rev().fold(resolved, |path, name| path.join(name))),
            Err(PointError::Missing(_)) => existing = parent,
            Err(error) => return Err(error),
        }
    }
    Ok(absolute)
}

/// Checks that `point`, resolved, can be mounted on; takes dead mounts of this program away from it first.
///
/// # Errors
/// [`PointError`].
pub fn prepare(point: &Path, nonempty: bool) -> Result<(), PointError> {
    for _ in 0..DEAD_MOUNTS_MAX {
        let Some(mounted) = find(point)?.filter(Mounted::is_ours) else { break };
        match std::fs::metadata(point) {
            Err(error) if is_dead(&error) => detach(point)?,
            _ => return Err(PointError::Mounted { path: point.to_owned(), source_name: mounted.source }),
        }
    }
    let failed = |source| PointError::Io { path: point.to_owned(), source };
    if !std::fs::metadata(point).map_err(failed)?.is_dir() {
        return Err(PointError::NotDirectory(point.to_owned()));
    }
    let mut entries = std::fs::read_dir(point).map_err(failed)?;
    if entries.next().is_some() && !nonempty {
        return Err(PointError::NotEmpty(point.to_owned()));
    }
    Ok(())
}

/// Whether a mount of this program stands at `point`, living or dead.
///
/// # Errors
/// [`PointError::Io`].
pub fn is_ours(point: &Path) -> Result<bool, PointError> {
    Ok(find(point)?.is_some_and(|mounted| mounted.is_ours()))
}

/// What the kernel's table says of a mount of this program at `point`: its source and its options.
///
/// # Errors
/// [`PointError::Io`].
pub fn shown_at(point: &Path) -> Result<Option<(PathBuf, String)>, PointError> {
    let ours = find(point)?.filter(Mounted::is_ours);
    Ok(ours.map(|mounted| (mounted.source, mounted.options)))
}

/// Unmounts what stands at `point`. What keeps it busy for a moment only is waited for: a call that is just ending, or
/// the mount's own process that repeats what others do for those who watch.
///
/// # Errors
/// [`PointError::Busy`] where somebody uses it, [`PointError::Unmount`].
pub fn unmount(point: &Path) -> Result<(), PointError> {
    let begun = Instant::now();
    loop {
        match take_away(point, UnmountFlags::empty()) {
            Err(PointError::Busy { by, .. }) if by.is_empty() && begun.elapsed() < PASSING_MAX => {
                thread::sleep(PASSING_CHECK);
            }
            done => return done,
        }
    }
}

/// Takes a mount out of sight at once; it ends when nobody uses it any more.
///
/// # Errors
/// [`PointError::Unmount`].
pub fn detach(point: &Path) -> Result<(), PointError> {
    take_away(point, UnmountFlags::DETACH)
}

fn take_away(point: &Path, flags: UnmountFlags) -> Result<(), PointError> {
    let nofollow = UnmountFlags::NOFOLLOW;
    match rustix::mount::unmount(point, flags | nofollow) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(busy(point)),
        Err(Errno::PERM) => fusermount(point, flags == UnmountFlags::DETACH),
        Err(errno) => {
            let detail = io::Error::from(errno).to_string();
            Err(PointError::Unmount { path: point.to_owned(), detail })
        }
    }
}

/// Unmounts as a user, who may not call umount(2).
fn fusermount(point: &Path, lazily: bool) -> Result<(), PointError> {
    let failed = |detail: String| PointError::Unmount { path: point.to_owned(), detail };
    let mut command = Command::new("fusermount3");
    command.args(if lazily { &["-u", "-z", "--"][..] } else { &["-u", "--"][..] }).arg(point);
    // Its messages are matched, so they have to come in one language.
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(format!("fusermount3 cannot be run: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false if said.contains("busy") => Err(busy(point)),
        false => Err(failed(said.trim().to_owned())),
    }
}

fn is_dead(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOTCONN | libc::ECONNABORTED))
}

fn find(point: &Path) -> Result<Option<Mounted>, PointError> {
    let table = PathBuf::from("/proc/self/mountinfo");
    let text = std::fs::read(&table).map_err(|source| PointError::Io { path: table, source })?;
    Ok(find_in(&text, point))
}

/// The last mount at `point` in the table is the one that is seen.
fn find_in(table: &[u8], point: &Path) -> Option<Mounted> {
    let mut mounts = table.split(|byte| *byte == b'\n').filter_map(parse_line);
    mounts.rfind(|mounted| mounted.point == point)
}

/// Reads a line as proc(5) describes it: the fifth field is the point; after a lone `-` come type and source.
fn parse_line(line: &[u8]) -> Option<Mounted> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let path = |field: &[u8]| PathBuf::from(OsString::from_vec(unescape(field)));
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let of_file_system = fields.get(dash + 3).copied().unwrap_or_default();
    Some(Mounted {
        point: path(fields.get(4)?),
        file_system: fields.get(dash + 1)?.to_vec(),
        source: path(fields.get(dash + 2)?),
        options: format!("{},{}", text(fields.get(5)?), text(of_file_system)),
    })
}

/// Blanks, tabs, newlines and backslashes stand in the table as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.first_chunk::<3>().filter(|_| first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

fn busy(point: &Path) -> PointError {
    let mut by = Vec::new();
    // Only links in /proc are read, so the mount is not asked anything. Other users' processes stay hidden.
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_number = process.file_name().as_bytes().iter().all(u8::is_ascii_digit);
        let path = process.path();
        if by.len() < BUSY_SHOWN_MAX && is_number && uses(&path, point) && !is_repeater(&path) {
            let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
            by.push(format!("{} ({})", name.trim(), process.file_name().to_string_lossy()));
        }
    }
    PointError::Busy { path: point.to_owned(), by }
}

fn is_repeater(process: &Path) -> bool {
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(REPEATER_COMMAND.as_bytes())
}

fn uses(process: &Path, point: &Path) -> bool {
    let links = ["cwd", "root", "exe"].map(|link| process.join(link));
    let open =
        std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut links = links.into_iter().chain(open);
    links.any(|link| std::fs::read_link(link).is_ok_and(|target| target.starts_with(point)))
        || std::fs::read(process.join("maps")).is_ok_and(|maps| maps_below(&maps, point))
}

/// Whether a file below `point` is mapped, in the table that proc(5) describes: the path is the sixth field.
fn maps_below(table: &[u8], point: &Path) -> bool {
    let path = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'/')?;
        Some(PathBuf::from(OsString::from_vec(line[at..].to_vec())))
    };
    table.split(|byte| *byte == b'\n').filter_map(path).any(|path| path.starts_with(point))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        40 22 0:30 / /mnt/a\\040b rw,nosuid,nodev shared:2 master:1 - fuse.fl0wfs work:notes rw,user_id=0\n\
        41 22 0:31 / /mnt/x rw - tmpfs tmpfs rw\n\
        42 41 0:32 / /mnt/x rw - fuse.fl0wfs work:code rw\n";

    #[test]
    fn the_topmost_mount_is_found_under_any_name() {
        let find = |point: &str| find_in(TABLE, Path::new(point)).map(|mounted| mounted.source);
        assert_eq!(find("/mnt/a b"), Some("work:notes".into()));
        assert_eq!(find("/mnt/x"), Some("work:code".into()));
        assert_eq!(find("/mnt"), None);
        let options = find_in(TABLE, Path::new("/mnt/a b")).unwrap().options;
        assert_eq!(options, "rw,nosuid,nodev,rw,user_id=0");
        assert_eq!(unescape(b"a\\134\\012\\q\\04"), b"a\\\n\\q\\04");
    }

    #[test]
    fn a_point_must_be_an_empty_directory_unless_told_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let point = directory.path().join("point");
        assert!(matches!(resolve(&point), Err(PointError::Missing(_))));
        std::fs::create_dir(&point).unwrap();
        prepare(&resolve(&point).unwrap(), false).unwrap();
        std::fs::write(point.join("file"), "x").unwrap();
        assert!(matches!(prepare(&point, false), Err(PointError::NotEmpty(_))));
        prepare(&point, true).unwrap();
        assert!(matches!(prepare(&point.join("file"), true), Err(PointError::NotDirectory(_))));
    }

    #[test]
    fn a_path_that_was_removed_is_still_found_below_its_resolved_directory() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        assert_eq!(resolve_removed(&real.join("link/gone/deep")).unwrap(), real.join("gone/deep"));
        assert_eq!(resolve_removed(&real.join("link")).unwrap(), real.join("link"));
    }

    #[test]
    fn who_keeps_a_directory_busy_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        assert!(!uses(Path::new("/proc/self"), &real));
        let _open = std::fs::File::create(real.join("open")).unwrap();
        assert!(uses(Path::new("/proc/self"), &real));
        let maps = b"7f0-7f1 r--p 00000000 08:01 2 /mnt/a b/lib.so\n7f1-7f2 rw-p 00000000 00:00 0\n";
        assert!(maps_below(maps, Path::new("/mnt/a b")) && !maps_below(maps, Path::new("/mnt/a")));
    }
}
