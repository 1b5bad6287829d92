//! What an administrator asks of a hub, running or not, and the answers.

use super::care::CareRequest;
use super::clock::now;
use super::findings::VerifyReport;
use super::gc::GcReport;
use super::guarding::{GuardReport, GuardRequest, guard};
use super::quota::{QuotaRequest, quota};
use super::roster::{MemberRow, OpenInvite, invites, members};
use crate::model::{MemberName, MemberNumber, Quota, Role, Sequence, SpaceName, Timestamp};
use crate::net::{Fingerprint, Invite, Token};
use crate::sync::hub::{Device, HubSync, Invitation, TokenHash};
use crate::sync::{Kv, Txn};
use crate::wire::{HistoryOf, HistoryPage, OpPlace};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A request, as it goes over the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminRequest {
    SpaceCreate {
        space: SpaceName,
    },
    SpaceList,
    SpaceRemove {
        space: SpaceName,
    },
    Invite {
        space: SpaceName,
        role: Role,
        uses: u32,
        ttl: Duration,
        /// Where members reach the hub; None lets the hub say what it knows.
        host: Option<String>,
    },
    Members {
        space: SpaceName,
    },
    Invites {
        space: SpaceName,
    },
    Revoke {
        space: SpaceName,
        member: MemberName,
    },
    Log {
        space: SpaceName,
        of: HistoryOf,
        before: Option<OpPlace>,
        limit: u32,
    },
    Care(CareRequest),
    Guard {
        space: SpaceName,
        request: GuardRequest,
    },
    Quota {
        space: SpaceName,
        request: QuotaRequest,
    },
}

/// The answer to an [`AdminRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminResponse {
    Done,
    Spaces(Vec<SpaceRow>),
    Invite {
        url: String,
        /// The host in the URL is this machine's name or what it listened on, not what the administrator said.
        host_assumed: bool,
    },
    Members(Vec<MemberRow>),
    Invites(Vec<OpenInvite>),
    Log(HistoryPage),
    Collected(Vec<GcReport>),
    Verified(Vec<VerifyReport>),
    Guard(GuardReport),
    /// None where nothing limits the space.
    Quota(Option<Quota>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceRow {
    pub name: SpaceName,
    pub created: Timestamp,
    /// The last sequence of its log.
    pub head: Option<Sequence>,
    pub members: u32,
}

/// Why a request cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AdminError {
    #[error("there is no space {0}; `fl0wfs hub space list` shows those there are")]
    NoSuchSpace(SpaceName),
    #[error("there is a space {0} already")]
    SpaceExists(SpaceName),
    #[error("nobody in space {space} is called {member}; `fl0wfs hub members {space}` shows who is")]
    NoSuchMember { space: SpaceName, member: MemberName },
    #[error(
        "{member} is not held by the guard of space {space}; `fl0wfs hub guard list {space}` shows who is"
    )]
    NotHeld { space: SpaceName, member: MemberName },
    /// It says what, in which space or file.
    #[error("{0}; nothing more was removed")]
    Damaged(String),
    #[error("all that space {0} keeps is being looked at already; try again later")]
    Busy(SpaceName),
    #[error("{0}")]
    Invalid(String),
    #[error("the hub's disk is full")]
    Full,
    #[error("the hub stops")]
    Stopping,
    #[error("{0}")]
    Failed(String),
}

/// What requests about one space need to know of the hub.
#[derive(Clone, Debug)]
pub struct AdminContext {
    pub hub: Fingerprint,
    /// Where members reach it, as far as it knows.
    pub host: HostPort,
    /// Where something may be made and removed that is as large as a space's rows.
    pub scratch: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

/// An answer, and the device to cut off when it has been written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub response: AdminResponse,
    pub cut: Option<Device>,
    /// Members whose work was held are to send it again.
    pub again: bool,
}

impl From<AdminResponse> for Done {
    fn from(response: AdminResponse) -> Done {
        Done { response, cut: None, again: false }
    }
}

impl AdminRequest {
    /// The one space the request is about; None where it is about which spaces there are.
    pub fn within_space(&self) -> Option<&SpaceName> {
        match self {
            AdminRequest::SpaceCreate { .. }
            | AdminRequest::SpaceRemove { .. }
            | AdminRequest::SpaceList
            | AdminRequest::Care(_) => None,
            AdminRequest::Invite { space, .. }
            | AdminRequest::Members { space }
            | AdminRequest::Invites { space }
            | AdminRequest::Revoke { space, .. }
            | AdminRequest::Guard { space, .. }
            | AdminRequest::Quota { space, .. }
            | AdminRequest::Log { space, .. } => Some(space),
        }
    }
}

/// Fulfils a request about one space. `connected` tells since when a member is.
pub fn administer<K: Kv + ?Sized>(
    hub: &HubSync,
    txn: &mut Txn<K>,
    request: AdminRequest,
    context: &AdminContext,
    connected: &dyn Fn(MemberNumber) -> Option<Timestamp>,
) -> Result<Done, AdminError> {
    match request {
        AdminRequest::Invite { space, role, uses, ttl, host } => {
            let place = place(host.as_deref(), context)?;
            let grant = Invitation { role, uses, expiry: expiry(ttl)? };
            let token = Token::generate();
            hub.invite(txn, TokenHash(token.hash().0), grant);
            let invite = Invite { host: place.host, port: place.port, space, hub: context.hub, token };
            let url = invite.to_string();
            // Only what reads back is handed out.
            url.parse::<Invite>().map_err(|error| AdminError::Invalid(error.to_string()))?;
            Ok(AdminResponse::Invite { url, host_assumed: host.is_none() }.into())
        }
        AdminRequest::Members { .. } => Ok(AdminResponse::Members(members(hub, txn, connected)).into()),
        AdminRequest::Invites { .. } => Ok(AdminResponse::Invites(invites(hub, txn, now())).into()),
        AdminRequest::Revoke { space, member } => match hub.revoke(txn, &member) {
            Some(device) => Ok(Done { response: AdminResponse::Done, cut: Some(device), again: false }),
            None => Err(AdminError::NoSuchMember { space, member }),
        },
        AdminRequest::Log { of, before, limit, .. } => {
            Ok(AdminResponse::Log(hub.log_of(txn, &of, before, limit)).into())
        }
        AdminRequest::Guard { space, request } => guard(hub, txn, space, request),
        AdminRequest::Quota { request, .. } => Ok(quota(hub, txn, request)),
        AdminRequest::SpaceCreate { .. }
        | AdminRequest::SpaceList
        | AdminRequest::SpaceRemove { .. }
        | AdminRequest::Care(_) => {
            Err(AdminError::Failed("this request is about no single space".to_owned()))
        }
    }
}

fn expiry(ttl: Duration) -> Result<Timestamp, AdminError> {
    let now = now();
    let seconds = i64::try_from(ttl.as_secs()).ok().and_then(|ttl| now.seconds.checked_add(ttl));
    let seconds = seconds.filter(|_| ttl.as_secs() > 0);
    seconds
        .map(|seconds| Timestamp { seconds, ..now })
        .ok_or_else(|| AdminError::Invalid("an invite must be good for at least a second".to_owned()))
}

/// The host and port that go into an invite: what the administrator says, the port added where it is missing.
fn place(said: Option<&str>, context: &AdminContext) -> Result<HostPort, AdminError> {
    let Some(said) = said else { return Ok(context.host.clone()) };
    let invalid = || AdminError::Invalid(format!("{said:?} is not HOST:PORT"));
    if let Ok(address) = said.parse::<std::net::IpAddr>() {
        return Ok(HostPort { host: address.to_string(), port: context.host.port });
    }
    let (host, port) = match said.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| invalid())?),
        None => (said, context.host.port),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || port == 0 { Err(invalid()) } else { Ok(HostPort { host: host.to_owned(), port }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PublicKey;

    #[test]
    fn the_host_of_an_invite_is_what_was_said_with_the_port_added() {
        let host = HostPort { host: "here".into(), port: 4733 };
        let context = AdminContext {
            hub: PublicKey([1; 32]).fingerprint(),
            host: host.clone(),
            scratch: PathBuf::new(),
        };
        let at = |host: &str, port| Ok(HostPort { host: host.into(), port });
        assert_eq!(place(None, &context), Ok(host));
        assert_eq!(place(Some("hub.example.org:99"), &context), at("hub.example.org", 99));
        assert_eq!(place(Some("hub.example.org"), &context), at("hub.example.org", 4733));
        assert_eq!(place(Some("[::1]:99"), &context), at("::1", 99));
        assert_eq!(place(Some("::1"), &context), at("::1", 4733));
        for bad in ["", ":99", "a:b", "a:0", "a:70000"] {
            assert!(matches!(place(Some(bad), &context), Err(AdminError::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn an_invite_that_ends_at_once_is_not_given() {
        assert!(expiry(Duration::ZERO).is_err());
        assert!(expiry(Duration::MAX).is_err());
        assert!(expiry(Duration::from_secs(60)).unwrap() > now());
    }
}
