//! The errors of a server that cannot start.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "https")]
use std::path::PathBuf;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another program listens there, or this one may not.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// What systemd has handed over is no socket that listens for TCP.
    #[error("the first socket in `LISTEN_FDS` cannot be listened on")]
    HandedOver {
        /// What the system says.
        source: io::Error,
    },
    /// A file for TLS cannot be read.
    #[cfg(feature = "https")]
    #[error("cannot read {}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file for TLS holds something else.
    #[cfg(feature = "https")]
    #[error("{} holds no {wanted} in PEM", path.display())]
    TlsContent {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The certificate and the key cannot be used together.
    #[cfg(feature = "https")]
    #[error("the certificate and the private key cannot be used: {problem}")]
    TlsPair {
        /// What is wrong with them.
        problem: String,
    },
}
