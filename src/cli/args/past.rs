//! Arguments of the commands that bring back what was.

use super::history::version;
use super::{member_name, moment};
use crate::member::control::{Moment, VersionName};
use crate::model::MemberName;
use clap::Args;
use std::path::PathBuf;

pub const RESTORE_HELP: &str = "\
Example:
  fl0wfs restore ~/notes/todo.txt --version 3
  fl0wfs restore ~/notes/photos --at '2h ago'
  fl0wfs restore ~/notes --at 812 --missing

TIME is how long ago (2h, '10 min ago'), a local time ('2026-11-25 14:00') or one with an offset (RFC 3339); SEQ is a \
sequence, as fl0wfs status and log show it. Names, contents and attributes are what they were after that commit. \
What was removed comes back whole, with the directories above it. A file that is there gets the content of then as \
its next version. A directory that is there and not empty is left alone unless --missing or --force says how. \
Nothing outside PATH changes. A restore is a change like any other: it reaches everybody and can be undone.";

pub const UNDO_HELP: &str = "\
Example:
  fl0wfs undo ~/notes --member laptop --since '2h ago' --dry-run
  fl0wfs undo ~/notes --member laptop --since 812

Undone is what the member did after that sequence or time, as far as it is still as the member left it. What others \
have changed since stays; where they have edited the same file, the member's part is merged out of it if that can be \
done line by line. What is left as it is, and why, is listed.";

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file, a directory or the mount itself; it need not exist any more.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    #[command(flatten)]
    pub to: RestoreToArgs,
    /// In a directory that is there, bring back what is missing and leave the rest as it is.
    #[arg(long, conflicts_with_all = ["force", "version"])]
    pub missing: bool,
    /// Make a directory that is there what it was, all of it: what was added since goes.
    #[arg(long, conflicts_with = "version")]
    pub force: bool,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RestoreToArgs {
    /// This version of a file; NODE:N is one of another file, as fl0wfs log shows it.
    #[arg(long, value_name = "N|NODE:N", value_parser = version)]
    pub version: Option<VersionName>,
    /// What was there then.
    #[arg(long, value_name = "TIME|SEQ", value_parser = moment::parse)]
    pub at: Option<Moment>,
}

#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The mount, or a directory in it: then what is below [default: the current directory].
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// Whose work.
    #[arg(long, value_name = "MEMBER", value_parser = member_name)]
    pub member: MemberName,
    /// What was done after this.
    #[arg(long, value_name = "TIME|SEQ", value_parser = moment::parse)]
    pub since: Moment,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// One line of JSON for each thing that is done or left, and one for all.
    #[arg(long)]
    pub json: bool,
}
