//! What an administrator asks of a space's quota.

use super::admin::{AdminResponse, Done};
use crate::sync::hub::HubSync;
use crate::sync::{Kv, Txn};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuotaRequest {
    Set {
        /// In bytes; None is no limit.
        limit: Option<u64>,
    },
    Show,
}

pub(super) fn quota<K: Kv + ?Sized>(hub: &HubSync, txn: &mut Txn<K>, request: QuotaRequest) -> Done {
    match request {
        QuotaRequest::Set { limit } => {
            hub.set_quota(txn, limit);
            AdminResponse::Done.into()
        }
        QuotaRequest::Show => AdminResponse::Quota(hub.quota(txn)).into(),
    }
}
