//! Inbound rate limiting: one token bucket for messages and one for bytes.
//!
//! When a client has emptied one of its buckets, the server does not read its socket for 50 ms. Unread bytes fill the client's
//! socket buffer. Then its `send` blocks. So only the client that floods the server is slowed down. It stays connected, and its
//! messages are not lost.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The time for which the server does not read from a client that exceeds its rate. Afterwards the buckets hold the tokens of
/// this time.
const PAUSE: Duration = Duration::from_millis(50);

/// The cost of a message. The bucket counts thousandths of a message, so that a rate of one message per second adds one token
/// per millisecond.
const MESSAGE_COST: i32 = 1000;

/// The bytes that a fragment of a message counts in addition to its own. A fragment is not a message, because a client may split one large
/// message into many. But each fragment takes time, even if it is empty.
const FRAGMENT_COST: usize = 1024;

/// The rate at which a client may send, per second. A full bucket holds the tokens of one second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) frames: u32,
    pub(crate) bytes: usize,
}

impl Rate {
    fn full(self) -> (i32, i32) {
        let frames = i32::try_from(self.frames).unwrap_or(i32::MAX).max(1).saturating_mul(MESSAGE_COST);
        (frames, i32::try_from(self.bytes).unwrap_or(i32::MAX).max(1))
    }
}

/// The two buckets of one connection.
///
/// The buckets are filled only when one of them is empty, so that the clock is not read for each message. So a client may send
/// up to two seconds' rate within one second.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// The tokens for messages.
    frames: i32,
    /// The tokens for bytes. Negative if the last read exceeded the rate.
    bytes: i32,
    /// The time at which the buckets were last filled, in milliseconds.
    filled_at: u32,
}

/// The pause of a client that exceeded its rate. Few clients are paused, so the timer is boxed and not part of the limiter.
pub(crate) type Pause = Option<Pin<Box<Sleep>>>;

/// The start or the end of a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PauseEvent {
    Began,
    Ended,
}

impl RateLimiter {
    pub(crate) fn new(rate: Rate) -> Self {
        let (frames, bytes) = rate.full();
        Self { frames, bytes, filled_at: milliseconds() }
    }

    /// Counts bytes that were read.
    pub(crate) fn read(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(i32::try_from(bytes).unwrap_or(i32::MAX));
    }

    /// Counts a complete message.
    pub(crate) fn count_message(&mut self) {
        self.frames = self.frames.saturating_sub(MESSAGE_COST);
    }

    /// Counts fragments of messages, which are not messages themselves.
    pub(crate) fn count_fragments(&mut self, fragments: u32) {
        if fragments > 0 {
            self.read((fragments as usize).saturating_mul(FRAGMENT_COST));
        }
    }

    /// Returns whether a bucket is empty. If so, [`Self::poll_full`] waits until the client may send again.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames <= 0 || self.bytes <= 0
    }

    /// Waits until neither bucket is empty.
    #[cold]
    pub(crate) fn poll_full(
        &mut self,
        rate: Rate,
        pause: &mut Pause,
        mut on_pause: impl FnMut(PauseEvent),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if let Some(sleep) = pause {
                ready!(sleep.as_mut().poll(cx));
                *pause = None;
                on_pause(PauseEvent::Ended);
            }
            self.fill(rate, milliseconds());
            if !self.is_empty() {
                return Poll::Ready(());
            }
            on_pause(PauseEvent::Began);
            *pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
        }
    }

    fn fill(&mut self, rate: Rate, now: u32) {
        let passed = i64::from(now.wrapping_sub(self.filled_at));
        let (frames, bytes) = rate.full();
        let add = |old: i32, earned: i64, full: i32| {
            i32::try_from(i64::from(old).saturating_add(earned).min(i64::from(full))).unwrap_or(i32::MIN)
        };
        self.frames = add(self.frames, passed.saturating_mul(i64::from(frames / MESSAGE_COST)), frames);
        self.bytes = add(self.bytes, passed.saturating_mul(i64::from(bytes)) / 1000, bytes);
        self.filled_at = now;
    }
}

/// Returns the number of milliseconds since the first call in this process. It wraps after seven weeks.
pub(crate) fn milliseconds() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let passed = now.saturating_duration_since(*START.get_or_init(|| now)).as_millis();
    u32::try_from(passed % (1 << 32)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(rate: Rate) -> RateLimiter {
        RateLimiter { filled_at: 0, ..RateLimiter::new(rate) }
    }

    #[test]
    fn flood_is_limited_to_rate_after_first_second() {
        let rate = Rate { frames: 10, bytes: 1 << 20 };
        let mut limiter = limiter(rate);
        let mut sent = 0;
        for millisecond in 0..10_000 {
            if limiter.is_empty() {
                limiter.fill(rate, millisecond);
            }
            while !limiter.is_empty() {
                limiter.count_message();
                sent += 1;
            }
        }
        // A fraction of a message in the bucket admits a whole message, so the count may differ by one.
        assert!((109..=111).contains(&sent), "{sent} in ten seconds");
    }

    #[test]
    fn excess_bytes_are_subtracted_from_next_seconds() {
        let rate = Rate { frames: u32::MAX, bytes: 1000 };
        let mut limiter = limiter(rate);
        limiter.read(64 * 1024);
        limiter.fill(rate, 64_000);
        assert!(limiter.is_empty());
        limiter.fill(rate, 65_000);
        assert!(!limiter.is_empty());
        limiter.fill(rate, u32::MAX);
        assert_eq!(limiter.bytes, 1000, "a long silence fills the bucket and no more");
    }

    #[test]
    fn empty_fragments_are_limited_like_bytes() {
        let rate = Rate { frames: 10, bytes: 100 * 1024 };
        let mut limiter = limiter(rate);
        limiter.count_fragments(99);
        assert!(!limiter.is_empty());
        limiter.count_fragments(1);
        assert!(limiter.is_empty());
        limiter.fill(rate, 500);
        limiter.count_fragments(u32::MAX);
        assert!(limiter.is_empty());
    }

    #[test]
    fn maximum_rate_never_pauses() {
        let rate = Rate { frames: u32::MAX, bytes: usize::MAX };
        let mut limiter = limiter(rate);
        for _ in 0..1_000_000 {
            limiter.read(64 * 1024);
            limiter.count_message();
            if limiter.is_empty() {
                limiter.fill(rate, 1);
                assert!(!limiter.is_empty());
                limiter.filled_at = 0;
            }
        }
        assert!(size_of::<RateLimiter>() <= 12);
    }
}
