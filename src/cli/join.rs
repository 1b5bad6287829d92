//! `fl0wfs join`: shows an invite to its hub, and notes down what it was good for.

use super::args::JoinArgs;
use super::failure::{CliError, Exit};
use super::output;
use crate::member::config::{ConfigError, Home, JoinedSpace, RemoteConfig, RemoteName, plain_name};
use crate::model::MemberName;
use crate::net::{CloseCode, Connection, Dialer, Identity, Invite};
use crate::wire::{Enrol, FromHub, Opening, WIRE_FORMAT};
use std::net::IpAddr;
use std::time::Duration;

/// How long the hub may take to be reached, and then to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

pub fn run(arguments: &JoinArgs) -> Result<Exit, CliError> {
    let invite: Invite = arguments.url.parse()?;
    let home = Home::from_environment()?;
    let remote = choose_remote(&home, &invite, arguments.remote.as_ref())?;
    let identity = Identity::load_or_create(&home.device_key())?;
    let wished = arguments.name.clone().unwrap_or_else(default_member_name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let joined = runtime.map_err(CliError::System)?.block_on(enrol(&invite, &identity, wished))?;
    let said = format!(
        "joined {space} as {member} ({role}); mount it with: fl0wfs mount {remote}:{space} DIR",
        space = invite.space,
        member = joined.member,
        role = joined.role
    );
    let config = RemoteConfig {
        host: invite.host,
        port: invite.port,
        hub: invite.hub,
        spaces: [(invite.space, joined)].into(),
    };
    home.add_space(&remote, config)?;
    output::line(&said)?;
    Ok(Exit::Done)
}

/// The name that was asked for; else the one under which this hub is known; else one made from its host. A name
/// that stands for another hub is refused before the invite is spent.
fn choose_remote(home: &Home, invite: &Invite, wished: Option<&RemoteName>) -> Result<RemoteName, CliError> {
    let known = home.list_remotes()?;
    let same_hub = known.iter().find(|(_, config)| config.hub == invite.hub).map(|(name, _)| name);
    let name = match wished.or(same_hub) {
        Some(name) => name.clone(),
        None => default_remote_name(&invite.host),
    };
    match known.iter().find(|(known, _)| *known == name) {
        Some((_, config)) if config.hub != invite.hub => Err(ConfigError::OtherHub(name).into()),
        _ => Ok(name),
    }
}

fn default_remote_name(host: &str) -> RemoteName {
    let is_address = host.parse::<IpAddr>().is_ok();
    let first = host.split('.').next().filter(|_| !is_address).unwrap_or(host);
    RemoteName::new(plain_name(first, "hub")).expect("a plain name is a remote's name")
}

fn default_member_name() -> MemberName {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let first = host.trim().split('.').next().unwrap_or_default();
    MemberName::new(plain_name(first, "member")).expect("a plain name is a member's name")
}

/// Shows the invite's token to the hub, which makes this device's key known in the space.
async fn enrol(invite: &Invite, identity: &Identity, name: MemberName) -> Result<JoinedSpace, CliError> {
    let dialer = Dialer::new(identity);
    let connection = dialer.connect(&invite.host, invite.port, invite.hub, CONNECT_DEADLINE).await?;
    let token = invite.token.as_bytes().to_vec();
    let enrol = Enrol { format: WIRE_FORMAT, space: invite.space.clone(), token, name };
    let answer = tokio::time::timeout(ANSWER_DEADLINE, converse(&connection, enrol)).await;
    let answer = answer.unwrap_or_else(|_| Err(CliError::Conversation("the hub did not answer".to_owned())));
    connection.close(CloseCode::Done, "enrolled");
    match answer? {
        FromHub::Enrolled { name, role, .. } => Ok(JoinedSpace { member: name, role }),
        FromHub::Refused { reason, detail } => Err(CliError::HubRefused { reason, detail }),
        _ => Err(CliError::Conversation("the hub answered something else than was asked".to_owned())),
    }
}

async fn converse(connection: &Connection, enrol: Enrol) -> Result<FromHub, CliError> {
    let broken = |error: &dyn std::fmt::Display| CliError::Conversation(error.to_string());
    let (mut sender, mut receiver) = connection.open_control().await.map_err(|error| broken(&error))?;
    sender.send_message(&Opening::Enrol(enrol)).await.map_err(|error| broken(&error))?;
    let answer = receiver.receive_message("answer of the hub").await.map_err(|error| broken(&error))?;
    answer.ok_or_else(|| CliError::Conversation("the hub said nothing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, SpaceName};
    use crate::net::{PublicKey, Token};
    use std::path::Path;

    fn invite(host: &str, hub: u8) -> Invite {
        Invite {
            host: host.to_owned(),
            port: 4733,
            space: SpaceName::new("notes").unwrap(),
            hub: PublicKey([hub; 32]).fingerprint(),
            token: Token::generate(),
        }
    }

    fn know(home: &Home, name: &str, hub: u8) {
        let joined = JoinedSpace { member: default_member_name(), role: Role::Writer };
        let spaces = [(SpaceName::new("old").unwrap(), joined)].into();
        let config = RemoteConfig { host: "h".into(), port: 1, hub: invite("h", hub).hub, spaces };
        home.add_space(&RemoteName::new(name).unwrap(), config).unwrap();
    }

    #[test]
    fn a_remote_is_named_after_its_host_unless_told_otherwise() {
        let cases =
            [("hub.example.org", "hub"), ("Büro", "b-ro"), ("192.168.1.7", "192-168-1-7"), ("::1", "1")];
        for (host, name) in cases {
            assert_eq!(default_remote_name(host).as_str(), name);
        }
        assert!(MemberName::new(default_member_name().as_str()).is_ok());
    }

    #[test]
    fn a_hub_that_is_known_keeps_its_name_and_no_name_silently_changes_its_hub() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::under(Path::new(directory.path()));
        know(&home, "work", 1);
        let choose = |host: &str, hub: u8, wished: Option<&str>| {
            let wished = wished.map(|name| RemoteName::new(name).unwrap());
            let chosen = choose_remote(&home, &invite(host, hub), wished.as_ref());
            chosen.map(|name| name.as_str().to_owned())
        };
        assert_eq!(choose("other.org", 1, None).unwrap(), "work");
        assert_eq!(choose("other.org", 1, Some("second")).unwrap(), "second");
        assert_eq!(choose("other.org", 2, None).unwrap(), "other");
        for taken in [choose("work.org", 2, None), choose("other.org", 2, Some("work"))] {
            assert!(matches!(taken, Err(CliError::Config(ConfigError::OtherHub(_)))));
        }
    }
}
