//! Calls made as a user who is not root.

/// User and group of the calls that are not root's, and the other group that the user belongs to.
const USER: u32 = 1000;
const OTHER_GROUP: u32 = 1001;

/// Runs work with a user's rights, in this thread alone. Only root can do so.
pub fn as_user<R>(work: impl FnOnce() -> R) -> R {
    become_user(USER, &[OTHER_GROUP]);
    let result = work();
    become_user(0, &[]);
    result
}

/// The kernel's own calls, since those of the C library change all threads, and the one that answers for the mount is
/// to stay root's.
fn become_user(user: u32, groups: &[u32]) {
    // SAFETY: these change rights of this thread only, and read no memory but the groups.
    unsafe {
        libc::syscall(libc::SYS_setfsuid, 0);
        assert_eq!(
            libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()),
            0,
            "only root may do this"
        );
        libc::syscall(libc::SYS_setfsgid, user);
        libc::syscall(libc::SYS_setfsuid, user);
    }
}
