//! A limit for log records that clients can cause.

use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

use crate::support::sync::lock;
use crate::support::token_bucket::TokenBucket;

/// The largest number of records a second.
const PER_SECOND: u32 = 10;

/// Limits the log records of one kind of fault to ten a second, because a client can cause the fault as often as it likes, and its
/// records must not fill the disk. The caller counts every fault.
pub(crate) struct LogLimit(Mutex<TokenBucket>);

impl LogLimit {
    /// Returns whether this fault is logged.
    pub(crate) fn allows(&self) -> bool {
        lock(&self.0).take(Instant::now())
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self(Mutex::new(TokenBucket::new(PER_SECOND, Instant::now())))
    }
}

impl fmt::Debug for LogLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLimit").finish_non_exhaustive()
    }
}
