//! Counters of connections, and the backlog of their queues.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::support::counted;

/// The backlog of all connections, and the largest backlog of one connection.
///
/// The values are read from one connection after the other, so they may be outdated when the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Backlog {
    /// Events in all mailboxes.
    pub events: u64,
    /// Events in the fullest mailbox.
    pub most_events: u64,
    /// Bytes that wait for the clients, in outbound queues and in frames that wait after an event in a mailbox.
    pub bytes: u64,
    /// The largest number of bytes that wait for one client.
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
    /// Counters of the connections of [`Channels`](crate::Channels): a part of [`Stats`](crate::stats::Stats).
    pub struct ConnectionStats of ConnectionCounters {
        /// Connections closed with 1013 because the client read too slowly: its outbound queue was full.
        too_slow => CLOSED["too_slow"],
        /// Connections dropped because the client did not answer the heartbeat. Their `#[disconnect]` gets 1006.
        unanswered => CLOSED["unanswered"],
        /// Connections closed with 1001 because the client sent no message within the idle limit.
        idle => CLOSED["idle"],
        /// Connections closed with 1013 because the consumer fell behind: its mailbox was full, and its policy is
        /// `disconnect`.
        behind => CLOSED["behind"],
        /// Connections closed with 1008 because `#[receive]` returned a [`NameError`](crate::error::NameError): the client's frame
        /// contained a name that no group or channel can have.
        wrong_name => CLOSED["wrong_name"],
        /// Connections closed with 3000 because their login ended.
        login_ended => CLOSED["login_ended"],
        /// Connections closed with 1013 because their login could not be checked again three times in a row.
        login_unchecked => CLOSED["login_unchecked"],
        /// Connections closed by [`ChannelLayer::user`](crate::ChannelLayer::user), or by the event `user.close`.
        user_closed => CLOSED["user_closed"],
        /// Connections closed with 1013 because the unfinished messages of all clients exceeded `unfinished_limit`, and this one
        /// was the largest and oldest.
        unfinished => CLOSED["unfinished"],
        /// Tickets that were refused, because they were not valid or for another group or user.
        tickets_refused => TICKETS_REFUSED,
        /// Pauses of 50 ms in which the server did not read from a client that exceeded its rate limit.
        throttled => THROTTLED,
        /// Client frames that were not a command of their consumer. The client received an error, or `#[receive(_)]` ran.
        // The metric has the code as a label, so it is counted separately, where the code is known.
        refused,
    }
}

impl ConnectionCounters {
    pub(crate) fn count_throttled(&self) {
        if self.throttled.fetch_add(1, Relaxed) == 0 {
            tracing::warn!("a client exceeded its rate limit and is paused; further ones are only counted");
        }
    }
}
