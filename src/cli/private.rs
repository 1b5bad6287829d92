//! A directory of one command's own for contents on their way through an editor or a merge tool.
//!
//! Invariant: nobody else may look into it, and it goes with the command, unless what is in it is still needed.

use super::failure::CliError;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// More leftovers of processes with this number than this are a full disk's problem, or somebody's doing.
const TRIES_MAX: u32 = 1_000;

pub struct PrivateDirectory {
    path: PathBuf,
    kept: bool,
}

impl PrivateDirectory {
    /// Makes one where temporary files belong.
    ///
    /// # Errors
    /// [`CliError::System`].
    pub fn make() -> Result<PrivateDirectory, CliError> {
        let base = std::env::temp_dir();
        for number in 0..TRIES_MAX {
            let path = base.join(format!("fl0wfs-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(PrivateDirectory { path, kept: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(CliError::System(error)),
            }
        }
        Err(CliError::System(io::ErrorKind::AlreadyExists.into()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it behind, for somebody who goes on with what is in it.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is in the way of nobody.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_private_and_goes_unless_it_is_kept() {
        let (first, mut second) = (PrivateDirectory::make().unwrap(), PrivateDirectory::make().unwrap());
        assert_ne!(first.path(), second.path());
        let mode = std::fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(first.path().join("x"), "x").unwrap();
        second.keep();
        let (gone, kept) = (first.path().to_owned(), second.path().to_owned());
        drop((first, second));
        assert!(!gone.exists() && kept.exists());
        std::fs::remove_dir(kept).unwrap();
    }
}
