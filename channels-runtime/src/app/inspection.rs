//! A look at an application while it runs: who is connected, what waits, how the layer is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::runtime::Handle;

use crate::app::channels::Channels;
use crate::app::stats::Stats;
use crate::connection::Backlog;
use crate::layer::ChannelLayer;

/// How many groups are named.
const LARGEST: usize = 20;

/// A look at an application: what [`Channels::inspect`] gives. It can be serialised; times are then seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// How long ago the application was built.
    #[serde(serialize_with = "seconds")]
    pub uptime: Duration,
    /// How many connections are open.
    pub connections: usize,
    /// How many there are of each consumer, by the name of its type. One that has none is not here.
    pub consumers: BTreeMap<&'static str, usize>,
    /// How many tasks of the runtime are alive, the program's own among them; `None` where nobody asks from within one. What
    /// grows with every connection that comes and goes is a leak.
    pub tasks: Option<usize>,
    /// The channels and groups of this process.
    pub layer: InspectedLayer,
    /// What waits.
    pub backlog: Backlog,
    /// How much happened in a second, on average since the application was built; [`Self::rates_since`] says it of the time
    /// between two looks.
    pub rates: Rates,
    /// All that is counted.
    pub stats: Stats,
    /// The settings that what is seen here should be compared with.
    pub settings: InspectedSettings,
}

/// The layer, as a part of [`Inspection`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedLayer {
    /// What is behind it: `memory`, `pubsub` or `core`.
    pub kind: &'static str,
    /// How many servers are behind it; 1 for `memory`.
    pub servers: usize,
    /// Whether messages come through, as far as this process knows. It is told of a loss within seconds; a health check asks
    /// [`ChannelLayer::ready`](crate::ChannelLayer::ready).
    pub connected: bool,
    /// How many channels this process has.
    pub channels: usize,
    /// How many groups have a member in this process.
    pub groups: usize,
    /// The largest of them, at most 20, by their members in this process.
    pub largest_groups: Vec<InspectedGroup>,
}

/// A group, as a part of [`InspectedLayer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedGroup {
    /// Its name.
    pub name: String,
    /// Its members in this process.
    pub members: usize,
}

/// How much happens in a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Rates {
    /// Handshakes that were accepted.
    pub accepted: f64,
    /// Handshakes that were refused, for whatever reason.
    pub refused: f64,
    /// Messages handed to a mailbox or an outbound queue, one for each member.
    pub delivered: f64,
    /// Messages that did not reach a consumer, for whatever reason.
    pub dropped: f64,
    /// Jobs of workers, however they ended.
    pub jobs: f64,
}

/// Settings, as a part of [`Inspection`]. They are those of [`ChannelsBuilder`](crate::ChannelsBuilder) and of
/// [`LayerConfig`](crate::layer::LayerConfig).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InspectedSettings {
    /// The most connections, from the setting or from the limit of open files.
    pub max_connections: usize,
    /// The most connections from one address. Unless it was set, those of private networks may have more.
    pub max_connections_per_address: usize,
    /// The largest message of a client, in bytes.
    pub max_message_size: usize,
    /// How many bytes may wait for a client.
    pub outbound_limit: usize,
    /// How many events may wait in a mailbox, unless the channel's name has a capacity of its own.
    pub capacity: usize,
    /// How long a message may wait in a mailbox.
    #[serde(serialize_with = "seconds")]
    pub expiry: Duration,
    /// How long `#[connect]` may take.
    #[serde(serialize_with = "seconds")]
    pub connect_deadline: Duration,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Inspection {
    /// How much happened in a second between an earlier look at the same application and this one; nothing, if no time has
    /// passed.
    pub fn rates_since(&self, earlier: &Self) -> Rates {
        Rates::between(&earlier.stats, &self.stats, self.uptime.saturating_sub(earlier.uptime))
    }
}

impl Rates {
    fn between(before: &Stats, after: &Stats, passed: Duration) -> Self {
        if passed.is_zero() {
            return Self::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate is a float, and rough")]
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
    /// A look at the application, as a page for its operator or a test wants it.
    ///
    /// It passes by all connections and groups of this process, a few at a time, so that whoever comes, goes or sends
    /// meanwhile does not wait for the whole; figures that belong together may therefore differ by what happens meanwhile.
    /// None of your code runs.
    ///
    /// The names of groups often tell who talks with whom: show it to those who may know.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// let channels = Channels::builder().build()?;
    /// let look = channels.inspect();
    /// assert_eq!((look.connections, look.layer.kind, look.layer.connected), (0, "memory", true));
    ///
    /// // A page for the operator, on an address of its own.
    /// let page = warp::path!("inspect").map(move || warp::reply::json(&channels.inspect()));
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
                capacity: config.capacity,
                expiry: config.expiry,
                connect_deadline: server.settings.connect_deadline,
            },
        }
    }
}
