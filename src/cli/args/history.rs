//! Arguments of the commands about history: `log`, `show` and `diff`.

use super::moment;
use crate::member::control::{Moment, VersionName};
use crate::model::{NodeId, Version};
use clap::Args;
use std::path::PathBuf;

pub(super) const LOG_HELP: &str = "\
First comes the node that has the path now, then those that had it before. A version of theirs is named NODE:N, as in \
1.17:3; fl0wfs show and fl0wfs diff take such names.

Example:
  fl0wfs log ~/notes/todo.txt
  fl0wfs log --json ~/notes/todo.txt | head -1
  fl0wfs log --patch -n 3 ~/notes/todo.txt
  fl0wfs log --follow ~/notes";

pub(super) const DIFF_HELP: &str = "\
Without --to it is the file as it is here, without --from the last version that differs from that. The exit code is 0 \
whether or not they differ; what scripts want to know is whether anything was printed.

Example:
  fl0wfs diff ~/notes/todo.txt
  fl0wfs diff ~/notes/todo.txt --from 3 --to 5";

#[derive(Debug, Args)]
pub struct LogArgs {
    /// A path in a mount; it need not exist any more.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// One line of JSON per change.
    #[arg(long)]
    pub json: bool,
    /// What each version changed: a unified diff, for JSON files operations of JSON Patch, for XML changed elements.
    #[arg(long, conflicts_with = "follow")]
    pub patch: bool,
    /// Not more than so many changes; with --follow, the last so many before what is new.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub limit: Option<u64>,
    /// The history of this node, wherever it stood; PATH then only tells the mount.
    #[arg(long, value_name = "NODE", value_parser = node, conflicts_with = "follow")]
    pub node: Option<NodeId>,
    /// Print what changes at PATH and below as it is accepted, oldest first, until interrupted.
    #[arg(short = 'f', long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A file in a mount; it need not exist any more.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The version, as fl0wfs log names it: N, or NODE:N of an earlier file of that name.
    #[arg(long, value_name = "N|NODE:N", value_parser = version, required_unless_present = "at")]
    pub version: Option<VersionName>,
    /// What was there then: a sequence, or a time as in 2026-01-31T14:00:00Z, '2026-01-31 14:00' or '2h ago'.
    #[arg(long, value_name = "SEQ|TIME", value_parser = moment::parse, conflicts_with = "version")]
    pub at: Option<Moment>,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A file in a mount; it need not exist any more.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The older version: N, or NODE:N of an earlier file of that name.
    #[arg(long, value_name = "N|NODE:N", value_parser = version)]
    pub from: Option<VersionName>,
    /// The newer version.
    #[arg(long, value_name = "N|NODE:N", value_parser = version)]
    pub to: Option<VersionName>,
}

fn node(text: &str) -> Result<NodeId, String> {
    text.parse().map_err(|_| format!("{text:?} is no node; fl0wfs log shows them, as in 1.17"))
}

pub(super) fn version(text: &str) -> Result<VersionName, String> {
    let (node, number) = match text.split_once(':') {
        Some((of, number)) => (Some(node(of)?), number),
        None => (None, text),
    };
    let bad = || format!("{text:?} is no version; write it as in 3 or 1.17:3");
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| is_plain).filter(|number| *number > 0);
    Ok(VersionName { node, version: Version(number.ok_or_else(bad)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemberNumber;

    #[test]
    fn versions_are_read_as_they_are_printed() {
        let node = NodeId { member: MemberNumber(3), counter: 17 };
        for name in [
            VersionName { node: None, version: Version(4) },
            VersionName { node: Some(node), version: Version(u64::MAX) },
        ] {
            assert_eq!(version(&name.to_string()), Ok(name));
        }
        for bad in ["", "0", "-1", "+1", "x", "1.2", "1.2:", ":1", "1:2", "1.2:x", "1.2:0", "1.2.3:4"] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }
}
