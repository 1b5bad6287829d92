//! The arguments of every command, with help and an example.

use crate::member::config::RemoteName;
use crate::model::MemberName;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

mod cache;
mod care;
mod conflicts;
mod guard;
mod history;
mod hub;
pub mod moment;
mod past;
mod quota;

pub use cache::{PathsArgs, PinArgs, PrefetchArgs};
pub use care::{GcArgs, VerifyArgs};
pub use conflicts::{ChoiceArgs, ConflictsArgs, MergetoolArgs, ResolveArgs};
pub use guard::{DecisionArgs, GuardCommand};
use history::{DIFF_HELP, LOG_HELP};
pub use history::{DiffArgs, LogArgs, ShowArgs};
pub use hub::{DataArg, HubArgs, HubCommand, InviteArgs, SpaceCommand};
pub use past::{RestoreArgs, UndoArgs};
pub use quota::QuotaCommand;

const EXITS: &str = "Exit codes: 0 done or in sync, 1 failed, 2 usage, 3 work waiting or hub unreachable, \
4 conflicts, 5 refused.\n\nFL0WFS_HOME puts configuration, keys, state and sockets under one directory.";

/// A directory that stays in sync: what you write in it travels to every other member of the space.
#[derive(Debug, Parser)]
#[command(name = "fl0wfs", version, after_help = EXITS, max_term_width = 100)]
pub struct Program {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a hub, or look after its spaces, invites and members.
    Hub(HubArgs),
    /// Join a space with an invite.
    #[command(
        after_help = "Example:\n  fl0wfs join 'fl0w://hub.example.org:4733/notes?hub=...&token=...' --as work"
    )]
    Join(JoinArgs),
    /// List or remove the hubs this device knows.
    Remote(RemoteArgs),
    /// Mount a space on a directory; returns when the mount is usable.
    #[command(after_help = MOUNT_HELP)]
    Mount(MountArgs),
    /// Unmount; what is pending is sent first if the hub can be reached, and kept if not.
    #[command(after_help = "Example:\n  fl0wfs umount ~/notes")]
    Umount(UmountArgs),
    /// Have this program go on with a mount, in place of the one that serves it; nobody who uses the mount notices.
    #[command(
        after_help = "Example:\n  fl0wfs upgrade\n  ./target/release/fl0wfs upgrade ~/notes\n\nWhere this program does not serve, the one before goes on, and the exit code is 1."
    )]
    Upgrade(UpgradeArgs),
    /// Wait until all local work is accepted and all the hub has is here.
    #[command(after_help = "Example:\n  fl0wfs sync ~/notes --timeout 30s")]
    Sync(SyncArgs),
    /// Say how a mount stands: connection, position, pending work, conflicts.
    #[command(
        after_help = "Example:\n  fl0wfs status ~/notes\n\nWithout DIR, all mounts. The exit code tells: 0 in sync, 3 work waiting or hub unreachable, 4 conflicts, 5 refused."
    )]
    Status(StatusArgs),
    /// List what is in conflict.
    #[command(after_help = conflicts::CONFLICTS_HELP)]
    Conflicts(ConflictsArgs),
    /// Settle conflicts.
    #[command(after_help = conflicts::RESOLVE_HELP)]
    Resolve(ResolveArgs),
    /// Settle a conflict with one of git's merge tools.
    #[command(after_help = conflicts::MERGETOOL_HELP)]
    Mergetool(MergetoolArgs),
    /// Show the history of a path, newest first; of the whole space for the mount's root.
    #[command(after_help = LOG_HELP)]
    Log(LogArgs),
    /// Write an earlier content of a file to standard output.
    #[command(
        after_help = "Example:\n  fl0wfs show ~/notes/todo.txt --version 3\n  fl0wfs show ~/notes/todo.txt --version 1.17:2 >old\n  fl0wfs show ~/notes/todo.txt --at '2 h ago'"
    )]
    Show(ShowArgs),
    /// Show what changed in a file from one version to another, as a unified diff.
    #[command(after_help = DIFF_HELP)]
    Diff(DiffArgs),
    /// Bring back a file, a directory or the whole space as it was.
    #[command(after_help = past::RESTORE_HELP)]
    Restore(RestoreArgs),
    /// Undo what one member did, and keep what others did since.
    #[command(after_help = past::UNDO_HELP)]
    Undo(UndoArgs),
    /// Keep contents on this machine, those that come later below a directory too.
    #[command(after_help = cache::PIN_HELP)]
    Pin(PinArgs),
    /// Let contents go again when their room is needed.
    #[command(after_help = cache::UNPIN_HELP)]
    Unpin(PathsArgs),
    /// Let contents go from this machine now; they stay in the space.
    #[command(after_help = cache::EVICT_HELP)]
    Evict(PathsArgs),
    /// Fetch contents before somebody reads them, and wait until they are here.
    #[command(after_help = cache::PREFETCH_HELP)]
    Prefetch(PrefetchArgs),
    /// Make system calls for watchers of a mount; its daemon starts this.
    #[command(hide = true, name = crate::member::REPEATER_COMMAND, after_help = "Example:\n  fl0wfs repeat-for-watchers ~/notes")]
    Repeat(RepeatArgs),
}

const MOUNT_HELP: &str = "\
Options for -o, comma separated, later ones win:
  ro, rw              no writing here; writing (the default, as far as the role allows)
  allow_other         other users may enter (permissions are checked)
  nonempty            the directory may hold files; the mount hides them
  suid, dev           honour set-id bits, device nodes (the default is nosuid,nodev)
  noexec              programs on the mount cannot be run
  plain-type          show the type fuse instead of fuse.fl0wfs, for tools that know no other
  conflict=copy       keep the losing side of a conflict beside the winner (the default)
  passthrough=off     every byte is read and written by the daemon; on: no mount where the kernel cannot do it by
                      itself; auto, the default: where it can
  conflict=hold       leave the losing side where it is and do not send it until it is resolved
  content=eager       fetch all content as it comes (the default)
  content=lazy        fetch content when it is read; names, sizes and times are there in any case
  cache-size=SIZE     with content=lazy: how much content may be here, as in 20G; what was used longest ago goes first
  no-materialize=A:B  programs that get nothing fetched, instead of the usual indexers and thumbnailers; or none
  state=DIR           another state directory than the usual one
  notify=on|off       programs that watch files see what others do (the default), or not
  ignore=FILE         patterns, as in gitignore, for what stays on this machine
  remount             change ro, rw, suid, dev, exec and their opposites on a mount that stands (root only); all else stays
Options of mount(8), systemd and fstab (_netdev, nofail, x-*, defaults, noatime, ...) are dropped.

Example:
  fl0wfs mount work:notes ~/notes
  fl0wfs mount work:notes /srv/notes -o ro,allow_other
  fl0wfs mount work:notes ~/notes -o content=lazy --cache-size 20G
  fl0wfs mount 'work:notes@2h ago' /tmp/notes-then";

#[derive(Debug, Args)]
pub struct RepeatArgs {
    pub directory: PathBuf,
}

#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The invite: fl0w://HOST:PORT/SPACE?hub=...&token=... (in quotes: it holds a &).
    pub url: String,
    /// This machine's name for the hub [default: made from its host name].
    #[arg(long = "as", value_name = "REMOTE", value_parser = RemoteName::from_str)]
    pub remote: Option<RemoteName>,
    /// The name others see [default: made from this machine's host name].
    #[arg(long, value_name = "MEMBER", value_parser = member_name)]
    pub name: Option<MemberName>,
}

#[derive(Debug, Args)]
pub struct RemoteArgs {
    #[command(subcommand)]
    pub command: RemoteCommand,
}

#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// List the hubs this device knows and the spaces it has joined.
    #[command(after_help = "Example:\n  fl0wfs remote list --json")]
    List {
        /// One line of JSON per remote.
        #[arg(long)]
        json: bool,
    },
    /// Forget a hub. State directories and what they hold stay.
    #[command(after_help = "Example:\n  fl0wfs remote remove work")]
    Remove {
        #[arg(value_parser = RemoteName::from_str)]
        remote: RemoteName,
    },
}

#[derive(Debug, Args)]
pub struct MountArgs {
    /// The space, as in work:notes; work:notes@SEQ or work:notes@TIME shows it as it was, to be read only.
    #[arg(value_name = "REMOTE:SPACE")]
    pub source: String,
    /// An existing directory.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Mount options, comma separated.
    #[arg(short = 'o', value_name = "OPTIONS")]
    pub options: Vec<String>,
    /// As -o cache-size=SIZE, with content=lazy.
    #[arg(long, value_name = "SIZE")]
    pub cache_size: Option<String>,
    /// Stay in the foreground and log to standard error.
    #[arg(short = 'f', long)]
    pub foreground: bool,
    /// Be the daemon: standard output is the pipe on which to say that the mount is usable.
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub daemon: bool,
    /// Be the daemon that a supervisor has started: standard input is the way to it.
    #[arg(long, hide = true)]
    pub supervised: bool,
}

#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The mount, or anything in it [default: all mounts].
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The program that is to go on [default: this one].
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UmountArgs {
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Take the directory away although it is in use; who has files open there keeps them.
    #[arg(long, short = 'l')]
    pub lazy: bool,
    /// How long to go on sending what is pending.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub struct SyncArgs {
    /// The mount, or anything in it.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// How long to wait.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The mount, or anything in it.
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// One line of JSON per mount.
    #[arg(long)]
    pub json: bool,
}

fn member_name(text: &str) -> Result<MemberName, String> {
    MemberName::new(text).map_err(|error| error.to_string())
}

/// Reads a number and its unit: 500ms, 30s, 5m, 2h, 1d. A bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let bad = || format!("{text:?} is no time; write it as in 500ms, 30s, 5m, 2h or 1d");
    let number: u64 = number.parse().map_err(|_| bad())?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(bad()),
    };
    // A century is enough, and no later sum of times overflows.
    let total = number.checked_mul(seconds).filter(|total| *total <= 100 * 366 * 86_400);
    total.map(Duration::from_secs).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &clap::Command) {
            let deeper: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
            if deeper.is_empty() {
                let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains("Example:\n  fl0wfs"), "{} has no example", command.get_name());
            }
            assert!(command.get_about().is_some(), "{} is not described", command.get_name());
            deeper.into_iter().for_each(check);
        }
        check(&Program::command());
    }

    #[test]
    fn the_contract_parses_as_written() {
        for line in [
            "hub serve",
            "hub serve --data /d --listen 127.0.0.1:0",
            "hub space create notes --data /d",
            "hub space list --json",
            "hub space remove notes",
            "hub invite notes --role reader --uses 2 --ttl 1d --host h:1 --data /d",
            "hub members notes --json",
            "hub revoke notes laptop --data /d",
            "hub gc",
            "hub serve --guard 1000/min",
            "hub guard set notes 1000/min --data /d",
            "hub guard list --json",
            "hub guard release notes laptop",
            "hub guard discard notes laptop --data /d",
            "hub quota set notes 20G --data /d",
            "hub quota list notes --json",
            "hub verify",
            "hub verify notes --repair --json --data /d",
            "hub gc notes --keep 10-versions --dry-run --json --data /d",
            "join fl0w://h:1/s?hub=x&token=y --as work --name me",
            "remote list",
            "remote remove work",
            "mount work:notes /mnt -o ro,allow_other -f",
            "mount work:notes@812 /mnt",
            "umount /mnt",
            "sync /mnt --timeout 30s",
            "status",
            "status /mnt --json",
            "log /mnt/x --json",
            "restore /mnt/x --version 2.17:3",
            "restore /mnt --at 2h --force --json",
            "undo /mnt --member b --since 812 --dry-run --json",
            "conflicts",
            "conflicts /mnt/x --json",
            "resolve /mnt/x --ours",
            "resolve /mnt/x /mnt/y --theirs",
            "resolve --both /mnt/x",
            "resolve /mnt/x --merged /tmp/x",
            "resolve /mnt/x --revive",
            "resolve /mnt/x --delete",
            "resolve /mnt/x --edit",
            "resolve /mnt/x --print",
            "mergetool /mnt/x",
            "mergetool /mnt/x --tool vimdiff",
            "log /mnt/x -n 3 --node 1.2 --patch",
            "log /mnt --follow --json",
            "show /mnt/x --version 3",
            "show /mnt/x --version 1.2:3",
            "show /mnt/x --at 17",
            "show /mnt/x --at 2026-01-02T03:04:05Z",
            "diff /mnt/x",
            "pin /mnt/x /mnt/y --json",
            "pin --list",
            "pin --list /mnt",
            "unpin /mnt/x",
            "evict /mnt/x /mnt/y --json",
            "prefetch /mnt/x --timeout 10m",
            "mount work:notes /mnt -o content=lazy --cache-size 20G",
            "diff /mnt/x --from 1 --to 1.2:3",
        ] {
            let arguments = ["fl0wfs"].into_iter().chain(line.split(' '));
            assert!(Program::try_parse_from(arguments).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_conflict_is_settled_in_one_way() {
        for line in [
            "resolve",
            "resolve x",
            "resolve --ours",
            "resolve x --ours --theirs",
            "resolve x --edit --print",
            "resolve x --merged",
            "mergetool",
            "mergetool x y",
        ] {
            let arguments = ["fl0wfs"].into_iter().chain(line.split(' '));
            assert!(Program::try_parse_from(arguments).is_err(), "{line}");
        }
    }

    #[test]
    fn times_have_units() {
        let good = [
            ("30s", 30_000),
            ("30", 30_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ];
        for (text, millis) in good {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "s", "-1s", "1 s", "1y", "1.5h", "99999999999999999999s", "9999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
