//! The counting methods that only a layer with servers needs.

use std::sync::atomic::Ordering::Relaxed;

use crate::error::{DecodeError, shown};
use crate::layer::counters::Counters;
use crate::name::GroupName;
use crate::support::count;

impl Counters {
    pub(crate) fn count_clock_off(&self) {
        count(&self.counters.clock_off);
    }

    /// Counts a message that was older than `expiry` when it was read from Redis. `age` is in seconds, by the clocks of the sender
    /// and of this process.
    pub(crate) fn count_expired_in_queue(&self, to: &str, age: f64) {
        self.count_expired();
        if self.garbage.is_new(("expired", to)) {
            let (peer, age) = (&*self.peer, age.round());
            tracing::warn!(
                to,
                peer,
                age,
                "a message expired in Redis, or its sender's clock is wrong; further ones are only counted"
            );
        }
    }

    /// Counts the channels that missed a message to a group, because their queue in Redis was full: `over` of `of` members.
    pub(crate) fn count_over_capacity(&self, group: &GroupName, over: usize, of: usize) {
        if self.counters.dropped_full.fetch_add(over as u64, Relaxed) == 0 {
            tracing::warn!(%group, "{over} of {of} channels over capacity; further ones are only counted");
        } else {
            tracing::debug!(%group, "{over} of {of} channels over capacity");
        }
    }

    /// Counts the jobs that the full queue of a worker's channel dropped.
    pub(crate) fn count_full_queue(&self, channel: &str, dropped: u64) {
        if dropped > 0 && self.counters.dropped_full.fetch_add(dropped, Relaxed) == 0 {
            tracing::warn!(channel, dropped, "a worker's full queue missed jobs; further ones are only counted");
        }
    }

    /// Counts a message that is not an event.
    pub(crate) fn count_garbage(&self, to: &str, error: &DecodeError) {
        count(&self.counters.undecodable);
        let (peer, text) = (&*self.peer, error.to_string());
        let (to, error) = (shown(to), shown(&text));
        // A faulty peer sends many of them.
        if self.garbage.is_new(to) {
            tracing::warn!(
                to,
                peer,
                error,
                "a message that is not an event was dropped; further ones are only counted"
            );
        } else {
            tracing::debug!(to, peer, error, "a message that is not an event was dropped");
        }
    }

    /// Counts that Redis refused the memberships of a group, if the cause is a key of another type (`wrong_type`). Returns
    /// whether this is the first refusal for the group, which is logged as a warning.
    pub(crate) fn count_refusal(&self, group: &GroupName, wrong_type: bool) -> bool {
        if wrong_type {
            count(&self.counters.undecodable);
        }
        self.garbage.is_new(("group", group.as_str()))
    }
}
