//! Arguments of `fl0wfs hub`: running a hub, and looking after its spaces, invites and members.

use super::care::{GC_EXAMPLE, GcArgs, VERIFY_EXAMPLE, VerifyArgs};
use super::guard::{GuardArgs, rate};
use super::quota::QuotaArgs;
use super::{duration, member_name};
use crate::model::{MemberName, Role, SpaceName};
use crate::sync::hub::Rate;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, Args)]
pub struct HubArgs {
    #[command(subcommand)]
    pub command: HubCommand,
}

#[derive(Debug, Args)]
pub struct DataArg {
    /// Where the hub keeps its data [default: hub/ in the state directory].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum HubCommand {
    /// Run the hub in the foreground; prints "listening on ADDR:PORT" when ready.
    #[command(after_help = "Example:\n  fl0wfs hub serve --data /srv/fl0w --listen 0.0.0.0:4733")]
    Serve {
        #[command(flatten)]
        data: DataArg,
        /// UDP address and port [default: [::]:4733, which takes IPv4 too; 0.0.0.0:4733 without IPv6].
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        /// Have a member wait that removes more than this, as in 1000/min; see `fl0wfs hub guard set --help`.
        #[arg(long, value_name = "RATE", default_value = "off", value_parser = rate)]
        guard: Rate,
    },
    /// Create, list or remove spaces.
    Space(SpaceArgs),
    /// Print an invite to a space.
    #[command(
        after_help = "Example:\n  fl0wfs hub invite notes --role writer --uses 3 --ttl 2h --host hub.example.org:4733"
    )]
    Invite(InviteArgs),
    /// List the members of a space: who is invited, who has joined, who is connected and how far behind.
    #[command(after_help = "Example:\n  fl0wfs hub members notes --json")]
    Members {
        #[arg(value_parser = space_name)]
        space: SpaceName,
        /// One line of JSON per member.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataArg,
    },
    /// Remove contents that nothing needs any more.
    #[command(after_help = GC_EXAMPLE)]
    Gc(GcArgs),
    /// Check that all that was committed is there and whole.
    #[command(after_help = VERIFY_EXAMPLE)]
    Verify(VerifyArgs),
    /// Guard a space against mass deletion: set it, see who is held, decide.
    Guard(GuardArgs),
    /// Limit how much a space's files may come to, and see what they come to.
    Quota(QuotaArgs),
    /// Shut a member out; a live connection is cut.
    #[command(after_help = "Example:\n  fl0wfs hub revoke notes old-laptop")]
    Revoke {
        #[arg(value_parser = space_name)]
        space: SpaceName,
        #[arg(value_parser = member_name)]
        member: MemberName,
        #[command(flatten)]
        data: DataArg,
    },
}

#[derive(Debug, Args)]
pub struct SpaceArgs {
    #[command(subcommand)]
    pub command: SpaceCommand,
}

#[derive(Debug, Subcommand)]
pub enum SpaceCommand {
    /// Make an empty space.
    #[command(after_help = "Example:\n  fl0wfs hub space create notes")]
    Create {
        #[arg(value_parser = space_name)]
        space: SpaceName,
        #[command(flatten)]
        data: DataArg,
    },
    /// List the spaces of the hub.
    #[command(after_help = "Example:\n  fl0wfs hub space list --json")]
    List {
        /// One line of JSON per space.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataArg,
    },
    /// Remove a space, its history and its members from the hub.
    #[command(after_help = "Example:\n  fl0wfs hub space remove notes")]
    Remove {
        #[arg(value_parser = space_name)]
        space: SpaceName,
        #[command(flatten)]
        data: DataArg,
    },
}

#[derive(Debug, Args)]
pub struct InviteArgs {
    #[arg(value_parser = space_name)]
    pub space: SpaceName,
    /// reader, writer or admin.
    #[arg(long, default_value = "writer", value_parser = Role::from_str)]
    pub role: Role,
    /// How many devices may use it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: u32,
    /// For how long it is good.
    #[arg(long, default_value = "1d", value_parser = duration)]
    pub ttl: Duration,
    /// Where members reach this hub [default: this machine's host name, and the port the hub listens on].
    #[arg(long, value_name = "HOST:PORT")]
    pub host: Option<String>,
    #[command(flatten)]
    pub data: DataArg,
}

pub(super) fn space_name(text: &str) -> Result<SpaceName, String> {
    SpaceName::new(text).map_err(|error| error.to_string())
}
