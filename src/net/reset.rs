//! Telling members of a hub that was killed that their connections are gone.
//!
//! A hub started anew gets packets of connections it knows nothing of. It answers with a reset that the
//! member recognises as its own hub's, because the token in it follows from the connection's id and the hub's
//! key alone; otherwise the member would wait for its timeout.

use super::identity::Identity;
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use ring::hmac;
use std::sync::Arc;
use std::time::Duration;

/// Sets the purpose of the derived key apart from every other use of the private key.
const PURPOSE: &str = "fl0wfs 2026-11 stateless reset tokens";
const ID_BYTES: usize = 8;

/// An endpoint whose resets the process that follows it can make as well.
pub(super) fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let key = blake3::derive_key(PURPOSE, identity.pkcs8());
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key)));
    config.cid_generator(|| Box::new(AnyId));
    config
}

/// Random ids; unlike quinn's own, those of an earlier process are not taken for garbage.
struct AnyId;

impl ConnectionIdGenerator for AnyId {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id).expect("the system gives random bytes");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
