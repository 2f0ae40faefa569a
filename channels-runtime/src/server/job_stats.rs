//! Counters of worker jobs.

use crate::support::counted;

counted! {
    /// Jobs of an application's [`Worker`](crate::Worker)s by outcome: a part of [`Stats`](crate::stats::Stats).
    pub struct JobStats of JobCounters {
        /// Jobs whose handler succeeded.
        done => JOBS["done"],
        /// Jobs whose handler failed, and jobs that are not an event of the consumer.
        failed => JOBS["failed"],
        /// Jobs whose handler panicked.
        panicked => JOBS["panicked"],
    }
}
