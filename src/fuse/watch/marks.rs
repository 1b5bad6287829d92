//! What the system says of watches: every process's inotify and fanotify descriptors and what they are on.
//!
//! Processes that may not be looked into are taken for ones that watch nothing: on a mount that its owner alone may
//! enter they are no others' than the owner's, and most unlikely to.

use super::order::Marks;
use std::fs;
use std::path::Path;

/// A mount as the system's tables name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId {
    pub major: u32,
    pub minor: u32,
}

impl DeviceId {
    /// As it stands in a descriptor's description.
    fn number(self) -> u64 {
        u64::from(self.major) << 20 | u64::from(self.minor)
    }
}

/// What all processes watch of the mount.
pub fn look(device: DeviceId) -> Marks {
    let mut marks = Marks::default();
    let mounts = mounts_of(device, &fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let Ok(processes) = fs::read_dir("/proc") else { return Marks { everything: true, ..marks } };
    for process in processes.flatten() {
        let is_process = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if is_process {
            look_into(&process.path(), device, &mounts, &mut marks);
        }
    }
    marks.inodes.sort_unstable();
    marks.inodes.dedup();
    marks
}

fn look_into(process: &Path, device: DeviceId, mounts: &[u64], marks: &mut Marks) {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return };
    for descriptor in descriptors.flatten() {
        let watches = fs::read_link(descriptor.path()).is_ok_and(|target| {
            let target = target.as_os_str().as_encoded_bytes();
            target == b"anon_inode:inotify" || target.starts_with(b"anon_inode:[fanotify")
        });
        if watches {
            let described = fs::read_to_string(process.join("fdinfo").join(descriptor.file_name()));
            read_marks(&described.unwrap_or_default(), device, mounts, marks);
        }
    }
}

/// Reads a descriptor's description; `mounts` are the mount's numbers in the table of mounts.
fn read_marks(described: &str, device: DeviceId, mounts: &[u64], marks: &mut Marks) {
    let lines =
        described.lines().filter(|line| line.starts_with("inotify ") || line.starts_with("fanotify "));
    for line in lines {
        let field = |name: &str| {
            let mut words = line.split_ascii_whitespace();
            let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))?;
            u64::from_str_radix(value, 16).ok()
        };
        let here = field("sdev") == Some(device.number());
        match field("ino") {
            Some(ino) if here => marks.inodes.push(ino),
            Some(_) => {}
            None => marks.everything |= here || field("mnt_id").is_some_and(|id| mounts.contains(&id)),
        }
    }
}

/// The numbers under which a device is mounted.
fn mounts_of(device: DeviceId, table: &str) -> Vec<u64> {
    let device = format!("{}:{}", device.major, device.minor);
    let fields = |line: &str| line.split(' ').map(str::to_owned).take(3).collect::<Vec<_>>();
    let lines = table.lines().map(fields).filter(|fields| fields.get(2) == Some(&device));
    lines.filter_map(|fields| fields[0].parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: DeviceId = DeviceId { major: 0, minor: 0x3a };

    #[test]
    fn watches_on_this_mount_are_found_and_no_others() {
        let described = "pos:\t0\nflags:\t00\nmnt_id:\t15\nino:\t1057\n\
            inotify wd:2 ino:1f sdev:3a mask:fc6 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:00\n\
            inotify wd:1 ino:20 sdev:3b mask:fc6 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:00\n\
            fanotify ino:2 sdev:3a mflags:0 mask:3b ignored_mask:40000000\n";
        let mut marks = Marks::default();
        read_marks(described, HERE, &[], &mut marks);
        assert_eq!(marks, Marks { everything: false, inodes: vec![0x1f, 2] });
    }

    #[test]
    fn who_watches_a_mount_watches_everything_on_it() {
        let table = "22 1 0:21 / /proc rw - proc proc rw\n91 1 0:58 / /mnt rw - fuse.fl0wfs a:b rw\n";
        assert_eq!(mounts_of(HERE, table), [91]);
        for (line, everything) in [
            ("fanotify mnt_id:5b mflags:0 mask:3b", true),
            ("fanotify mnt_id:16 mflags:0 mask:3b", false),
            ("fanotify sdev:3a mflags:0", true),
        ] {
            let mut marks = Marks::default();
            read_marks(line, HERE, &[91], &mut marks);
            assert_eq!(marks, Marks { everything, inodes: vec![] }, "{line}");
        }
    }
}
