//! TLS for the server's own socket. Reads the certificate again when its files change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::support::lock;
use crate::web::error::ServeError;

/// The shortest time between two checks of the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The two files, and the acceptor that was made from them. `Debug` and errors name the files and never show their content.
pub(super) struct Tls {
    certificate: PathBuf,
    private_key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    versions: Versions,
    checked: Instant,
}

/// The time of the last change and the length of each file.
type Versions = [Option<(SystemTime, u64)>; 2];

impl Tls {
    pub(super) fn new(certificate: &Path, private_key: &Path) -> Result<Self, ServeError> {
        // Read before the files, so that the next check finds a change in between.
        let versions = [certificate, private_key].map(version);
        let acceptor = load(certificate, private_key)?;
        let current = Mutex::new(Current { acceptor, versions, checked: Instant::now() });
        Ok(Self { certificate: certificate.into(), private_key: private_key.into(), current })
    }

    /// Returns the acceptor for a client. Checks the two files at most once a second, and reads a few kilobytes if they have
    /// changed.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = lock(&self.current);
        if current.checked.elapsed() >= CHECK_INTERVAL {
            current.checked = Instant::now();
            let versions = [&*self.certificate, &*self.private_key].map(version);
            if versions != current.versions {
                current.versions = versions;
                match load(&self.certificate, &self.private_key) {
                    Ok(acceptor) => {
                        current.acceptor = acceptor;
                        tracing::info!(certificate = %self.certificate.display(), "the certificate was read again");
                    }
                    Err(error) => {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::error!(%error, cause, "the changed certificate cannot be used; the old one stays in use");
                    }
                }
            }
        }
        current.acceptor.clone()
    }
}

fn version(path: &Path) -> Option<(SystemTime, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

fn load(certificate: &Path, private_key: &Path) -> Result<TlsAcceptor, ServeError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| problem(certificate, "certificate", error))?;
    if chain.is_empty() {
        return Err(problem(certificate, "certificate", pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(|error| problem(private_key, "private key", error))?;
    // Explicit, because there is no default if a program contains more than one provider.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| ServeError::TlsPair { problem: error.to_string() })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Drops the parser's message, which may quote a line of the file, and so a secret.
fn problem(path: &Path, wanted: &'static str, error: pem::Error) -> ServeError {
    match error {
        pem::Error::Io(source) => ServeError::TlsFile { path: path.into(), source },
        _ => ServeError::TlsContent { path: path.into(), wanted },
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
