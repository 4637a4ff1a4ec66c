//! TLS of servers, which fails closed: without it a server listens on loopback alone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::{Error, Result};

/// Reads a chain of certificates and its key, both in PEM. `protocols` are the names of ALPN that are spoken.
///
/// # Errors
/// Files that cannot be read or do not go together.
pub fn tls_acceptor(certificates: &Path, key: &Path, protocols: &[&str]) -> Result<TlsAcceptor> {
    acceptor(certificates, key, None, protocols)
}

/// Reads the same for a server that asks its clients for certificates, which must be signed by those of `authority`.
///
/// # Errors
/// As [`tls_acceptor`].
pub fn mutual_tls_acceptor(
    certificates: &Path,
    key: &Path,
    authority: &Path,
    protocols: &[&str],
) -> Result<TlsAcceptor> {
    acceptor(certificates, key, Some(authority), protocols)
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::usage(format!("{}: {error}", path.display())).with_hint("certificates and keys are in files in PEM")
}

/// Reads a chain of certificates, and the key of its first.
fn pair(certificates: &Path, key: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    Ok((chain(certificates)?, secret))
}

fn chain(certificates: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| failed(certificates, &error))?;
    if chain.is_empty() {
        return Err(failed(certificates, &"no certificate in it"));
    }
    Ok(chain)
}

fn roots(authority: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(authority)? {
        roots.add(certificate).map_err(|error| failed(authority, &error))?;
    }
    Ok(roots)
}

fn acceptor(certificates: &Path, key: &Path, authority: Option<&Path>, protocols: &[&str]) -> Result<TlsAcceptor> {
    let (chain, secret) = pair(certificates, key)?;
    // The provider is named: the program has two, and none of them is the default.
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)?), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| failed(authority, &error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, secret).map_err(|error| failed(certificates, &error))?;
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Reads what a client needs: the certificates that those of servers are signed by, and a certificate of its own with its key, all in PEM.
///
/// # Errors
/// Files that cannot be read or do not go together.
pub fn tls_connector(authority: &Path, own: Option<(&Path, &Path)>, protocols: &[&str]) -> Result<TlsConnector> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots(authority)?);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let (chain, secret) = pair(certificates, key)?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| failed(certificates, &error))?
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Refuses to let others than this machine ask in plain text, or without saying who they are.
///
/// # Errors
/// An address beyond loopback without TLS or without users.
pub fn require_safe(address: SocketAddr, has_tls: bool, has_users: bool) -> Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let (missing, hint) = match (has_tls, has_users) {
        (true, true) => return Ok(()),
        (false, _) => ("TLS", "name a certificate with ⟨tls-cert⟩ and ⟨tls-key⟩, or listen on 127.0.0.1"),
        (true, false) => ("users", "name a file of users with ⟨users⟩ (sessionlake user add), or listen on 127.0.0.1"),
    };
    Err(Error::usage(format!("{address} is reached from other machines, and there is no {missing}")).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_and_unknown_callers_are_for_loopback_alone() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for local in ["127.0.0.1:5432", "[::1]:0", "127.3.2.1:1"] {
            assert!(require_safe(at(local), false, false).is_ok(), "{local}");
        }
        for far in ["0.0.0.0:5432", "[::]:1", "192.0.2.1:80"] {
            assert!(require_safe(at(far), true, true).is_ok(), "{far}");
            for (tls, users) in [(false, false), (false, true), (true, false)] {
                assert!(require_safe(at(far), tls, users).is_err(), "{far}");
            }
        }
    }
}
