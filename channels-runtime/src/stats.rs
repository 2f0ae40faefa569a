//! What an application counts. Each figure is written once, with the metric that it is told as.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::connection::ConnectionStats;
use crate::door::DoorStats;
use crate::layer::LayerStats;
use crate::worker::JobStats;

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
    pub inside: usize,
    /// Handshakes, and what became of them.
    pub door: DoorStats,
    /// Connections, and what happened to them.
    pub connections: ConnectionStats,
    /// Messages of the layer, and what happened to them.
    pub layer: LayerStats,
    /// Jobs of workers, and what happened to them.
    pub jobs: JobStats,
}

/// What waits now, in all connections and in the one where most waits. It is looked at when somebody asks, connection by
/// connection, and counted nowhere: a part of it may have gone when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Waiting {
    /// Events in mailboxes, for the consumers.
    pub events: u64,
    /// Events in the fullest mailbox.
    pub most_events: u64,
    /// Bytes for the clients: in outbound queues, and of frames that wait behind an event in a mailbox.
    pub bytes: u64,
    /// Bytes for the client that most waits for.
    pub most_bytes: u64,
}

impl Waiting {
    pub(crate) fn add(&mut self, events: u64, bytes: u64) {
        self.events += events;
        self.most_events = self.most_events.max(events);
        self.bytes += bytes;
        self.most_bytes = self.most_bytes.max(bytes);
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// A list of figures: the struct that users read, and the one that is counted in. `=> METRIC["value"]` names the metric of
/// [`figures`](crate::figures) and the value of its label; a figure without it is told otherwise.
macro_rules! counted {
    (
        $(#[$about:meta])*
        pub struct $Stats:ident of $Counters:ident {
            $($(#[$doc:meta])* $figure:ident $(=> $metric:ident $([$label:literal])?)?,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
        #[non_exhaustive]
        pub struct $Stats {
            $($(#[$doc])* pub $figure: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct $Counters {
            $(pub(crate) $figure: std::sync::atomic::AtomicU64,)*
        }

        impl $Counters {
            pub(crate) fn snapshot(&self) -> $Stats {
                $Stats { $($figure: self.$figure.load(std::sync::atomic::Ordering::Relaxed),)* }
            }
        }

        #[cfg(feature = "metrics")]
        impl $Stats {
            pub(crate) fn tell(&self) {
                $($($crate::figures::$metric.tell(&[$($label)?], self.$figure);)?)*
            }
        }
    };
}

pub(crate) use counted;
