//! What is agreed on with the kernel before its first request.

use fuser::{InitFlags, KernelConfig};

/// The largest read, write and read-ahead, in bytes.
pub(super) const IO_BYTES_MAX: u32 = 1024 * 1024;
/// Requests the kernel may have under way that nobody waits for: read-ahead, releases.
const BACKGROUND_REQUESTS_MAX: u16 = 64;

/// What we ask of the kernel. Each is asked for alone: one that is missing must not cost the others.
const CAPABILITIES: [InitFlags; 9] = [
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_ATOMIC_O_TRUNC,
    InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
];

/// What the kernel has agreed to.
pub(super) struct Agreed {
    /// It insists on opening directories.
    pub opens_directories: bool,
    /// It reads and writes files by itself.
    pub passes: bool,
}

/// Asks the kernel for all that makes the mount faster or more like a local one, and does without what it lacks.
pub(super) fn agree(config: &mut KernelConfig, keeps_owners: bool, wants_passthrough: bool) -> Agreed {
    let mut opens_directories = false;
    for capability in CAPABILITIES {
        if config.add_capabilities(capability).is_err() {
            tracing::debug!(?capability, "not offered by this kernel");
            opens_directories |= capability == InitFlags::FUSE_NO_OPENDIR_SUPPORT;
        }
    }
    // Order: who keeps lists must know the umask, so that a default list can take its place.
    let lists = [InitFlags::FUSE_POSIX_ACL, InitFlags::FUSE_DONT_MASK];
    if keeps_owners && !lists.iter().all(|it| config.add_capabilities(*it).is_ok()) {
        tracing::debug!("this kernel keeps no access control lists");
    }
    // Each of these answers with the nearest value that it would take; the kernel's own is fine then.
    let _ = config.set_max_write(IO_BYTES_MAX);
    let _ = config.set_max_readahead(IO_BYTES_MAX);
    let _ = config.set_max_background(BACKGROUND_REQUESTS_MAX);
    let passes = wants_passthrough
        && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
        && config.set_max_stack_depth(1).is_ok();
    Agreed { opens_directories, passes }
}
