//! The application: its settings, layer, counters and inspection.

mod builder;
mod channels;
mod inspection;
#[cfg(feature = "metrics")]
mod metrics;
mod stats;

pub use builder::ChannelsBuilder;
pub use channels::Channels;
pub use inspection::{InspectedGroup, InspectedLayer, InspectedSettings, Inspection, Rates};
pub use stats::Stats;
