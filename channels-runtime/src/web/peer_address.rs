//! The address of the other end of a socket.

use std::net::SocketAddr;
use std::sync::Once;

use http::Extensions;

/// The address of a request's sender, as an extension of the request: the client, or a proxy.
///
/// [`Channels::serve`](crate::Channels::serve) adds it to each request. Another server that calls a
/// [service](crate::web::service) adds it itself. Axum's own server adds the same as `ConnectInfo<SocketAddr>`, if the
/// application is served with `into_make_service_with_connect_info::<SocketAddr>()`. Without either,
/// [`Scope::client`](crate::Scope::client) is `None`, and limits per address do not apply.
///
/// ```
/// use channels_runtime::web::PeerAddress;
///
/// let address = "192.0.2.1:50000".parse().unwrap();
/// let request = http::Request::get("/ws").extension(PeerAddress(address)).body(()).unwrap();
/// assert_eq!(request.extensions().get(), Some(&PeerAddress(address)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

impl PeerAddress {
    /// Returns the address of a request that another server has accepted. If it has none, limits per address do not apply, which is
    /// logged once per process.
    pub(super) fn of_other_server(extensions: &Extensions) -> Option<Self> {
        static LOGGED: Once = Once::new();

        let address = extensions.get().copied();
        #[cfg(feature = "axum")]
        let address = address
            .or_else(|| extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|connected| Self(connected.0)));
        #[cfg(feature = "testing")]
        if extensions.get::<UnknownAddress>().is_some() {
            return address;
        }
        if address.is_none() {
            LOGGED.call_once(|| {
                tracing::warn!(
                    "the client's address is unknown, so limits per address do not apply; `axum::serve` needs `into_make_service_with_connect_info`"
                );
            });
        }
        address
    }
}

/// The extension of a request from a test client, which has no address.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnknownAddress;
