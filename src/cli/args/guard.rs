//! Arguments of `fl0wfs hub guard`.

use super::hub::{DataArg, space_name};
use super::member_name;
use crate::model::{MemberName, SpaceName};
use crate::sync::hub::Rate;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct GuardArgs {
    #[command(subcommand)]
    pub command: GuardCommand,
}

#[derive(Debug, Subcommand)]
pub enum GuardCommand {
    /// Say how much a member may remove in a minute before it has to wait.
    #[command(after_help = SET_EXAMPLE)]
    Set {
        #[arg(value_parser = space_name)]
        space: SpaceName,
        /// 1000/min, off, or default for what `hub serve --guard` says.
        #[arg(value_name = "RATE", value_parser = rate_or_default)]
        rate: Setting,
        #[command(flatten)]
        data: DataArg,
    },
    /// List who waits for a decision.
    #[command(after_help = "Example:\n  fl0wfs hub guard list notes")]
    List {
        /// One space [default: all].
        #[arg(value_parser = space_name)]
        space: Option<SpaceName>,
        /// One line of JSON per member.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataArg,
    },
    /// Let through what a member waits to send, and all that follows until it has sent nothing for a minute.
    #[command(after_help = "Example:\n  fl0wfs hub guard release notes laptop")]
    Release(DecisionArgs),
    /// Have a member give up what it waits to remove: its files come back there, all its other work goes on.
    #[command(after_help = "Example:\n  fl0wfs hub guard discard notes laptop")]
    Discard(DecisionArgs),
}

const SET_EXAMPLE: &str = "\
Counted are files, directories and other nodes that end, not saves that rename over a file. A commit that would make it
more in a minute waits, and all that the member does after it; nothing of it is lost, and others go on. The guard is off
unless it is set.

Example:
  fl0wfs hub guard set notes 1000/min
  fl0wfs hub guard set notes off";

#[derive(Debug, Args)]
pub struct DecisionArgs {
    #[arg(value_parser = space_name)]
    pub space: SpaceName,
    #[arg(value_parser = member_name)]
    pub member: MemberName,
    #[command(flatten)]
    pub data: DataArg,
}

/// What a space is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(pub Option<Rate>);

fn rate_or_default(text: &str) -> Result<Setting, String> {
    if text == "default" { Ok(Setting(None)) } else { rate(text).map(|rate| Setting(Some(rate))) }
}

/// Reads `1000/min` or `off`.
pub fn rate(text: &str) -> Result<Rate, String> {
    if text == "off" {
        return Ok(Rate::Any);
    }
    let number = text.strip_suffix("/min").and_then(|number| number.parse().ok());
    number.map(Rate::PerMinute).ok_or_else(|| format!("{text:?} is no rate; write it as in 1000/min, or off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_minute_or_off() {
        assert_eq!(rate("1000/min"), Ok(Rate::PerMinute(1000)));
        assert_eq!(rate("off"), Ok(Rate::Any));
        assert_eq!(rate_or_default("default"), Ok(Setting(None)));
        for bad in ["", "1000", "/min", "-1/min", "1/h", "x/min", "99999999999/min", "default"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
