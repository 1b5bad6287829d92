//! `fl0wfs hub`: running a hub, and looking after one that runs or not.

use super::args::{DataArg, HubCommand, InviteArgs, SpaceCommand};
use super::collect;
use super::failure::{CliError, Exit};
use super::guard;
use super::log_file;
use super::members;
use super::output;
use super::quota;
use super::text;
use super::verify;
use crate::hub::{AdminRequest, AdminResponse, DEFAULT_PORT, ServeOptions, SpaceRow, admin, serve};
use crate::member::config::Home;
use crate::model::SpaceName;
use crate::sync::hub::Rate;
use jiff::tz::TimeZone;
use serde_json::json;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

pub fn run(command: HubCommand) -> Result<Exit, CliError> {
    match command {
        HubCommand::Serve { data, listen, guard } => run_hub(&data, listen, guard),
        HubCommand::Space(arguments) => space(arguments.command),
        HubCommand::Invite(arguments) => invite(arguments),
        HubCommand::Members { space, json, data } => members::run(space, json, &data),
        HubCommand::Gc(arguments) => collect::run(arguments),
        HubCommand::Verify(arguments) => verify::run(arguments),
        HubCommand::Guard(arguments) => guard::run(arguments.command),
        HubCommand::Quota(arguments) => quota::run(arguments.command),
        HubCommand::Revoke { space, member, data } => {
            ask(&data, AdminRequest::Revoke { space, member })?;
            Ok(Exit::Done)
        }
    }
}

fn run_hub(data: &DataArg, listen: Option<SocketAddr>, guard: Rate) -> Result<Exit, CliError> {
    log_file::to_stderr();
    let options = ServeOptions {
        data: directory(data)?,
        listen: listen.unwrap_or_else(default_address),
        guard,
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

pub(super) fn ask(data: &DataArg, request: AdminRequest) -> Result<AdminResponse, CliError> {
    let directory = directory(data)?;
    // Whoever only asks, or has mistyped the directory, makes no hub.
    if !matches!(request, AdminRequest::SpaceCreate { .. }) && !directory.exists() {
        return Err(CliError::Answered {
            message: format!("there is no hub's data in {}", directory.display()),
            hint: Some("--data says where it is; `fl0wfs hub space create` makes one there".into()),
            exit: Exit::Failed,
        });
    }
    Ok(admin(&directory, request)?)
}

/// The space that was named, or all there are.
pub(super) fn named_or_all(space: Option<SpaceName>, data: &DataArg) -> Result<Vec<SpaceName>, CliError> {
    match space {
        Some(space) => Ok(vec![space]),
        None => match ask(data, AdminRequest::SpaceList)? {
            AdminResponse::Spaces(rows) => Ok(rows.into_iter().map(|row| row.name).collect()),
            other => Err(unexpected(&other)),
        },
    }
}

pub(super) fn unexpected(response: &AdminResponse) -> CliError {
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
