//! All counters of an application.

use serde::Serialize;

use crate::admission::HandshakeStats;
use crate::connection::ConnectionStats;
use crate::layer::LayerStats;
use crate::server::{JobStats, PublishStats};
use crate::websocket::CompressionStats;

/// The counters of an application since it was built, and of its layer since that was created. From
/// [`Channels::stats`](crate::Channels::stats). A layer without an application has [its own](crate::ChannelLayer::stats).
///
/// Reading does not stop other threads, so related counters may differ by changes in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that count against the limits now: open ones ([`Channels::connections`](crate::Channels::connections)), and
    /// those whose `#[connect]` is running.
    pub admitted: usize,
    /// Handshakes by outcome.
    pub handshakes: HandshakeStats,
    /// Logins that a backend was asked about, by outcome. From [`ForwardAuth`](crate::auth::ForwardAuth).
    #[cfg(feature = "backend")]
    pub forward_auth: crate::auth::ForwardAuthStats,
    /// Calls to the backend by outcome.
    #[cfg(feature = "backend")]
    pub backend: crate::backend::BackendStats,
    /// Connections by event.
    pub connections: ConnectionStats,
    /// Compressed messages.
    pub compression: CompressionStats,
    /// Messages of the layer by outcome.
    pub layer: LayerStats,
    /// Worker jobs by outcome.
    pub jobs: JobStats,
    /// Requests of backends that publish over HTTP, by outcome.
    pub publish: PublishStats,
}
