//! The time of a message: the score of its entry in a sorted set.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the clock may be set back before its new time is believed. Until then the scores go on from where they were,
/// one step at a time, so that order holds.
const STEP_BACK: f64 = 10.0;

/// Seconds since 1970, as Python's `time.time()`.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The score up to which an entry has outlived `expiry`, by the rule of channels_redis.
pub(super) fn cutoff(now: f64, expiry: Duration) -> f64 {
    now.floor() - expiry.as_secs_f64()
}

/// `expiry` for Redis' EXPIRE, which takes whole seconds above 0.
pub(super) fn whole_seconds(expiry: Duration) -> u64 {
    expiry.as_secs() + u64::from(expiry.subsec_nanos() > 0 || expiry.is_zero())
}

/// Scores that grow with every call in this process.
///
/// Redis puts entries of one score in the order of their bytes, which begin with random ones: two sends within the
/// resolution of a float (0.24 µs today) would come out in either order.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// The bits of the last score. Floats above zero are ordered as their bits are.
    last: AtomicU64,
}

impl Scores {
    pub(super) fn next(&self) -> f64 {
        self.after(now())
    }

    fn after(&self, now: f64) -> f64 {
        let next = |last: u64| {
            let last = f64::from_bits(last);
            let stepped_back = last - now > STEP_BACK;
            if now > last || stepped_back { now } else { last.next_up() }.to_bits()
        };
        // What is returned is computed again from the value that was replaced.
        let last = self.last.fetch_update(Relaxed, Relaxed, |last| Some(next(last))).unwrap_or_else(|last| last);
        f64::from_bits(next(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_grow_with_every_call_on_every_thread() {
        let scores = Scores::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mine: Vec<_> = (0..20_000).map(|_| scores.next()).collect();
                        assert!(mine.is_sorted_by(|a, b| a < b));
                        mine
                    })
                })
                .collect();
            let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            all.sort_by(f64::total_cmp);
            assert!(all.is_sorted_by(|a, b| a < b), "no score came twice");
        });
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_set_the_scores_back_until_it_is_far() {
        let scores = Scores::default();
        assert_eq!(scores.after(1_795_367_928.5), 1_795_367_928.5);
        let next = scores.after(1_795_367_928.5);
        assert!(next > 1_795_367_928.5 && next < 1_795_367_928.500_001);
        assert!(scores.after(1_795_367_920.0) > next);
        assert_eq!(scores.after(1_795_360_000.0), 1_795_360_000.0);
    }

    #[test]
    fn an_entry_expires_by_the_rule_of_channels_redis() {
        // int(time.time()) - expiry
        assert_eq!(cutoff(1_795_367_928.9, Duration::from_secs(60)), 1_795_367_868.0);
        assert_eq!(whole_seconds(Duration::from_secs(60)), 60);
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }
}
