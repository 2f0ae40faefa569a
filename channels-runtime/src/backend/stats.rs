//! The counters of calls to a backend.

use crate::support::counted;

counted! {
    /// Calls to a backend by outcome: a part of [`Stats`](crate::stats::Stats).
    pub struct BackendStats of BackendCounters {
        /// Calls that the backend answered with 200 to 299.
        answered => BACKEND_CALLS["answered"],
        /// Calls that the backend refused with another status, and that are not sent again.
        refused => BACKEND_CALLS["refused"],
        /// Calls that failed in all attempts.
        failed => BACKEND_CALLS["failed"],
        /// Calls that were not sent, because the queue was full.
        queue_full => BACKEND_CALLS["queue_full"],
        /// Attempts after the first of a call, or of events for a webhook.
        repeated => BACKEND_REPEATED,
        /// Events for webhooks that the backend has taken.
        webhooks_delivered => WEBHOOKS["delivered"],
        /// Events for webhooks that the backend refused with 400 to 499.
        webhooks_refused => WEBHOOKS["refused"],
        /// Events for webhooks that were dropped, because the queue was full.
        webhooks_dropped => WEBHOOKS["dropped"],
    }
}
