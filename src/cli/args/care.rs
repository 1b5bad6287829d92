//! Arguments of the commands that look after what a hub keeps.

use super::duration;
use super::hub::{DataArg, space_name};
use crate::model::SpaceName;
use crate::sync::hub::Keep;
use clap::Args;

pub const GC_EXAMPLE: &str = "\
Removed are contents that nothing needs: no file there is now, no version that the rule keeps, no open conflict, no
upload under way. History, with its names, times and MD5s, stays for ever. Nothing is ever removed without this
command, and members may go on working meanwhile.

Example:
  fl0wfs hub gc notes --keep 30d --dry-run
  fl0wfs hub gc --keep 10-versions";

pub const VERIFY_EXAMPLE: &str = "\
Looked at are the log, all that follows from it, and every chunk of every version that is kept. Members may go on
working meanwhile. It needs room for the space's rows once more, beside the data. The exit code is 1 where something
is wrong and not repaired.

Example:
  fl0wfs hub verify notes
  fl0wfs hub verify --repair --json";

#[derive(Debug, Args)]
pub struct GcArgs {
    /// One space [default: all].
    #[arg(value_parser = space_name)]
    pub space: Option<SpaceName>,
    /// What to keep of replaced and removed contents: 30d keeps what was current within 30 days, 10-versions the 10
    /// newest of each file (a removal counts as one), all keeps all that is in history.
    #[arg(long, value_name = "RULE", default_value = "30d", value_parser = keep)]
    pub keep: Keep,
    /// Only say what would be removed.
    #[arg(long)]
    pub dry_run: bool,
    /// One line of JSON per space.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: DataArg,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// One space [default: all].
    #[arg(value_parser = space_name)]
    pub space: Option<SpaceName>,
    /// Ask connected members for chunks that are missing or damaged.
    #[arg(long)]
    pub repair: bool,
    /// One line of JSON per finding, and one per space.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: DataArg,
}

fn keep(text: &str) -> Result<Keep, String> {
    if text == "all" {
        return Ok(Keep::All);
    }
    let bad = || format!("{text:?} is no rule; write it as in 30d, 12h, 10-versions or all");
    match text.strip_suffix("-versions").or_else(|| text.strip_suffix("-version")) {
        Some(count) => match count.parse() {
            Ok(0) => Err("the current version is always kept; the least is 1-version".to_owned()),
            Ok(count) => Ok(Keep::Versions(count)),
            Err(_) => Err(bad()),
        },
        // A bare number might mean either.
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => Err(bad()),
        None => duration(text).map(Keep::For).map_err(|_| bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_rule_is_a_time_or_a_number_of_versions() {
        let day = Duration::from_secs(86_400);
        let good = [
            ("30d", Keep::For(30 * day)),
            ("0s", Keep::For(Duration::ZERO)),
            ("1-version", Keep::Versions(1)),
            ("10-versions", Keep::Versions(10)),
            ("all", Keep::All),
        ];
        for (text, rule) in good {
            assert_eq!(keep(text), Ok(rule), "{text}");
        }
        for bad in ["", "30", "0-versions", "-versions", "x-versions", "1y", "99999999999-versions", "none"] {
            assert!(keep(bad).is_err(), "{bad}");
        }
    }
}
