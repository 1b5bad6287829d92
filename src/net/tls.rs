//! TLS 1.3 between raw Ed25519 public keys (RFC 7250): no certificate authority, no names, no resumption.
//!
//! Invariant: a handshake completes only if each side has signed with the key it showed, and on the
//! dialing side only if that key has the expected fingerprint.

use super::identity::Identity;
use super::key::{Fingerprint, PublicKey};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// The protocol's name in the handshake; its number changes when nothing older can be understood.
const ALPN: &[u8] = b"fl0w/1";

/// Where a dialer finds the key that answered, should it have been the wrong one.
pub(super) type WrongKey = Arc<Mutex<Option<Fingerprint>>>;

/// The accepting side: shows `identity`'s key and lets in whoever can sign with the key they show.
pub(super) fn server_config(identity: &Identity) -> rustls::ServerConfig {
    let keys = AlwaysResolvesServerRawPublicKeys::new(certified_key(identity));
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_cert_resolver(Arc::new(keys));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config
}

/// The dialing side: shows `identity`'s key and talks to the key with fingerprint `hub` only.
pub(super) fn client_config(identity: &Identity, hub: Fingerprint) -> (rustls::ClientConfig, WrongKey) {
    let wrong = WrongKey::default();
    let verifier = OneKey { expected: hub, wrong: wrong.clone() };
    let keys = AlwaysResolvesClientRawPublicKeys::new(certified_key(identity));
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(keys));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    (config, wrong)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certified_key(identity: &Identity) -> Arc<CertifiedKey> {
    let pkcs8 = PrivatePkcs8KeyDer::from(identity.pkcs8());
    let key = ring::sign::any_eddsa_type(&pkcs8).expect("an identity holds an Ed25519 key");
    let shown = CertificateDer::from(identity.public_key().to_spki());
    Arc::new(CertifiedKey::new(vec![shown], key))
}

/// Reads the key a peer has shown; there is nothing else it may show.
pub(super) fn shown_key(end_entity: &CertificateDer, others: &[CertificateDer]) -> Option<PublicKey> {
    if others.is_empty() { PublicKey::from_spki(end_entity) } else { None }
}

fn verify_signature(
    message: &[u8],
    shown: &CertificateDer,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
    let algorithms = ring::default_provider().signature_verification_algorithms;
    verify_tls13_signature_with_raw_key(message, &key, signed, &algorithms)
}

/// Only TLS 1.3 is configured, so this is never asked; should it be, the answer is no.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

fn no_key() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

/// Accepts one key.
#[derive(Debug)]
struct OneKey {
    expected: Fingerprint,
    wrong: WrongKey,
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = shown_key(end_entity, intermediates).ok_or_else(no_key)?.fingerprint();
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        *self.wrong.lock() = Some(found);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Accepts every key whose holder signs; what that key may do is decided above this layer.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let key = shown_key(end_entity, intermediates).ok_or_else(no_key);
        key.map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
