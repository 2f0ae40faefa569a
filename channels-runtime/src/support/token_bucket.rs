//! A token bucket: a rate limit per second.

use std::time::{Duration, Instant};

/// A token bucket whose capacity is the number of tokens of one second. After a second without requests, all of them can be
/// taken together.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// The time up to which all tokens are taken. By the generic cell rate algorithm, this time is the whole state.
    spent_until: Instant,
    /// The time between two tokens.
    period: Duration,
}

impl TokenBucket {
    /// Creates a full bucket. The lowest rate is one token per second.
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { spent_until: now, period: Duration::from_secs(1) / per_second.max(1) }
    }

    /// Takes a token. Returns `false` if the bucket is empty.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let spent_until = self.spent_until.max(now) + self.period;
        let is_taken = spent_until <= now + Duration::from_secs(1);
        if is_taken {
            self.spent_until = spent_until;
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_holds_tokens_of_one_second() {
        let begin = Instant::now();
        let mut bucket = TokenBucket::new(10, begin);
        let mut take = |at: Duration, requests: usize| (0..requests).filter(|_| bucket.take(begin + at)).count();
        assert_eq!(take(Duration::ZERO, 50), 10);
        assert_eq!(take(Duration::from_millis(99), 50), 0);
        assert_eq!(take(Duration::from_millis(100), 50), 1);
        assert_eq!(take(Duration::from_millis(600), 50), 5);
        assert_eq!(take(Duration::from_secs(86_400), 50), 10);
    }

    #[test]
    fn zero_rate_is_one_per_second() {
        let begin = Instant::now();
        let mut bucket = TokenBucket::new(0, begin);
        assert!(bucket.take(begin) && !bucket.take(begin) && bucket.take(begin + Duration::from_secs(1)));
    }
}
