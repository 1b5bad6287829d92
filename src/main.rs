//! The program `fl0wfs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fl0wfs::cli::run(std::env::args_os())
}
