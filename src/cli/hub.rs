//! `fl0wfs hub`: running a hub, and looking after one that runs or not.

use super::args::{DataArg, HubCommand, InviteArgs, SpaceCommand};
use super::failure::{CliError, Exit};
use super::log_file;
use super::output;
use super::text;
use crate::hub::{
    AdminRequest, AdminResponse, DEFAULT_PORT, MemberRow, ServeOptions, SpaceRow, admin, serve,
};
use crate::member::config::Home;
use crate::model::SpaceName;
use jiff::tz::TimeZone;
use serde_json::json;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

pub fn run(command: HubCommand) -> Result<Exit, CliError> {
    match command {
        HubCommand::Serve { data, listen } => run_hub(&data, listen),
        HubCommand::Space(arguments) => space(arguments.command),
        HubCommand::Invite(arguments) => invite(arguments),
        HubCommand::Members { space, json, data } => members(space, json, &data),
        HubCommand::Revoke { space, member, data } => {
            ask(&data, AdminRequest::Revoke { space, member })?;
            Ok(Exit::Done)
        }
    }
}

fn run_hub(data: &DataArg, listen: Option<SocketAddr>) -> Result<Exit, CliError> {
    log_file::to_stderr();
    let options = ServeOptions {
        data: directory(data)?,
        listen: listen.unwrap_or_else(default_address),
        // A hub whose starter has gone serves all the same.
        on_ready: Box::new(|address| drop(output::line(&format!("listening on {address}")))),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::System)?.block_on(async {
        let stop = stop_signal().map_err(CliError::System)?;
        serve(options, stop).await?;
        Ok(Exit::Done)
    })
}

/// Ends when somebody asks this process to stop.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// All addresses of both families; of IPv4 alone where the system has no IPv6.
fn default_address() -> SocketAddr {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(),
        Err(_) => (Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into(),
    }
}

fn directory(data: &DataArg) -> Result<PathBuf, CliError> {
    match &data.data {
        Some(directory) => Ok(directory.clone()),
        None => Ok(Home::from_environment()?.hub_data()),
    }
}

fn ask(data: &DataArg, request: AdminRequest) -> Result<AdminResponse, CliError> {
    Ok(admin(&directory(data)?, request)?)
}

fn unexpected(response: &AdminResponse) -> CliError {
    CliError::Answered {
        message: format!("the hub answered something else than was asked: {response:?}"),
        hint: Some("it may be of another version; restart it".into()),
        exit: Exit::Failed,
    }
}

fn space(command: SpaceCommand) -> Result<Exit, CliError> {
    match command {
        SpaceCommand::Create { space, data } => {
            ask(&data, AdminRequest::SpaceCreate { space })?;
        }
        SpaceCommand::Remove { space, data } => {
            ask(&data, AdminRequest::SpaceRemove { space })?;
        }
        SpaceCommand::List { json, data } => match ask(&data, AdminRequest::SpaceList)? {
            AdminResponse::Spaces(spaces) => {
                spaces.iter().try_for_each(|row| output::line(&show_space(row, json)))?;
            }
            other => return Err(unexpected(&other)),
        },
    }
    Ok(Exit::Done)
}

fn show_space(row: &SpaceRow, as_json: bool) -> String {
    if as_json {
        let created = text::rfc3339(row.created);
        return json!({ "space": row.name, "created": created, "sequence": row.head, "members": row.members })
            .to_string();
    }
    let head = row.head.map_or_else(|| "empty".to_owned(), |head| format!("at sequence {head}"));
    let members = text::count(u64::from(row.members), "member", "members");
    let created = text::clock(row.created, text::now(), &TimeZone::system());
    format!("{}  {head}, {members}, made {created}", row.name)
}

fn invite(arguments: InviteArgs) -> Result<Exit, CliError> {
    let InviteArgs { space, role, uses, ttl, host, data } = arguments;
    match ask(&data, AdminRequest::Invite { space, role, uses, ttl, host })? {
        AdminResponse::Invite { url, host_assumed } => {
            output::line(&url)?;
            if host_assumed && output::somebody_watches() {
                output::note(
                    "fl0wfs: the host in it is a guess; --host HOST:PORT says where members reach this hub",
                );
            }
            Ok(Exit::Done)
        }
        other => Err(unexpected(&other)),
    }
}

fn members(space: SpaceName, as_json: bool, data: &DataArg) -> Result<Exit, CliError> {
    match ask(data, AdminRequest::Members { space })? {
        AdminResponse::Members(rows) => {
            rows.iter().try_for_each(|row| output::line(&show_member(row, as_json)))?;
            Ok(Exit::Done)
        }
        other => Err(unexpected(&other)),
    }
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
    let behind = if row.revoked || row.number.is_none() {
        String::new()
    } else if row.behind == 0 {
        ", up to date".to_owned()
    } else {
        format!(", {} behind", text::count(row.behind, "commit", "commits"))
    };
    format!("{}  {}  {standing}{behind}", row.name, row.role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, MemberNumber, Role, Sequence};

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
        }
    }

    #[test]
    fn who_is_member_invited_connected_or_revoked_is_told_apart() {
        assert_eq!(show_member(&row(), false), "laptop  writer  not connected, 3 commits behind");
        let joined = MemberRow { number: None, position: None, ..row() };
        assert_eq!(show_member(&joined, false), "laptop  writer  joined, never mounted");
        let revoked = MemberRow { revoked: true, ..row() };
        assert_eq!(show_member(&revoked, false), "laptop  writer  revoked");
        let connected = MemberRow { connected_since: Some(text::now()), behind: 0, ..row() };
        let shown = show_member(&connected, false);
        assert!(shown.contains("connected since ") && shown.ends_with(", up to date"), "{shown}");
    }

    #[test]
    fn json_rows_are_one_line_with_stable_names() {
        let line = show_member(&row(), true);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((json["member"].as_str(), json["behind"].as_u64()), (Some("laptop"), Some(3)));
        assert!(!line.contains('\n'));
    }
}
