//! How much a client may say: a bucket of frames and one of bytes.
//!
//! A client that has emptied one of them is not read from for a moment. What it sends then waits in its own socket, and in
//! the end its own `send` waits: a flood costs the client that makes it, loses nothing, and cuts nobody off who only had
//! much to say at once.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How long a client that has said too much is not read from; then it may say again what became of that time.
const PAUSE: Duration = Duration::from_millis(50);

/// What a frame costs of its bucket, which is counted in thousandths: that many are earned in a millisecond, for each
/// frame a second that is allowed.
const FRAME: i32 = 1000;

/// What a client may send in a second, and at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) frames: u32,
    pub(crate) bytes: usize,
}

impl Rate {
    fn full(self) -> (i32, i32) {
        let frames = i32::try_from(self.frames).unwrap_or(i32::MAX).max(1).saturating_mul(FRAME);
        (frames, i32::try_from(self.bytes).unwrap_or(i32::MAX).max(1))
    }
}

/// The two buckets of one connection. The clock is read only when one is empty, not for each frame: what a client may
/// say between two looks is then up to two seconds' worth.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    frames: i32,
    /// Below zero by what the last read brought in excess.
    bytes: i32,
    /// When the buckets were filled last, in milliseconds.
    filled: u32,
}

/// While a client is not read from. Few are, so it is kept elsewhere.
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
        Self { frames, bytes, filled: now() }
    }

    /// So many bytes were read.
    pub(crate) fn read(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(i32::try_from(bytes).unwrap_or(i32::MAX));
    }

    /// They held a whole message.
    pub(crate) fn count_message(&mut self) {
        self.frames = self.frames.saturating_sub(FRAME);
    }

    /// Whether the client has said all that it may for now: [`Self::poll_full`] waits until it may say more.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames <= 0 || self.bytes <= 0
    }

    /// Waits until the client may say something.
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
            self.fill(rate, now());
            if !self.is_empty() {
                return Poll::Ready(());
            }
            on_pause(PauseEvent::Began);
            *pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
        }
    }

    fn fill(&mut self, rate: Rate, now: u32) {
        let passed = i64::from(now.wrapping_sub(self.filled));
        let (frames, bytes) = rate.full();
        let more = |had: i32, earned: i64, full: i32| {
            i32::try_from(i64::from(had).saturating_add(earned).min(i64::from(full))).unwrap_or(i32::MIN)
        };
        self.frames = more(self.frames, passed.saturating_mul(i64::from(frames / FRAME)), frames);
        self.bytes = more(self.bytes, passed.saturating_mul(i64::from(bytes)) / 1000, bytes);
        self.filled = now;
    }
}

/// Milliseconds since the first call in this process; begins anew after seven weeks.
fn now() -> u32 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let passed = now.saturating_duration_since(*BEGAN.get_or_init(|| now)).as_millis();
    u32::try_from(passed % (1 << 32)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(rate: Rate) -> RateLimiter {
        RateLimiter { filled: 0, ..RateLimiter::new(rate) }
    }

    #[test]
    fn a_flood_gets_a_seconds_worth_and_then_the_rate() {
        let rate = Rate { frames: 10, bytes: 1 << 20 };
        let mut meter = meter(rate);
        let mut said = 0;
        for millisecond in 0..10_000 {
            if meter.is_empty() {
                meter.fill(rate, millisecond);
            }
            while !meter.is_empty() {
                meter.count_message();
                said += 1;
            }
        }
        // A frame that is not whole yet may be borrowed, so one more or less.
        assert!((109..=111).contains(&said), "{said} in ten seconds");
    }

    #[test]
    fn bytes_that_came_in_excess_are_paid_for() {
        let rate = Rate { frames: u32::MAX, bytes: 1000 };
        let mut meter = meter(rate);
        meter.read(64 * 1024);
        meter.fill(rate, 64_000);
        assert!(meter.is_empty());
        meter.fill(rate, 65_000);
        assert!(!meter.is_empty());
        meter.fill(rate, u32::MAX);
        assert_eq!(meter.bytes, 1000, "a long silence saves up no more than a full bucket");
    }

    #[test]
    fn no_limit_is_none() {
        let rate = Rate { frames: u32::MAX, bytes: usize::MAX };
        let mut meter = meter(rate);
        for _ in 0..1_000_000 {
            meter.read(64 * 1024);
            meter.count_message();
            if meter.is_empty() {
                meter.fill(rate, 1);
                assert!(!meter.is_empty());
                meter.filled = 0;
            }
        }
        assert!(size_of::<RateLimiter>() <= 12);
    }
}
