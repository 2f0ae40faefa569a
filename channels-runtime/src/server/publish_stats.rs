//! Counters of publishing over HTTP.

use crate::support::counted;

counted! {
    /// Requests of backends that publish over HTTP, by outcome: a part of [`Stats`](crate::stats::Stats). All are 0 without the
    /// feature `publish`.
    pub struct PublishStats of PublishCounters {
        /// Requests whose messages were sent.
        accepted => PUBLISH_REQUESTS["accepted"],
        /// Requests that repeated an `Idempotency-Key`: they got the same response, and nothing was sent again.
        repeated => PUBLISH_REQUESTS["repeated"],
        /// Requests without a valid credential, or with an old one.
        unauthorized => PUBLISH_REQUESTS["unauthorized"],
        /// Signed requests that were sent before.
        replayed => PUBLISH_REQUESTS["replayed"],
        /// Requests beyond a limit, which got 429.
        limited => PUBLISH_REQUESTS["limited"],
        /// Requests that are malformed or too large, and requests for an unknown group, event or field.
        wrong => PUBLISH_REQUESTS["wrong"],
        /// Requests of which the channel layer has not taken all messages.
        unsent => PUBLISH_REQUESTS["unsent"],
        /// Messages that were sent.
        messages => PUBLISHED,
    }
}
