//! Counters, rates and the inspection of an application.
//!
//! [`Channels::stats`](crate::Channels::stats) returns [`Stats`]: all counters since the application was built, in six groups
//! (handshakes, connections, compressed messages, messages of the layer, jobs of workers, publish requests). [`Channels::inspect`](crate::Channels::inspect) returns an
//! [`Inspection`]: open connections by consumer, the backlog, the layer and its largest groups, the rates per second, the
//! counters and the settings. All of them implement `serde::Serialize`.

pub use crate::admission::HandshakeStats;
pub use crate::app::{InspectedGroup, InspectedLayer, InspectedSettings, Inspection, Rates, Stats};
#[cfg(feature = "backend")]
pub use crate::auth::ForwardAuthStats;
#[cfg(feature = "backend")]
pub use crate::backend::BackendStats;
pub use crate::connection::{Backlog, ConnectionStats};
pub use crate::layer::LayerStats;
pub use crate::server::{JobStats, PublishStats};
pub use crate::websocket::CompressionStats;
