//! `fl0wfs remote`: the hubs this device knows.

use super::args::RemoteCommand;
use super::failure::{CliError, Exit};
use super::output;
use crate::member::config::{Home, RemoteConfig, RemoteName};
use crate::member::mounts::MountRecord;
use serde_json::json;

pub fn run(command: &RemoteCommand) -> Result<Exit, CliError> {
    let home = Home::from_environment()?;
    match command {
        RemoteCommand::List { json } => list(&home, *json),
        RemoteCommand::Remove { remote } => remove(&home, remote),
    }
}

fn list(home: &Home, as_json: bool) -> Result<Exit, CliError> {
    for (name, config) in home.list_remotes()? {
        if as_json {
            output::line(&to_json(&name, &config).to_string())?;
            continue;
        }
        let (host, port, hub) = (&config.host, config.port, config.hub.to_string());
        output::line(&format!("{name}  {host} port {port}, hub key {}", &hub[..12]))?;
        for (space, joined) in &config.spaces {
            output::line(&format!("  {name}:{space} as {} ({})", joined.member, joined.role))?;
        }
    }
    Ok(Exit::Done)
}

fn to_json(name: &RemoteName, config: &RemoteConfig) -> serde_json::Value {
    let spaces = config.spaces.iter().map(
        |(space, joined)| json!({ "space": space, "member": joined.member, "role": joined.role.to_string() }),
    );
    json!({
        "remote": name,
        "host": config.host,
        "port": config.port,
        "hub": config.hub.to_string(),
        "spaces": spaces.collect::<Vec<_>>(),
    })
}

fn remove(home: &Home, remote: &RemoteName) -> Result<Exit, CliError> {
    let mounted = MountRecord::list(home)?.into_iter().find(|r| r.remote == *remote && r.is_alive(home));
    if let Some(MountRecord { remote, space, mount_point, pid, .. }) = mounted {
        return Err(CliError::SpaceMounted { space: format!("{remote}:{space}"), mount_point, pid });
    }
    home.remove_remote(remote)?;
    Ok(Exit::Done)
}
