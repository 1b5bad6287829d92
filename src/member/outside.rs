//! Paths of this user's that must not lead into the mount: who serves it would wait for itself there, and could not even
//! end while it does.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many as the kernel follows.
const SYMLINKS_MAX: usize = 40;

/// Where an absolute path leads, whether anything is there or not; None where that is the mount or something in it, which
/// is not looked at. `mount` is free of symlinks.
///
/// # Errors
/// Those of `readlink(2)`; ELOOP.
pub fn outside(path: &Path, mount: &Path) -> io::Result<Option<PathBuf>> {
    let (mut at, mut rest, mut symlinks) = (PathBuf::from("/"), pieces(path), 0);
    while let Some(piece) = rest.pop() {
        if piece == ".." {
            at.pop();
            continue;
        }
        at.push(piece);
        if at == mount {
            return Ok(None);
        }
        match fs::read_link(&at) {
            Ok(_) if symlinks == SYMLINKS_MAX => return Err(io::Error::from_raw_os_error(libc::ELOOP)),
            Ok(target) => {
                symlinks += 1;
                at.pop();
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(pieces(&target));
            }
            Err(error) if is_no_symlink(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(at))
}

/// Opens a file for reading that lies outside the mount.
///
/// # Errors
/// It leads into the mount; those of `open(2)`.
pub fn open_outside(path: &Path, mount: &Path) -> io::Result<File> {
    let inside = || io::Error::other("it leads into the mount itself");
    let at = outside(path, mount)?.ok_or_else(inside)?;
    // Nothing that has been put there since is followed.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(openat2(CWD, at, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?))
}

fn is_no_symlink(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), InvalidInput | NotADirectory | NotFound)
}

/// The components of a path, the first one last.
fn pieces(path: &Path) -> Vec<OsString> {
    let piece = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn place() -> (TempDir, PathBuf, PathBuf) {
        let directory = TempDir::new().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let mount = root.join("mount");
        fs::create_dir_all(mount.join("in")).unwrap();
        fs::create_dir(root.join("beside")).unwrap();
        fs::write(root.join("beside/file"), "outside").unwrap();
        (directory, root, mount)
    }

    #[test]
    fn a_path_is_followed_to_its_end_but_not_into_the_mount() {
        let (_directory, root, mount) = place();
        symlink("beside", root.join("relative")).unwrap();
        symlink(root.join("relative/file"), root.join("absolute")).unwrap();
        symlink("mount/in", root.join("inwards")).unwrap();
        symlink("../inwards/x", root.join("beside/round")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let leads = |path: &str| outside(&root.join(path), &mount).unwrap();
        for (path, end) in [
            ("beside/file", "beside/file"),
            ("absolute", "beside/file"),
            ("relative/../relative/./file", "beside/file"),
            ("nothing/at/all", "nothing/at/all"),
            ("mountain", "mountain"),
            ("beside/file/x", "beside/file/x"),
        ] {
            assert_eq!(leads(path), Some(root.join(end)), "{path}");
        }
        for path in ["mount", "mount/in", "inwards", "inwards/x", "beside/round", "mount/../beside"] {
            assert_eq!(leads(path), None, "{path}");
        }
        let error = outside(&root.join("loop"), &mount).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn what_lies_outside_can_be_read_and_nothing_in_the_mount() {
        let (_directory, root, mount) = place();
        symlink("beside/file", root.join("link")).unwrap();
        let mut text = String::new();
        open_outside(&root.join("link"), &mount).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "outside");
        fs::write(mount.join("file"), "inside").unwrap();
        assert!(open_outside(&mount.join("file"), &mount).is_err());
        let missing = open_outside(&root.join("missing"), &mount).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
