//! Addresses to listen on: socket addresses and text.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::web::error::ServeError;

/// An address to listen on: text like `"127.0.0.1:8000"` or `"localhost:8000"`, a pair like `([127, 0, 0, 1], 8000)`, or a
/// [`SocketAddr`].
///
/// The name of a host is resolved when the server starts; the server listens on the first of its addresses that works.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an address to listen on",
    label = "write it like `\"127.0.0.1:8000\"` or `([127, 0, 0, 1], 8000)`"
)]
pub trait Address {
    /// Returns the address, or text that must be resolved.
    #[doc(hidden)]
    fn known(self) -> Result<SocketAddr, String>;
}

impl Address for SocketAddr {
    fn known(self) -> Result<SocketAddr, String> {
        Ok(self)
    }
}

impl Address for SocketAddrV4 {
    fn known(self) -> Result<SocketAddr, String> {
        Ok(self.into())
    }
}

impl Address for SocketAddrV6 {
    fn known(self) -> Result<SocketAddr, String> {
        Ok(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<I: Into<IpAddr>> Address for (I, u16) {
    fn known(self) -> Result<SocketAddr, String> {
        Ok(self.into())
    }
}

impl Address for &str {
    fn known(self) -> Result<SocketAddr, String> {
        self.parse().map_err(|_| self.to_owned())
    }
}

impl Address for String {
    fn known(self) -> Result<SocketAddr, String> {
        self.parse().map_err(|_| self)
    }
}

impl Address for &String {
    fn known(self) -> Result<SocketAddr, String> {
        self.as_str().known()
    }
}

/// The sockets that the kernel keeps until they are accepted. Beyond it, a client tries again after a second, and after a deploy
/// all clients come back together. The kernel has a limit of its own, `net.core.somaxconn`, which is 4,096 on current systems.
const BACKLOG: u32 = 4096;

/// Listens on an address, and returns the bound address. With port 0, the system chooses the port.
pub(super) async fn listen(address: Result<SocketAddr, String>) -> Result<(TcpListener, SocketAddr), ServeError> {
    match address {
        Ok(address) => listen_on(address),
        Err(text) => listen_on_first(text).await,
    }
}

fn listen_on(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As `TcpListener::bind` does: otherwise a restart fails while old connections are in `TIME_WAIT`.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|source| ServeError::Bind { address, source })
}

/// Resolves the text, and listens on the first address that works.
async fn listen_on_first(text: String) -> Result<(TcpListener, SocketAddr), ServeError> {
    let addresses = lookup_host(&text).await.map(Iterator::collect::<Vec<_>>);
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(source) => return Err(ServeError::Address { address: text, source }),
    };
    let mut failed = None;
    for address in addresses {
        match listen_on(address) {
            Ok(listening) => return Ok(listening),
            Err(error) => failed = Some(error),
        }
    }
    let no_address = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    Err(failed.unwrap_or_else(|| ServeError::Address { address: text, source: no_address() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_text_are_addresses() {
        let wanted: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        assert_eq!(([127, 0, 0, 1], 8000).known(), Ok(wanted));
        assert_eq!((IpAddr::from([127, 0, 0, 1]), 8000).known(), Ok(wanted));
        assert_eq!("127.0.0.1:8000".known(), Ok(wanted));
        assert_eq!(String::from("127.0.0.1:8000").known(), Ok(wanted));
        assert_eq!(String::from("[::1]:8000").known(), Ok("[::1]:8000".parse().unwrap()));
        assert_eq!("localhost:8000".known(), Err("localhost:8000".into()));
    }

    #[tokio::test]
    async fn host_name_is_resolved() {
        let (_, address) = listen("localhost:0".known()).await.unwrap();
        assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
    }

    #[tokio::test]
    async fn unusable_text_is_named_in_error() {
        for text in ["127.0.0.1", "8000", "", "no such host:8000", "127.0.0.1:99999"] {
            let error = listen(text.known()).await.unwrap_err().to_string();
            assert_eq!(error, format!("cannot resolve `{text}`; write a host and a port, like `127.0.0.1:8000`"));
        }
        let (_listener, used) = listen("127.0.0.1:0".known()).await.unwrap();
        let error = listen(used.to_string().known()).await.unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen on {used}"));
    }

    /// A herd that comes back after a deploy connects faster than the server accepts.
    #[tokio::test]
    async fn many_sockets_wait_to_be_accepted() {
        let (_listener, address) = listen("127.0.0.1:0".known()).await.unwrap();
        let most =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").map_or(128, |text| text.trim().parse().unwrap());
        let waiting: Vec<_> = (0..most.min(500))
            .map(|number| {
                let connected = std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(900));
                connected.unwrap_or_else(|error| panic!("socket {number}: {error}"))
            })
            .collect();
        drop(waiting);
    }
}
