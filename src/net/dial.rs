//! The dialing side.

use super::closing::{Closed, printable};
use super::connection::Connection;
use super::identity::Identity;
use super::key::Fingerprint;
use super::probe::{self, unspecified};
use super::{tls, transport};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, EndpointConfig};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::{io, time::Duration};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// An address that has not answered by then gets company from the next one.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Connects to hubs, showing one identity.
#[derive(Clone, Debug)]
pub struct Dialer {
    identity: Identity,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("there is no host called {host}: {detail}")]
    NotFound { host: String, detail: String },
    #[error("{to} cannot be reached: {detail}")]
    Unreachable { to: String, detail: String },
    #[error("{to} did not answer within {} s", after.as_secs_f32())]
    TimedOut { to: String, after: Duration },
    /// Another hub stands there, or somebody is in between.
    #[error("the hub's key is not the expected one: expected {expected}, found {found}")]
    WrongHubKey { expected: Fingerprint, found: Fingerprint },
    #[error("{to} refused the connection: {detail}")]
    Refused { to: String, detail: String },
    #[error("no network socket can be opened: {0}")]
    Local(#[source] io::Error),
}

impl ConnectError {
    /// With several addresses the error that came closest to a connection tells most.
    fn closeness(&self) -> u8 {
        match self {
            ConnectError::WrongHubKey { .. } => 4,
            ConnectError::Refused { .. } => 3,
            ConnectError::TimedOut { .. } => 2,
            ConnectError::Unreachable { .. } => 1,
            ConnectError::NotFound { .. } | ConnectError::Local(_) => 0,
        }
    }
}

impl Dialer {
    pub fn new(identity: &Identity) -> Dialer {
        Dialer { identity: identity.clone() }
    }

    /// Connects to the hub at `host` whose key has fingerprint `hub`, trying all addresses the name has.
    ///
    /// # Errors
    /// [`ConnectError`], after `deadline` at the latest.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        hub: Fingerprint,
        deadline: Duration,
    ) -> Result<Connection, ConnectError> {
        let to = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let connecting = async {
            let addresses = look_up(host, port, &to).await?;
            self.connect_any(addresses, hub, &to).await
        };
        match timeout(deadline, connecting).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::TimedOut { to, after: deadline }),
        }
    }

    /// Tries one address after the other without waiting long for any; the first connection wins.
    async fn connect_any(
        &self,
        mut addresses: VecDeque<SocketAddr>,
        hub: Fingerprint,
        to: &str,
    ) -> Result<Connection, ConnectError> {
        let mut attempts = JoinSet::new();
        let mut errors = Vec::new();
        while let Some(address) = addresses.pop_front() {
            let attempt = Attempt { identity: self.identity.clone(), hub, to: to.to_owned(), address };
            attempts.spawn(attempt.run());
            let patience = if addresses.is_empty() { Duration::MAX } else { NEXT_ADDRESS_AFTER };
            tokio::select! {
                connection = first_success(&mut attempts, &mut errors) => {
                    if let Some(connection) = connection {
                        return Ok(connection);
                    }
                }
                () = sleep(patience) => {}
            }
        }
        let nothing =
            || ConnectError::NotFound { host: to.to_owned(), detail: "it has no address".to_owned() };
        Err(errors.into_iter().max_by_key(ConnectError::closeness).unwrap_or_else(nothing))
    }
}

/// Waits until an attempt succeeds; None once all have failed.
async fn first_success(
    attempts: &mut JoinSet<Result<Connection, ConnectError>>,
    errors: &mut Vec<ConnectError>,
) -> Option<Connection> {
    loop {
        match attempts.join_next().await? {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(error)) => errors.push(error),
            Err(error) => errors.push(ConnectError::Local(io::Error::other(error))),
        }
    }
}

async fn look_up(host: &str, port: u16, to: &str) -> Result<VecDeque<SocketAddr>, ConnectError> {
    let error = match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => {
            let mut seen = VecDeque::new();
            addresses.for_each(|address| {
                if !seen.contains(&address) {
                    seen.push_back(address)
                }
            });
            return Ok(seen);
        }
        Err(error) => error,
    };
    let detail = error.to_string();
    // The resolver's word for "nobody to ask": the machine is offline, the name may be right.
    if detail.contains("Temporary failure") {
        return Err(ConnectError::Unreachable { to: to.to_owned(), detail });
    }
    Err(ConnectError::NotFound { host: host.to_owned(), detail })
}

/// One connection attempt to one address.
struct Attempt {
    identity: Identity,
    hub: Fingerprint,
    to: String,
    address: SocketAddr,
}

impl Attempt {
    async fn run(self) -> Result<Connection, ConnectError> {
        let (crypto, wrong) = tls::client_config(&self.identity, self.hub);
        let local = |error| ConnectError::Local(io::Error::other(error));
        let crypto = QuicClientConfig::try_from(crypto).map_err(|error| local(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport::dialing()));
        let here = unspecified(self.address);
        let endpoint = transport::endpoint(here, EndpointConfig::default(), None);
        let endpoint = endpoint.map_err(ConnectError::Local)?;
        // The name is not sent and not looked at: the key alone decides.
        let connecting = endpoint.connect_with(config, self.address, "hub");
        let connecting = connecting.map_err(|error| self.unreachable(error.to_string()))?;
        let connection = tokio::select! {
            connection = connecting => connection,
            error = probe::unreachable(self.address) => return Err(self.unreachable(error.to_string())),
        };
        let found = *wrong.lock();
        match (connection, found) {
            (Ok(connection), _) => Connection::new(connection, Some(endpoint))
                .ok_or_else(|| self.refused("it has shown no key".to_owned())),
            (Err(_), Some(found)) => Err(ConnectError::WrongHubKey { expected: self.hub, found }),
            (Err(error), None) => Err(self.failed(error)),
        }
    }

    fn failed(self, error: ConnectionError) -> ConnectError {
        match error {
            ConnectionError::TimedOut => ConnectError::TimedOut { to: self.to, after: transport::DEAD_AFTER },
            ConnectionError::ConnectionClosed(close) => {
                let detail = format!("{} {}", close.error_code, printable(&close.reason));
                self.refused(detail.trim_end().to_owned())
            }
            other => self.refused(Closed::from(other).to_string()),
        }
    }

    fn refused(&self, detail: String) -> ConnectError {
        ConnectError::Refused { to: self.to.clone(), detail }
    }

    fn unreachable(&self, detail: String) -> ConnectError {
        ConnectError::Unreachable { to: self.to.clone(), detail }
    }
}
