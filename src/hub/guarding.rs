//! What an administrator asks of the guard against mass deletion.

use super::admin::{AdminError, AdminResponse, Done};
use crate::model::{MemberName, SpaceName};
use crate::sync::hub::{Guarded, HubSync, Rate, Undecided};
use crate::sync::{Kv, Txn};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuardRequest {
    /// None leaves it to what holds for the whole hub.
    Set {
        rate: Option<Rate>,
    },
    List,
    Release {
        member: MemberName,
    },
    Discard {
        member: MemberName,
    },
}

/// What members of a space may remove, and on whom a decision waits or was made a short while ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardReport {
    pub rate: Rate,
    pub members: Vec<Guarded>,
}

pub(super) fn guard<K: Kv + ?Sized>(
    hub: &HubSync,
    txn: &mut Txn<K>,
    space: SpaceName,
    request: GuardRequest,
) -> Result<Done, AdminError> {
    let undecided = |undecided: Undecided, member: MemberName| match undecided {
        Undecided::NoSuchMember => AdminError::NoSuchMember { space: space.clone(), member },
        Undecided::NotHeld => AdminError::NotHeld { space: space.clone(), member },
    };
    match request {
        GuardRequest::Set { rate } => hub.set_guard(txn, rate),
        GuardRequest::List => {
            let report = GuardReport { rate: hub.guard(txn), members: hub.guarded(txn) };
            return Ok(AdminResponse::Guard(report).into());
        }
        GuardRequest::Release { member } => {
            hub.release(txn, &member).map_err(|error| undecided(error, member))?;
        }
        GuardRequest::Discard { member } => {
            hub.discard(txn, &member).map_err(|error| undecided(error, member))?;
        }
    }
    Ok(Done { response: AdminResponse::Done, cut: None, again: true })
}
