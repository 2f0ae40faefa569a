//! The check of this process's clock against the clock of a Redis server.
//!
//! A message and a membership expire by the clocks of the processes, by the rules of channels_redis. If two clocks differ by more
//! than `expiry`, one process drops all messages of the other one. If a clock is ahead by `group_expiry`, its process removes the
//! memberships of all others.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::layer::redis::limits::DEADLINE;

/// Compares the clocks with each reply of the server.
#[derive(Debug)]
pub(super) struct ClockCheck {
    limit: f64,
    is_off: AtomicBool,
}

/// A change between two checks. The offset is in seconds, and is positive if this process's clock is ahead.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum ClockChange {
    /// The clocks differ by more than the limit now.
    Off(f64),
    /// The clocks agree again.
    Right(f64),
}

impl ClockCheck {
    /// Makes the check for a layer with this expiry. The limit is half of it: two processes that are both within the limit
    /// differ by less than `expiry`. It is no shorter than the time that a reply may take.
    pub(super) fn new(expiry: Duration) -> Self {
        Self { limit: (expiry / 2).max(DEADLINE).as_secs_f64(), is_off: AtomicBool::new(false) }
    }

    /// Compares the clock of the server with the clock of this process, both in seconds since 1970.
    pub(super) fn check(&self, server: f64, here: f64) -> Option<ClockChange> {
        let offset = here - server;
        let is_off = offset.abs() > self.limit;
        match (self.is_off.swap(is_off, Relaxed), is_off) {
            (false, true) => Some(ClockChange::Off(offset)),
            (true, false) => Some(ClockChange::Right(offset)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_returned_once() {
        let check = ClockCheck::new(Duration::from_secs(60));
        let changes = [0.0, 29.0, 31.0, 90_000.0, -90_000.0, -29.0, 0.0, -31.0].map(|here| check.check(0.0, here));
        let (off, right) = (ClockChange::Off, ClockChange::Right);
        assert_eq!(changes, [None, None, Some(off(31.0)), None, None, Some(right(-29.0)), None, Some(off(-31.0))]);
    }

    #[test]
    fn slow_reply_is_not_a_wrong_clock() {
        assert_eq!(ClockCheck::new(Duration::from_secs(1)).check(0.0, DEADLINE.as_secs_f64()), None);
    }
}
