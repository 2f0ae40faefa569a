//! Counters of worker jobs.

use crate::support::counted;

counted! {
    /// What happened to the jobs of an application's [`Worker`](crate::Worker)s so far: a part of [`Stats`](crate::stats::Stats).
    pub struct JobStats of JobCounters {
        /// Jobs whose handler ended well.
        done => JOBS["done"],
        /// Jobs whose handler failed, or that were no event which the consumer handles.
        failed => JOBS["failed"],
        /// Jobs whose handler panicked.
        panicked => JOBS["panicked"],
    }
}
