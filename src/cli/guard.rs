//! `fl0wfs hub guard`: how much members may remove at once, and what becomes of who wants to remove more.

use super::args::{DataArg, DecisionArgs, GuardCommand};
use super::failure::{CliError, Exit};
use super::hub::{ask, named_or_all, unexpected};
use super::output;
use super::text;
use crate::hub::{AdminRequest, AdminResponse, GuardReport, GuardRequest};
use crate::model::SpaceName;
use crate::sync::hub::{GuardState, Guarded, Rate};
use jiff::tz::TimeZone;
use serde_json::json;

pub fn run(command: GuardCommand) -> Result<Exit, CliError> {
    match command {
        GuardCommand::Set { space, rate, data } => tell(space, GuardRequest::Set { rate: rate.0 }, &data),
        GuardCommand::List { space, json, data } => list(space, json, &data),
        GuardCommand::Release(DecisionArgs { space, member, data }) => {
            tell(space, GuardRequest::Release { member }, &data)
        }
        GuardCommand::Discard(DecisionArgs { space, member, data }) => {
            tell(space, GuardRequest::Discard { member }, &data)
        }
    }
}

fn tell(space: SpaceName, request: GuardRequest, data: &DataArg) -> Result<Exit, CliError> {
    match ask(data, AdminRequest::Guard { space, request })? {
        AdminResponse::Done => Ok(Exit::Done),
        other => Err(unexpected(&other)),
    }
}

fn list(space: Option<SpaceName>, as_json: bool, data: &DataArg) -> Result<Exit, CliError> {
    for space in named_or_all(space, data)? {
        let request = AdminRequest::Guard { space: space.clone(), request: GuardRequest::List };
        match ask(data, request)? {
            AdminResponse::Guard(report) => {
                lines(&space, &report, as_json).iter().try_for_each(|line| output::line(line))?;
            }
            other => return Err(unexpected(&other)),
        }
    }
    Ok(Exit::Done)
}

fn lines(space: &SpaceName, report: &GuardReport, as_json: bool) -> Vec<String> {
    let rate = match report.rate {
        Rate::Any => "off".to_owned(),
        Rate::PerMinute(most) => format!("{most}/min"),
    };
    let head = match as_json {
        true => json!({ "space": space, "guard": rate }).to_string(),
        false => format!("{space}  {rate}"),
    };
    let members = report.members.iter();
    std::iter::once(head).chain(members.map(|guarded| member_line(space, guarded, as_json))).collect()
}

fn member_line(space: &SpaceName, guarded: &Guarded, as_json: bool) -> String {
    let since = |time| text::clock(time, text::now(), &TimeZone::system());
    let (state, time, removals, words) = match guarded.state {
        GuardState::Held { since: time, removals } => {
            let count = text::count(u64::from(removals), "removal", "removals");
            ("held", Some(time), Some(removals), format!("held since {}: {count} at once", since(time)))
        }
        GuardState::Released { last } => ("released", last, None, "released".to_owned()),
        GuardState::Discarding { .. } => ("discarding", None, None, "is to give up its removals".to_owned()),
        GuardState::Free => ("free", None, None, "free".to_owned()),
    };
    if as_json {
        let time = time.map(text::rfc3339);
        let member = &guarded.name;
        return json!({ "space": space, "member": member, "state": state, "since": time, "removals": removals })
            .to_string();
    }
    format!("{space}  {}  {words}", guarded.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, MemberNumber, Timestamp};

    #[test]
    fn who_is_held_is_listed_with_the_rate() {
        let space = SpaceName::new("notes").unwrap();
        let state = GuardState::Held { since: Timestamp { seconds: 86_400 * 365, nanos: 0 }, removals: 5000 };
        let name = MemberName::new("laptop").unwrap();
        let report = GuardReport {
            rate: Rate::PerMinute(1000),
            members: vec![Guarded { name, number: MemberNumber(1), state }],
        };
        let text = lines(&space, &report, false);
        assert_eq!(text[0], "notes  1000/min");
        assert!(text[1].starts_with("notes  laptop  held since 1971-01-01"), "{}", text[1]);
        assert!(text[1].ends_with(": 5000 removals at once"), "{}", text[1]);
        let json: serde_json::Value = serde_json::from_str(&lines(&space, &report, true)[1]).unwrap();
        assert_eq!((json["state"].as_str(), json["removals"].as_u64()), (Some("held"), Some(5000)));
    }
}
