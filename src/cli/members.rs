//! `fl0wfs hub members`: who is invited, who has joined, who is connected, and how far behind each one is.

use super::args::DataArg;
use super::failure::{CliError, Exit};
use super::hub::{ask, unexpected};
use super::output;
use super::text;
use crate::hub::{AdminRequest, AdminResponse, MemberRow, OpenInvite};
use crate::model::SpaceName;
use jiff::tz::TimeZone;
use serde_json::json;

pub fn run(space: SpaceName, as_json: bool, data: &DataArg) -> Result<Exit, CliError> {
    match ask(data, AdminRequest::Members { space: space.clone() })? {
        AdminResponse::Members(rows) => {
            rows.iter().try_for_each(|row| output::line(&show_member(row, as_json)))?;
        }
        other => return Err(unexpected(&other)),
    }
    match ask(data, AdminRequest::Invites { space })? {
        AdminResponse::Invites(open) => {
            open.iter().try_for_each(|invite| output::line(&show_invite(invite, as_json)))?;
        }
        other => return Err(unexpected(&other)),
    }
    Ok(Exit::Done)
}

fn show_member(row: &MemberRow, as_json: bool) -> String {
    if as_json {
        return json!({
            "member": row.name,
            "number": row.number,
            "role": row.role.to_string(),
            "revoked": row.revoked,
            "device": row.device,
            "connected_since": row.connected_since.map(text::rfc3339),
            "sequence": row.position,
            "behind": row.behind,
            "held_since": row.held_since.map(text::rfc3339),
        })
        .to_string();
    }
    let since = |time| text::clock(time, text::now(), &TimeZone::system());
    let standing = match (row.revoked, row.number, row.connected_since) {
        (true, _, _) => "revoked".to_owned(),
        (false, None, _) => "joined, never mounted".to_owned(),
        (false, Some(_), None) => "not connected".to_owned(),
        (false, Some(_), Some(time)) => format!("connected since {}", since(time)),
    };
    let progress = if row.revoked || row.number.is_none() { String::new() } else { progress(row) };
    let held = row.held_since.map(|time| format!(", held by the guard since {}", since(time)));
    format!("{}  {}  {standing}{progress}{}", row.name, row.role, held.unwrap_or_default())
}

fn progress(row: &MemberRow) -> String {
    let at = row.position.map_or_else(|| "nothing applied".to_owned(), |at| format!("at sequence {at}"));
    if row.behind == 0 {
        return format!(", {at}, up to date");
    }
    format!(", {at}, {} behind", text::count(row.behind, "commit", "commits"))
}

fn show_invite(invite: &OpenInvite, as_json: bool) -> String {
    if as_json {
        return json!({
            "invite": invite.id,
            "role": invite.role.to_string(),
            "uses_left": invite.uses_left,
            "until": text::rfc3339(invite.until),
        })
        .to_string();
    }
    let until = text::clock(invite.until, text::now(), &TimeZone::system());
    let uses = text::count(u64::from(invite.uses_left), "device", "devices");
    format!("invite {}  {}  good for {uses} until {until}", invite.id, invite.role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, MemberNumber, Role, Sequence, Timestamp};

    fn row() -> MemberRow {
        MemberRow {
            name: MemberName::new("laptop").unwrap(),
            number: Some(MemberNumber(2)),
            role: Role::Writer,
            revoked: false,
            device: "abc".into(),
            connected_since: None,
            position: Some(Sequence(5)),
            behind: 3,
            held_since: None,
        }
    }

    #[test]
    fn who_is_member_invited_connected_or_revoked_is_told_apart() {
        assert_eq!(
            show_member(&row(), false),
            "laptop  writer  not connected, at sequence 5, 3 commits behind"
        );
        let joined = MemberRow { number: None, position: None, ..row() };
        assert_eq!(show_member(&joined, false), "laptop  writer  joined, never mounted");
        let revoked = MemberRow { revoked: true, ..row() };
        assert_eq!(show_member(&revoked, false), "laptop  writer  revoked");
        let connected = MemberRow { connected_since: Some(text::now()), behind: 0, ..row() };
        let shown = show_member(&connected, false);
        assert!(
            shown.contains("connected since ") && shown.ends_with(", at sequence 5, up to date"),
            "{shown}"
        );
        let invite = OpenInvite {
            id: "00ff00ff".into(),
            role: Role::Reader,
            uses_left: 2,
            until: Timestamp { seconds: 86_400 * 365, nanos: 0 },
        };
        let shown = show_invite(&invite, false);
        assert!(shown.starts_with("invite 00ff00ff  reader  good for 2 devices until 1971-01-01"), "{shown}");
    }

    #[test]
    fn json_rows_are_one_line_with_stable_names() {
        let line = show_member(&row(), true);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((json["member"].as_str(), json["behind"].as_u64()), (Some("laptop"), Some(3)));
        assert!(!line.contains('\n'));
    }
}
