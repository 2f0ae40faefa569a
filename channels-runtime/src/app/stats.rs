//! All counters of an application in one snapshot.

use serde::Serialize;

use crate::admission::HandshakeStats;
use crate::connection::ConnectionStats;
use crate::layer::LayerStats;
use crate::server::JobStats;

/// What an application has counted since it was built, and the layer since it was made. Given by
/// [`Channels::stats`](crate::Channels::stats); a layer that belongs to no application tells
/// [its own](crate::ChannelLayer::stats).
///
/// It is read without a stop of the others, so figures that belong together may differ by what happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Places that are taken now, which is what the limits count: connections that are open
    /// ([`Channels::connections`](crate::Channels::connections)), and those that `#[connect]` is just asked about.
    pub admitted: usize,
    /// Handshakes, and what became of them.
    pub handshakes: HandshakeStats,
    /// Connections, and what happened to them.
    pub connections: ConnectionStats,
    /// Messages of the layer, and what happened to them.
    pub layer: LayerStats,
    /// Jobs of workers, and what happened to them.
    pub jobs: JobStats,
}
