//! `fl0wfs hub quota`: how much the files of a space may come to, and what they come to.

use super::args::{DataArg, QuotaCommand};
use super::failure::{CliError, Exit};
use super::hub::{ask, named_or_all, unexpected};
use super::output;
use super::text;
use crate::hub::{AdminRequest, AdminResponse, QuotaRequest};
use crate::model::{Quota, SpaceName};
use serde_json::json;

pub fn run(command: QuotaCommand) -> Result<Exit, CliError> {
    match command {
        QuotaCommand::Set { space, limit, data } => set(space, limit.0, &data),
        QuotaCommand::List { space, json, data } => list(space, json, &data),
    }
}

fn set(space: SpaceName, limit: Option<u64>, data: &DataArg) -> Result<Exit, CliError> {
    match ask(data, AdminRequest::Quota { space, request: QuotaRequest::Set { limit } })? {
        AdminResponse::Done => Ok(Exit::Done),
        other => Err(unexpected(&other)),
    }
}

fn list(space: Option<SpaceName>, as_json: bool, data: &DataArg) -> Result<Exit, CliError> {
    for space in named_or_all(space, data)? {
        let request = AdminRequest::Quota { space: space.clone(), request: QuotaRequest::Show };
        match ask(data, request)? {
            AdminResponse::Quota(quota) => output::line(&line(&space, quota, as_json))?,
            other => return Err(unexpected(&other)),
        }
    }
    Ok(Exit::Done)
}

fn line(space: &SpaceName, quota: Option<Quota>, as_json: bool) -> String {
    if as_json {
        let (limit, used) = quota.map(|quota| (quota.limit_bytes, quota.used_bytes)).unzip();
        return json!({ "space": space, "limit_bytes": limit, "used_bytes": used }).to_string();
    }
    match quota {
        Some(Quota { limit_bytes, used_bytes }) => {
            format!("{space}  {} of {}", text::size(used_bytes), text::size(limit_bytes))
        }
        None => format!("{space}  off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_listed_with_what_it_has_of_what_it_may_have() {
        let space = SpaceName::new("notes").unwrap();
        let quota = Some(Quota { limit_bytes: 20 << 30, used_bytes: 4_404_019 });
        assert_eq!(line(&space, quota, false), "notes  4.2 MiB of 20.0 GiB");
        assert_eq!(line(&space, None, false), "notes  off");
        let json = |quota| serde_json::from_str::<serde_json::Value>(&line(&space, quota, true)).unwrap();
        let expected =
            json!({ "space": "notes", "limit_bytes": 21_474_836_480_u64, "used_bytes": 4_404_019 });
        assert_eq!(json(quota), expected);
        assert_eq!(json(None), json!({ "space": "notes", "limit_bytes": null, "used_bytes": null }));
    }
}
