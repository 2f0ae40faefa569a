//! The accepted offer of compression.

use http::HeaderValue;

use crate::websocket::window::Window;

/// The accepted offer of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) window: Window,
    /// The value of the response's header `Sec-WebSocket-Extensions`.
    pub(crate) response: HeaderValue,
}
