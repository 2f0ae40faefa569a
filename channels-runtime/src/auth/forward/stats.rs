//! The counters of [`ForwardAuth`](crate::auth::ForwardAuth).

use crate::support::counted;

counted! {
    /// Logins that a backend was asked about, by outcome: a part of [`Stats`](crate::stats::Stats).
    pub struct ForwardAuthStats of ForwardAuthCounters {
        /// Requests that were sent to the backend.
        asked => FORWARD_AUTH["asked"],
        /// Logins that were answered from the cache.
        cached => FORWARD_AUTH["cached"],
        /// Logins that shared the request of another login with the same credentials.
        joined => FORWARD_AUTH["joined"],
        /// Requests that the backend answered with 401 or 403.
        rejected => FORWARD_AUTH["rejected"],
        /// Requests without a usable answer: a time limit, a broken connection, another status, or a body that is not a user.
        failed => FORWARD_AUTH["failed"],
        /// Logins that got 503 without a request, because the backend was down.
        held_off => FORWARD_AUTH["held_off"],
        /// Logins that got 503 without a request, because too many logins were waiting.
        crowded_out => FORWARD_AUTH["crowded_out"],
    }
}
