//! A file that goes to the daemon, open: no path of a user's is the daemon's to follow.

use super::failure::CliError;
use super::private::PrivateDirectory;
use crate::store::copy_file;
use std::fs::File;
use std::io;
use std::path::Path;

/// Of whatever daemon's making.
const FUSE: u64 = 0x6573_5546;

/// Opens it. What lies on a mount like the daemon's own is copied first: a daemon that reads from itself cannot end
/// while it does.
///
/// # Errors
/// [`CliError::System`].
pub fn open(path: &Path) -> Result<File, CliError> {
    let opened = File::open(path).and_then(|file| {
        let is_file = file.metadata()?.is_file();
        let on_fuse = rustix::fs::fstatfs(&file)?.f_type as u64 == FUSE;
        Ok((file, is_file && on_fuse))
    });
    match opened.map_err(CliError::System)? {
        (file, true) => copy_of(&file),
        (file, false) => Ok(file),
    }
}

/// A copy that has no name by the time anybody knows of it.
fn copy_of(file: &File) -> Result<File, CliError> {
    let directory = PrivateDirectory::make()?;
    let made = File::options().read(true).write(true).create_new(true).open(directory.path().join("copy"));
    let copied = made.and_then(|copy| copy_file(file, &copy).map(|()| copy));
    copied.map_err(|error: io::Error| CliError::System(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_copy_holds_the_same_bytes_keeps_holes_and_has_no_name() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"end", 10_000_000).unwrap();
        let copy = copy_of(&file).unwrap();
        let (was, is) = (file.metadata().unwrap(), copy.metadata().unwrap());
        assert_eq!((is.len(), is.nlink()), (was.len(), 0));
        assert!(is.blocks() < 1_000);
        let mut end = [0; 3];
        copy.read_exact_at(&mut end, 10_000_000).unwrap();
        assert_eq!(&end, b"end");
    }
}
