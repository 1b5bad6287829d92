//! The program `mount.fl0wfs`, which mount(8) calls: `mount -t fl0wfs remote:space DIR`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fl0wfs::cli::run_mount_helper(std::env::args_os())
}
