//! Counters of connections, and the backlog of their queues.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::support::counted;

/// What waits now, in all connections and in the one where most waits. It is looked at when somebody asks, connection by
/// connection, and counted nowhere: a part of it may have gone when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Backlog {
    /// Events in mailboxes, for the consumers.
    pub events: u64,
    /// Events in the fullest mailbox.
    pub most_events: u64,
    /// Bytes for the clients: in outbound queues, and of frames that wait behind an event in a mailbox.
    pub bytes: u64,
    /// Bytes for the client that most waits for.
    pub most_bytes: u64,
}

impl Backlog {
    pub(crate) fn add(&mut self, events: u64, bytes: u64) {
        self.events += events;
        self.most_events = self.most_events.max(events);
        self.bytes += bytes;
        self.most_bytes = self.most_bytes.max(bytes);
    }
}

counted! {
    /// What happened to the connections of [`Channels`](crate::Channels) so far: a part of [`Stats`](crate::stats::Stats).
    pub struct ConnectionStats of ConnectionCounters {
        /// Connections closed with 1013 because the client read too slowly: its outbound queue was full.
        too_slow => CLOSED["too_slow"],
        /// Connections given up because the client did not answer the heartbeat. Their `#[disconnect]` gets 1006.
        unanswered => CLOSED["unanswered"],
        /// Connections closed with 1001 because the client said nothing for longer than the idle limit.
        idle => CLOSED["idle"],
        /// Connections closed with 1013 because the consumer fell behind: its mailbox was full, and its policy is
        /// `disconnect`.
        behind => CLOSED["behind"],
        /// Connections closed with 3000 because a login ended.
        login_ended => CLOSED["login_ended"],
        /// How often a client that sent more than it may was not read from for a moment (50 ms).
        throttled => THROTTLED,
        /// Frames of clients that were no command of their consumer, and were answered with an error or by `#[receive(_)]`.
        // Told by its code, where it happens.
        refused,
    }
}

impl ConnectionCounters {
    pub(crate) fn count_throttled(&self) {
        if self.throttled.fetch_add(1, Relaxed) == 0 {
            tracing::warn!("a client sends more than it may and is made to wait; further ones are only counted");
        }
    }
}
