//! How many a second.

use std::time::{Duration, Instant};

/// A bucket of tokens: as many fit as flow in within a second, so that after a quiet second a second's worth may come at once.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// When a full bucket would have been emptied down to what is in it now. (The generic cell rate algorithm: one moment
    /// says it all, and nothing has to be poured in.)
    spent_until: Instant,
    /// How much time one token is worth.
    price: Duration,
}

impl TokenBucket {
    /// At least one a second.
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { spent_until: now, price: Duration::from_secs(1) / per_second.max(1) }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let spent_until = self.spent_until.max(now) + self.price;
        let some_left = spent_until <= now + Duration::from_secs(1);
        if some_left {
            self.spent_until = spent_until;
        }
        some_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_brings_a_seconds_worth_and_a_day_no_more() {
        let begin = Instant::now();
        let mut bucket = TokenBucket::new(10, begin);
        let mut taken = |at: Duration, asked: usize| (0..asked).filter(|_| bucket.take(begin + at)).count();
        assert_eq!(taken(Duration::ZERO, 50), 10);
        assert_eq!(taken(Duration::from_millis(99), 50), 0);
        assert_eq!(taken(Duration::from_millis(100), 50), 1);
        assert_eq!(taken(Duration::from_millis(600), 50), 5);
        assert_eq!(taken(Duration::from_secs(86_400), 50), 10);
    }

    #[test]
    fn a_rate_of_nothing_is_one_a_second() {
        let begin = Instant::now();
        let mut bucket = TokenBucket::new(0, begin);
        assert!(bucket.take(begin) && !bucket.take(begin) && bucket.take(begin + Duration::from_secs(1)));
    }
}
