//! Arguments of `fl0wfs hub quota`.

use super::hub::{DataArg, space_name};
use crate::member::options::read_size;
use crate::model::SpaceName;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct QuotaArgs {
    #[command(subcommand)]
    pub command: QuotaCommand,
}

#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Say how much the files of a space may come to.
    #[command(after_help = SET_EXAMPLE)]
    Set {
        #[arg(value_parser = space_name)]
        space: SpaceName,
        /// 500M, 20G or 1T, or off.
        #[arg(value_name = "SIZE", value_parser = limit)]
        limit: Limit,
        #[command(flatten)]
        data: DataArg,
    },
    /// List what the files of spaces may come to, and what they come to now.
    #[command(after_help = "Example:\n  fl0wfs hub quota list notes")]
    List {
        /// One space [default: all].
        #[arg(value_parser = space_name)]
        space: Option<SpaceName>,
        /// One line of JSON per space.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataArg,
    },
}

const SET_EXAMPLE: &str = "\
Counted are the sizes of the files that are there, each once however many names it has, and holes like anything else; \
earlier versions count nothing. What would come to more cannot be written on any member: programs are told that the \
disk quota is exceeded. What was written offline, or at the same moment elsewhere, is brought back from history or no \
longer ignored, is taken though it comes to more. There is no quota unless one is set.

Example:
  fl0wfs hub quota set notes 20G
  fl0wfs hub quota set notes off";

/// What a space's files may come to, in bytes; None is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

/// Reads a size or `off`.
fn limit(text: &str) -> Result<Limit, String> {
    if text == "off" {
        return Ok(Limit(None));
    }
    let bad = || format!("{text:?} is no size; write it as in 500M, 20G or 1T, or off");
    read_size(text).map(|bytes| Limit(Some(bytes))).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_size_or_off() {
        let good = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("7b", 7),
            ("64k", 64 << 10),
            ("500M", 500 << 20),
            ("20GiB", 20 << 30),
            ("1T", 1 << 40),
        ];
        for (text, bytes) in good {
            assert_eq!(limit(text), Ok(Limit(Some(bytes))), "{text}");
        }
        assert_eq!(limit("off"), Ok(Limit(None)));
        for bad in ["", "G", "-1", "1.5G", "20 G", "1Q", "20GB", "99999999T", "99999999999999999999", "none"]
        {
            let error = limit(bad).unwrap_err();
            assert!(error.starts_with(&format!("{bad:?} is no size")), "{error}");
        }
    }
}
