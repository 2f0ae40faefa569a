//! Errors of a server that cannot start.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "https")]
use std::path::PathBuf;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The text is not an address, or its host has none.
    #[error("cannot resolve `{address}`; write a host and a port, like `127.0.0.1:8000`")]
    Address {
        /// The text.
        address: String,
        /// The error of the system.
        source: io::Error,
    },
    /// Another program listens there, or this one is not permitted to.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The socket that systemd passed is not a TCP listener.
    #[error("cannot listen on the first socket in `LISTEN_FDS`")]
    HandedOver {
        /// The error of the system.
        source: io::Error,
    },
    /// A file for TLS cannot be read.
    #[cfg(feature = "https")]
    #[error("cannot read {}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file for TLS does not hold what it should.
    #[cfg(feature = "https")]
    #[error("{} does not hold a {wanted} in PEM", path.display())]
    TlsContent {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The certificate and the key do not match, or cannot be used.
    #[cfg(feature = "https")]
    #[error("the certificate and the private key cannot be used: {problem}")]
    TlsPair {
        /// What is wrong with them.
        problem: String,
    },
}
