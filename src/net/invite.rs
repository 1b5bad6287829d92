//! Invites as the URL that is passed from hand to hand.

use super::key::{Fingerprint, InvalidFingerprint};
use super::token::{InvalidToken, Token};
use crate::model::{InvalidName, SpaceName};
use std::{fmt, net::Ipv6Addr, str::FromStr};

/// All that a device needs to join a space: `fl0w://HOST:PORT/SPACE?hub=FINGERPRINT&token=TOKEN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
    pub space: SpaceName,
    /// Of the only key that may answer as this hub.
    pub hub: Fingerprint,
    pub token: Token,
}

/// Which part of an invite is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    #[error("an invite begins with fl0w://")]
    Scheme,
    #[error("the invite's host {0:?} is neither a name nor an address")]
    Host(String),
    #[error("the invite's port {0:?} is not a number from 1 to 65535")]
    Port(String),
    #[error("the invite's space {name:?} is not a space name: {reason}")]
    Space { name: String, reason: InvalidName },
    #[error("the invite's hub={0:?} is no key fingerprint: {1}")]
    Hub(String, InvalidFingerprint),
    #[error("the invite's token= is no token: {0}; was the invite cut short?")]
    Token(InvalidToken),
    #[error("the invite has no {0}; was it cut short? (a shell needs quotes around it)")]
    Missing(&'static str),
    #[error("the invite has more than one {0}")]
    Twice(&'static str),
}

const SCHEME: &str = "fl0w://";

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Invite { host, port, space, hub, token } = self;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{SCHEME}{open}{host}{close}:{port}/{space}?hub={hub}&token={token}")
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Invite, InviteError> {
        let text = text.trim();
        let scheme = text.get(..SCHEME.len()).ok_or(InviteError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(InviteError::Scheme);
        }
        let (place, query) = text[SCHEME.len()..].split_once('?').ok_or(InviteError::Missing("hub="))?;
        let (authority, space) = place.split_once('/').ok_or(InviteError::Missing("space"))?;
        let (host, port) = parse_authority(authority)?;
        let space =
            SpaceName::new(space).map_err(|reason| InviteError::Space { name: space.to_owned(), reason })?;
        let hub = parameter(query, "hub=")?;
        let hub = hub.parse().map_err(|reason| InviteError::Hub(hub.to_owned(), reason))?;
        let token = parameter(query, "token=")?.parse().map_err(InviteError::Token)?;
        Ok(Invite { host, port, space, hub, token })
    }
}

fn parse_authority(authority: &str) -> Result<(String, u16), InviteError> {
    let bad_host = || InviteError::Host(authority.to_owned());
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(bad_host)?;
            let address = host.split_once('%').map_or(host, |(address, _interface)| address);
            address.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            (host, port.strip_prefix(':').ok_or(InviteError::Missing("port"))?)
        }
        None => authority.rsplit_once(':').ok_or(InviteError::Missing("port"))?,
    };
    if !plausible_host(host) || (host.contains(':') && !authority.starts_with('[')) {
        return Err(bad_host());
    }
    match port.parse() {
        Ok(number) if number != 0 => Ok((host.to_owned(), number)),
        _ => Err(InviteError::Port(port.to_owned())),
    }
}

/// Keeps out what cannot be looked up and what would not survive in a URL; the look-up decides the rest.
fn plausible_host(host: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    (1..=253).contains(&host.len()) && host.chars().all(plain)
}

fn parameter<'a>(query: &'a str, key: &'static str) -> Result<&'a str, InviteError> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(key));
    let value = values.next().ok_or(InviteError::Missing(key))?;
    if values.next().is_some() { Err(InviteError::Twice(key)) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::super::PublicKey;
    use super::*;

    fn invite(host: &str) -> Invite {
        Invite {
            host: host.to_owned(),
            port: 4711,
            space: SpaceName::new("work").unwrap(),
            hub: PublicKey([3; 32]).fingerprint(),
            token: Token::generate(),
        }
    }

    #[test]
    fn an_invite_reads_back_from_its_url() {
        for host in ["hub.example.org", "127.0.0.1", "::1", "2001:db8::17", "fe80::1%eth0", "büro"] {
            let invite = invite(host);
            assert_eq!(invite.to_string().parse(), Ok(invite.clone()), "{invite}");
        }
        let six = invite("::1");
        assert!(six.to_string().starts_with("fl0w://[::1]:4711/work?hub="));
    }

    #[test]
    fn white_space_around_and_unknown_parameters_do_no_harm() {
        let invite = invite("h");
        let url = format!("  {}&color=blue\n", invite.to_string().replace("fl0w:", "FL0W:"));
        assert_eq!(url.parse(), Ok(invite));
    }

    #[test]
    fn every_fault_is_named_by_its_part() {
        let good = invite("h");
        let url = good.to_string();
        let hub = good.hub.to_string();
        type Is = fn(&InviteError) -> bool;
        let cases: [(String, Is); 15] = [
            ("".into(), |e| matches!(e, InviteError::Scheme)),
            ("http://h:1/s?hub=a&token=b".into(), |e| matches!(e, InviteError::Scheme)),
            ("ééééééé".into(), |e| matches!(e, InviteError::Scheme)),
            (url.replace("h:4711", ":4711"), |e| matches!(e, InviteError::Host(_))),
            (url.replace("h:4711", "a b:4711"), |e| matches!(e, InviteError::Host(_))),
            (url.replace("h:4711", "::1:4711"), |e| matches!(e, InviteError::Host(_))),
            (url.replace("h:4711", "[::z]:4711"), |e| matches!(e, InviteError::Host(_))),
            (url.replace(":4711", ""), |e| matches!(e, InviteError::Missing("port"))),
            (url.replace("4711", "0"), |e| matches!(e, InviteError::Port(_))),
            (url.replace("4711", "65536"), |e| matches!(e, InviteError::Port(_))),
            (url.replace("/work", "/Work"), |e| matches!(e, InviteError::Space { .. })),
            (url.replace(&hub, "xyz"), |e| matches!(e, InviteError::Hub(..))),
            (url[..url.len() - 3].into(), |e| matches!(e, InviteError::Token(_))),
            (url[..url.find('&').unwrap()].into(), |e| matches!(e, InviteError::Missing("token="))),
            (format!("{url}&token=again"), |e| matches!(e, InviteError::Twice("token="))),
        ];
        for (url, expected) in cases {
            let error = url.parse::<Invite>().unwrap_err();
            assert!(expected(&error), "{url}: {error:?}");
        }
    }
}
