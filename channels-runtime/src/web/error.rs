//! Errors of a server that cannot start, or that ended with connections left.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "https")]
use std::path::PathBuf;

/// The reason why a server cannot start, or has not ended cleanly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The text is not an address, or its host has no address.
    #[error("cannot resolve `{address}`; write a host and a port, like `127.0.0.1:8000`")]
    Address {
        /// The text.
        address: String,
        /// The error of the system.
        source: io::Error,
    },
    /// Another program already listens on the address, or this program is not permitted to.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The server stopped, and connections had not ended at the deadline, or at a second signal. Their `#[disconnect]` is cut off.
    #[error(
        "the server stopped before {connections} connections and {requests} HTTP requests had ended; allow them more time with \
         `shutdown_deadline`"
    )]
    CutOff {
        /// The number of connections: WebSockets and streams of server-sent events.
        connections: usize,
        /// The number of sockets with an HTTP request, including those of the streams.
        requests: usize,
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
    /// A file for TLS does not hold the expected item.
    #[cfg(feature = "https")]
    #[error("{} does not hold a {wanted} in PEM", path.display())]
    TlsContent {
        /// The file.
        path: PathBuf,
        /// The expected item.
        wanted: &'static str,
    },
    /// The certificate and the key do not match, or cannot be used.
    #[cfg(feature = "https")]
    #[error("the certificate and the private key cannot be used: {problem}")]
    TlsPair {
        /// The problem.
        problem: String,
    },
}
