//! The time of a message, which is the score of its entry in a sorted set.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The largest step back of the clock, in seconds, that the scores ignore. Until the clock reaches the last score again, the
/// scores grow from it in the smallest possible steps, so that they keep their order.
const STEP_BACK: f64 = 10.0;

/// Returns the seconds since 1970, like Python's `time.time()`.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Returns the score up to which entries have expired, by the rule of channels_redis.
pub(super) fn cutoff(now: f64, expiry: Duration) -> f64 {
    now.floor() - expiry.as_secs_f64()
}

/// Returns `expiry` in whole seconds above 0, for Redis' EXPIRE.
pub(super) fn whole_seconds(expiry: Duration) -> u64 {
    expiry.as_secs() + u64::from(expiry.subsec_nanos() > 0 || expiry.is_zero())
}

/// Scores that grow with every call in this process.
///
/// Redis sorts entries with the same score by their bytes, which begin with random ones. So the order of two sends within
/// the resolution of a float (0.24 µs today) would be random.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// The bits of the last score. Floats above zero have the same order as their bits.
    last: AtomicU64,
}

impl Scores {
    /// Returns the score of a new entry.
    pub(super) fn next(&self) -> f64 {
        self.after(now())
    }

    fn after(&self, now: f64) -> f64 {
        let next = |last: u64| {
            let last = f64::from_bits(last);
            let stepped_back = last - now > STEP_BACK;
            if now > last || stepped_back { now } else { last.next_up() }.to_bits()
        };
        // `fetch_update` returns the replaced value, from which the new one is computed again.
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
            assert!(all.is_sorted_by(|a, b| a < b), "no score is repeated");
        });
    }

    #[test]
    fn clock_set_back_sets_scores_back_only_beyond_limit() {
        let scores = Scores::default();
        assert_eq!(scores.after(1_795_367_928.5), 1_795_367_928.5);
        let next = scores.after(1_795_367_928.5);
        assert!(next > 1_795_367_928.5 && next < 1_795_367_928.500_001);
        assert!(scores.after(1_795_367_920.0) > next);
        assert_eq!(scores.after(1_795_360_000.0), 1_795_360_000.0);
    }

    #[test]
    fn entry_expires_like_in_channels_redis() {
        // int(time.time()) - expiry
        assert_eq!(cutoff(1_795_367_928.9, Duration::from_secs(60)), 1_795_367_868.0);
        assert_eq!(whole_seconds(Duration::from_secs(60)), 60);
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }
}
