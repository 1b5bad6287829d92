//! Backing files and their staging.

use crate::store::{Backing, BackingFiles};
use rustix::fs::{AtFlags, CWD, StatxFlags, Timespec, Timestamps, statx, utimensat};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

fn files(root: &Path) -> BackingFiles {
    BackingFiles::open(root).unwrap()
}

fn listed(files: &BackingFiles) -> BTreeSet<Backing> {
    files.list().map(Result::unwrap).collect()
}

fn read(files: &BackingFiles, ino: u64, generation: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    files.open_read(ino, generation).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn is_open(name: &str) -> bool {
    let mut all =
        std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok()?.path().read_link().ok());
    all.any(|target| target.ends_with(name))
}

#[test]
fn a_backing_file_is_made_written_read_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    files.create(0x1234, 7).unwrap().write_all(b"first").unwrap();
    let path = root.path().join("content/048/1234.7");
    assert_eq!(path, files.path(Backing { ino: 0x1234, generation: 7 }));
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o7777, 0o700);
    files.open_write(0x1234, 7).unwrap().write_all(b"F").unwrap();
    assert_eq!(read(&files, 0x1234, 7), b"First");
    assert_eq!(files.create(0x1234, 7).unwrap_err().errno(), libc::EEXIST);
    files.sync(0x1234, 7).unwrap();
    files.remove(0x1234, 7).unwrap();
    files.remove(0x1234, 7).unwrap();
    assert!(files.open_read(0x1234, 7).unwrap_err().is_not_found());
    assert!(files.open_write(0x99, 1).unwrap_err().is_not_found());
    assert!(!is_open("048/1234.7"), "no descriptor is kept");
}

#[test]
fn the_list_has_what_is_there_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    let expected: BTreeSet<_> =
        (0..300u64).map(|ino| Backing { ino: ino * 0x1_0001, generation: ino % 3 }).collect();
    expected.iter().for_each(|file| drop(files.create(file.ino, file.generation).unwrap()));
    let strangers = [
        "content/000/README",
        "content/000/0.01",
        "content/000/+1.1",
        "content/000/AB.1",
        "content/zzz",
        "content/00f",
    ];
    strangers.iter().for_each(|name| std::fs::write(root.path().join(name), b"").unwrap());
    assert_eq!(listed(&files), expected);
    assert!(root.path().join("content/000/README").exists());
}

#[test]
fn files_made_one_after_the_other_have_few_beside_them() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    let directories: BTreeSet<_> = (1000..1500)
        .map(|ino| files.path(Backing { ino, generation: 0 }).parent().unwrap().to_owned())
        .collect();
    assert_eq!(directories.len(), 9);
}

#[test]
fn files_of_an_earlier_version_are_found_where_they_are() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    let earlier = root.path().join("content/34/1234.7");
    std::fs::create_dir(earlier.parent().unwrap()).unwrap();
    std::fs::write(&earlier, b"old").unwrap();
    assert_eq!(read(&files, 0x1234, 7), b"old");
    files.open_write(0x1234, 7).unwrap().write_all(b"O").unwrap();
    assert_eq!(read(&files, 0x1234, 7), b"Old");
    files.sync(0x1234, 7).unwrap();
    files.create(0x1234, 8).unwrap();
    let both = [7, 8].map(|generation| Backing { ino: 0x1234, generation });
    assert_eq!(listed(&files), both.into());
    both.iter().for_each(|backing| files.remove(backing.ino, backing.generation).unwrap());
    assert!(!earlier.exists() && listed(&files).is_empty());
}

#[test]
fn a_symlink_in_place_of_a_file_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    std::fs::write(root.path().join("victim"), b"secret").unwrap();
    drop(files.create(0x11, 1).unwrap());
    symlink(root.path().join("victim"), root.path().join("content/000/11.2")).unwrap();
    assert_eq!(files.open_read(0x11, 2).unwrap_err().errno(), libc::ELOOP);
    assert_eq!(files.open_write(0x11, 2).unwrap_err().errno(), libc::ELOOP);
    assert_eq!(files.create(0x11, 2).unwrap_err().errno(), libc::EEXIST);
}

#[test]
fn a_staged_file_appears_complete_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    let staging = files.stage().unwrap();
    staging.set_len(1 << 20).unwrap();
    staging.write_at(500_000, b"middle").unwrap();
    staging.write_at(0, &[1; 8192]).unwrap();
    staging.punch(0, 4096).unwrap();
    assert!(listed(&files).is_empty());
    staging.sync().unwrap();
    staging.commit(0x5e7, 2).unwrap();
    let bytes = read(&files, 0x5e7, 2);
    assert_eq!((bytes.len(), &bytes[500_000..500_006]), (1 << 20, &b"middle"[..]));
    assert_eq!((bytes[4095], bytes[4096]), (0, 1));
    drop(files.stage().unwrap());
    assert_eq!(std::fs::read_dir(root.path().join("staging")).unwrap().count(), 0);
    assert!(!is_open("017/5e7.2"), "no descriptor is kept");
}

#[test]
fn a_staged_file_replaces_nothing() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    files.create(5, 2).unwrap().write_all(b"mine").unwrap();
    assert_eq!(files.stage().unwrap().commit(5, 2).unwrap_err().errno(), libc::EEXIST);
    assert_eq!(read(&files, 5, 2), b"mine");
    assert_eq!(std::fs::read_dir(root.path().join("staging")).unwrap().count(), 0);
}

#[test]
fn a_copy_is_its_own_file_and_so_is_staging_begun_with_one() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    files.create(5, 2).unwrap().write_all(b"content").unwrap();
    let (from, to) = (Backing { ino: 5, generation: 2 }, Backing { ino: 0xabcd, generation: 3 });
    files.copy(from, to).unwrap();
    files.open_write(5, 2).unwrap().write_all(b"C").unwrap();
    assert_eq!(read(&files, 0xabcd, 3), b"content");
    assert_eq!(files.copy(from, to).unwrap_err().errno(), libc::EEXIST);
    assert!(files.copy(Backing { ino: 1, generation: 1 }, to).unwrap_err().is_not_found());
    let staging = files.stage().unwrap();
    staging.begin_with(to).unwrap();
    staging.write_at(0, b"X").unwrap();
    staging.commit(6, 1).unwrap();
    assert_eq!(read(&files, 6, 1), b"Xontent");
    assert_eq!(read(&files, 0xabcd, 3), b"content");
}

#[test]
fn what_a_crash_left_in_staging_is_gone_after_a_start() {
    let root = tempfile::tempdir().unwrap();
    let first = files(root.path());
    drop(first.create(1, 1).unwrap());
    let staging = first.stage().unwrap();
    staging.write_at(0, b"half").unwrap();
    std::mem::forget(staging);
    let again = files(root.path());
    assert_eq!(std::fs::read_dir(root.path().join("staging")).unwrap().count(), 0);
    assert_eq!(listed(&again).len(), 1);
    assert!(again.stage().is_ok());
}

#[test]
fn the_kernels_own_reads_keep_no_access_time() {
    let root = tempfile::tempdir().unwrap();
    let files = files(root.path());
    files.create(1, 1).unwrap().write_all(b"content").unwrap();
    let path = files.path(Backing { ino: 1, generation: 1 });
    let file = files.open_read(1, 1).unwrap();
    let mount_of = |file: &File| statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).unwrap().stx_mnt_id;
    if mount_of(&file) == mount_of(&File::open(&path).unwrap()) {
        assert!(!rustix::process::geteuid().is_root(), "root gets a mount of its own");
        eprintln!("SKIPPED: a mount of its own needs CAP_SYS_ADMIN");
        return;
    }
    let long_ago = Timespec { tv_sec: 1_000_000, tv_nsec: 0 };
    utimensat(
        CWD,
        &path,
        &Timestamps { last_access: long_ago, last_modification: long_ago },
        AtFlags::empty(),
    )
    .unwrap();
    // Opened anew and without O_NOATIME, as the kernel does for those who read without asking.
    let anew = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    assert_eq!(std::io::read_to_string(&anew).unwrap(), "content");
    assert_eq!(path.metadata().unwrap().atime(), 1_000_000);
    assert_eq!(std::fs::read(&path).unwrap(), b"content");
    assert_ne!(path.metadata().unwrap().atime(), 1_000_000, "by any other way it is kept");
}

#[test]
fn content_may_be_elsewhere_by_a_link() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(elsewhere.path(), root.path().join("content")).unwrap();
    let files = files(root.path());
    let staging = files.stage().unwrap();
    staging.write_at(0, b"staged").unwrap();
    staging.commit(1, 1).unwrap();
    files.create(2, 1).unwrap().write_all(b"made").unwrap();
    assert_eq!((read(&files, 1, 1), read(&files, 2, 1)), (b"staged".to_vec(), b"made".to_vec()));
    assert!(elsewhere.path().join("000/1.1").exists());
    assert_eq!(listed(&files).len(), 2);
}
