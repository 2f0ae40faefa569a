//! The inspection of a running application: its connections, backlog, layer and rates.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::runtime::Handle;

use crate::app::channels::Channels;
use crate::app::stats::Stats;
use crate::connection::Backlog;
use crate::layer::ChannelLayer;

/// The number of groups in an inspection.
const LARGEST: usize = 20;

/// A snapshot of an application, from [`Channels::inspect`]. It can be serialised; durations are then seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The time since the application was built.
    #[serde(serialize_with = "seconds")]
    pub uptime: Duration,
    /// The number of open connections.
    pub connections: usize,
    /// The number of connections of each consumer, by the name of its type. A consumer without connections is not included.
    pub consumers: BTreeMap<&'static str, usize>,
    /// The number of open connections of each contract of [`contracts`](crate::ChannelsBuilder::contracts), by its fingerprint,
    /// of `other` contracts, and of clients that announce `none`. Empty without that setting.
    pub contracts: BTreeMap<String, usize>,
    /// The number of tasks in the runtime, including the program's own. `None` outside of a runtime. A number that grows with
    /// every closed connection shows a leak.
    pub tasks: Option<usize>,
    /// The channels and groups of this process.
    pub layer: InspectedLayer,
    /// The backlog: queued events and bytes.
    pub backlog: Backlog,
    /// The average rates since the application was built. [`Self::rates_since`] returns the rates between two inspections.
    pub rates: Rates,
    /// All counters.
    pub stats: Stats,
    /// The settings to compare the numbers with.
    pub settings: InspectedSettings,
}

/// The layer: a part of [`Inspection`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedLayer {
    /// The kind of the layer: `memory`, `pubsub` or `core`.
    pub kind: &'static str,
    /// The number of Redis servers; 1 for `memory`.
    pub servers: usize,
    /// Whether messages arrive, as far as this process knows. It notices a loss within seconds; a health check uses
    /// [`ChannelLayer::ready`](crate::ChannelLayer::ready).
    pub connected: bool,
    /// The number of channels in this process.
    pub channels: usize,
    /// The number of groups with a member in this process.
    pub groups: usize,
    /// The 20 largest groups, by their members in this process.
    pub largest_groups: Vec<InspectedGroup>,
}

/// A group: a part of [`InspectedLayer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedGroup {
    /// The name.
    pub name: String,
    /// The number of members in this process.
    pub members: usize,
}

/// Rates per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Rates {
    /// Accepted handshakes.
    pub accepted: f64,
    /// Rejected handshakes, for any reason.
    pub refused: f64,
    /// Messages delivered to a mailbox or an outbound queue, one for each member.
    pub delivered: f64,
    /// Messages that did not reach a consumer, for any reason.
    pub dropped: f64,
    /// Jobs of workers, with any outcome.
    pub jobs: f64,
}

/// Settings of [`ChannelsBuilder`](crate::ChannelsBuilder) and of
/// [`LayerConfig`](crate::layer::LayerConfig): a part of [`Inspection`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InspectedSettings {
    /// The limit of connections, from the setting or from the limit of open files.
    pub max_connections: usize,
    /// The limit of connections from one address. The default does not limit private addresses.
    pub max_connections_per_address: usize,
    /// The largest message of a client, in bytes.
    pub max_message_size: usize,
    /// The limit of pending bytes for a client.
    pub outbound_limit: usize,
    /// The size from which messages are compressed. `None` if they are not.
    pub compression: Option<usize>,
    /// The capacity of a mailbox, unless the channel's name has its own.
    pub capacity: usize,
    /// The time limit of a message in a mailbox.
    #[serde(serialize_with = "seconds")]
    pub expiry: Duration,
    /// The time limit for the authenticator and `#[connect]`.
    #[serde(serialize_with = "seconds")]
    pub connect_deadline: Duration,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Inspection {
    /// Returns the rates between an earlier inspection of the same application and this one. Returns zeros if no time has passed.
    pub fn rates_since(&self, earlier: &Self) -> Rates {
        Rates::between(&earlier.stats, &self.stats, self.uptime.saturating_sub(earlier.uptime))
    }
}

impl Rates {
    fn between(before: &Stats, after: &Stats, passed: Duration) -> Self {
        if passed.is_zero() {
            return Self::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate is approximate")]
        let rate = |count: fn(&Stats) -> u64| count(after).saturating_sub(count(before)) as f64 / passed.as_secs_f64();
        Self {
            accepted: rate(|stats| stats.handshakes.accepted),
            refused: rate(|stats| stats.handshakes.refused()),
            delivered: rate(|stats| stats.layer.delivered),
            dropped: rate(|stats| stats.layer.dropped()),
            jobs: rate(|stats| stats.jobs.done + stats.jobs.failed + stats.jobs.panicked),
        }
    }
}

impl ChannelLayer {
    fn inspect(&self) -> InspectedLayer {
        let table = self.backend().table();
        let largest = table.largest_groups(LARGEST).into_iter();
        InspectedLayer {
            kind: self.backend().kind(),
            servers: self.backend().servers(),
            connected: table.is_whole(),
            channels: table.channels(),
            groups: table.group_count(),
            largest_groups: largest.map(|(name, members)| InspectedGroup { name: name.to_string(), members }).collect(),
        }
    }
}

impl Channels {
    /// Returns a snapshot of the application, for an operator's page or a test.
    ///
    /// Reads all connections and groups of this process, a few at a time, so that other threads wait only briefly. So related
    /// numbers may differ by changes in between. Runs none of your code.
    ///
    /// Group names often reveal who talks to whom, so protect the page. [`Self::inspection`] returns the page as a route.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().build()?;
    /// let inspection = channels.inspect();
    /// assert_eq!((inspection.connections, inspection.layer.kind, inspection.layer.connected), (0, "memory", true));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn inspect(&self) -> Inspection {
        let server = self.server();
        let (uptime, stats) = (server.uptime(), self.stats());
        let (admission, limits, config) = (server.admission(), server.shared().limits, server.layer().config());
        Inspection {
            uptime,
            connections: server.connections(),
            consumers: server.consumers(),
            contracts: server.contracts().into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            tasks: Handle::try_current().ok().map(|runtime| runtime.metrics().num_alive_tasks()),
            layer: server.layer().inspect(),
            backlog: server.backlog(),
            rates: Rates::between(&Stats::default(), &stats, uptime),
            stats,
            settings: InspectedSettings {
                max_connections: admission.max_connections(),
                max_connections_per_address: admission.max_per_address(),
                max_message_size: limits.max_message,
                outbound_limit: limits.outbound,
                compression: limits.compression,
                capacity: config.capacity,
                expiry: config.expiry,
                connect_deadline: server.settings.connect_deadline,
            },
        }
    }
}
