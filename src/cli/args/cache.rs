//! Arguments of the commands about contents that are here or not.

use super::duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

pub const PIN_HELP: &str = "\
Example:
  fl0wfs pin ~/notes/travel
  fl0wfs pin --list ~/notes

What is below a pinned directory stays on this machine, and what comes there later is fetched as it comes; so all of it \
can be used without the network. Pins are this mount's own and last until `fl0wfs unpin`. `fl0wfs sync` waits until \
everything pinned is here.";

pub const UNPIN_HELP: &str = "\
Example:
  fl0wfs unpin ~/notes/travel

What is here stays until its room is needed, or `fl0wfs evict` lets it go.";

pub const EVICT_HELP: &str = "\
Example:
  fl0wfs evict ~/notes/videos

Names, sizes and times stay; the content is fetched again when it is read. What is not sent yet, open or pinned stays, \
and is counted.";

pub const PREFETCH_HELP: &str = "\
Example:
  fl0wfs prefetch ~/notes/videos/holiday.mp4
  fl0wfs prefetch ~/notes --timeout 10m

Fetched once: it may go again when its room is needed, other than what is pinned. What has not come in time goes on \
coming.";

#[derive(Debug, Args)]
pub struct PinArgs {
    /// Files and directories of one mount.
    #[arg(value_name = "PATH", required_unless_present = "list")]
    pub paths: Vec<PathBuf>,
    /// List what is pinned in the mount that PATH lies in.
    #[arg(long)]
    pub list: bool,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `unpin` and `evict`.
#[derive(Debug, Args)]
pub struct PathsArgs {
    /// Files and directories of one mount.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PrefetchArgs {
    /// Files and directories of one mount.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// How long to wait.
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub timeout: Duration,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}
