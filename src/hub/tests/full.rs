//! A hub whose disk is full.

use super::*;
use crate::net::{CloseCode, Closed};
use crate::store::free_space;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::path::PathBuf;

const MIB: u64 = 1024 * 1024;

/// A tmpfs of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, said loudly, where this process may not mount.
    fn mount(path: &Path) -> Option<SmallDisk> {
        match mount("tmpfs", path, "tmpfs", MountFlags::NOSUID, c"size=160m") {
            Ok(()) => Some(SmallDisk(path.to_owned())),
            Err(errno) => {
                eprintln!("SKIPPED: a full disk needs a mount, and mount said: {errno}");
                None
            }
        }
    }

    /// Takes all room but a little; removing the file gives it back.
    fn fill(&self, left_bytes: u64) -> PathBuf {
        let path = self.0.join("filler");
        let taken = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let more = free_space(&self.0).unwrap().free_bytes.saturating_sub(left_bytes);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, taken + more).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(errno) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("{} could not be unmounted: {errno}", self.0.display());
        }
    }
}

/// Fills the disk until the hub takes no more content, and a little of it has been offered.
async fn fill_for_content(disk: &SmallDisk, left_bytes: u64, member: &FakeMember) -> PathBuf {
    for number in 0..1_000u32 {
        let filler = disk.fill(left_bytes);
        let bytes = number.to_be_bytes().to_vec();
        if member.put(&[(chunk_id(&bytes), bytes)]).await == ContentReply::Full {
            return filler;
        }
    }
    panic!("the disk never gets full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gets_full_refuses_content_first_and_still_takes_small_commits() {
    let directory = TempDir::new().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else { return };
    let mut hub = TestHub::start_in(directory).await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    ada.accepted(1, vec![op], inline).await;
    let filler = fill_for_content(&disk, 48 * MIB, &ada).await;
    let (op, inline) = small_file(&ada, 3, "b", b"two");
    ada.accepted(2, vec![op, unlink(ada.node(2), "a")], inline).await;
    let more = b"more".to_vec();
    assert_eq!(ada.put(&[(chunk_id(&more), more.clone())]).await, ContentReply::Full);
    std::fs::remove_file(filler).unwrap();
    assert_eq!(ada.put(&[(chunk_id(&more), more)]).await, ContentReply::Stored);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_members_wait_and_nothing_is_lost_when_room_returns() {
    let directory = TempDir::new().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else { return };
    let mut hub = TestHub::start_in(directory).await;
    let mut ada = hub.join(Role::Writer, "ada").await;
    let mut bob = hub.join(Role::Reader, "bob").await;
    let invite = hub.invite(Role::Writer, 1).await;
    let (op, inline) = small_file(&ada, 2, "a", b"one");
    let first = ada.accepted(1, vec![op.clone()], inline.clone()).await;
    // Rejected, but this member never hears of it.
    ada.commit(2, vec![op], inline).await;
    ada.line.say(&FromMember::Barrier { id: 1 }).await;

    let filler = fill_for_content(&disk, 12 * MIB, &ada).await;
    assert_eq!(ada.put(&[(chunk_id(b"more"), b"more".to_vec())]).await, ContentReply::Full);
    // A member that is known gets in all the same, and is told to wait.
    let mut ada = hub.greet(&ada.identity, ada.hello_again(Some(first))).await;
    // Nothing but rows: its fence cannot be written with it, and must not be taken for written.
    ada.commit(3, vec![make(ada.node(4), "c", Manifest::empty())], vec![]).await;
    let answer = ada.answer(3).await;
    assert!(matches!(&answer, Answer::Wait { reason } if reason.contains("full")), "{answer:?}");
    let (op, inline) = small_file(&ada, 3, "b", b"two");
    ada.commit(3, vec![op.clone()], inline.clone()).await;
    let answer = ada.answer(3).await;
    assert!(matches!(&answer, Answer::Wait { reason } if reason.contains("full")), "{answer:?}");
    let enrol = Enrol {
        format: WIRE_FORMAT,
        space: space(),
        token: invite.token.as_bytes().to_vec(),
        name: MemberName::new("cyd").unwrap(),
    };
    let newcomer = Identity::generate();
    let line = hub.open(&newcomer, Opening::Enrol(enrol)).await;
    let closed = timeout(PATIENCE, line.connection.closed()).await.unwrap();
    assert!(
        matches!(&closed, Closed::ByPeer { code: CloseCode::Stopping, reason } if reason.contains("full")),
        "{closed:?}"
    );

    std::fs::remove_file(filler).unwrap();
    assert_eq!(ada.accepted(3, vec![op], inline).await.sequence, Sequence(1));
    let entries = [bob.entry().await.0.sequence, bob.entry().await.0.sequence];
    assert_eq!(entries, [Sequence(0), Sequence(1)]);
    assert!(matches!(hub.redeem(&newcomer, &invite, "cyd").await, FromHub::Enrolled { .. }));
    hub.stop().await;
}
