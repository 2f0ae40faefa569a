//! The pause between attempts to connect.

use std::time::Duration;

use crate::layer::redis::connection_error::ConnectionError;

/// The pause between two tries to connect, longer each time.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    /// Short, because whoever waits here hears nothing: three tries a second are no load, not even those of a hundred processes.
    const LONGEST: Duration = Duration::from_millis(400);

    pub(crate) fn new() -> Self {
        Self { pause: Self::FIRST }
    }

    /// The connection works.
    pub(crate) fn reset(&mut self) {
        self.pause = Self::FIRST;
    }

    /// It has not failed since it worked.
    pub(crate) fn is_fresh(&self) -> bool {
        self.pause == Self::FIRST
    }

    /// A try that had no answer in all its time has waited long enough. The next pause is longer, however long this one lasts.
    pub(crate) fn wait_after(&mut self, error: &ConnectionError) -> tokio::time::Sleep {
        let pause = if matches!(error, ConnectionError::Late(_)) { Duration::ZERO } else { jittered(self.pause) };
        self.pause = (self.pause * 2).min(Self::LONGEST);
        tokio::time::sleep(pause)
    }
}

/// Half the pause to one and a half: processes that lost the same Redis do not all come back at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::layer::redis::limits::DEADLINE;

    // Paused time: what is measured is what was slept.
    #[tokio::test(start_paused = true)]
    async fn the_next_try_waits_unless_the_last_one_did() {
        let late = timeout(DEADLINE, std::future::pending::<()>()).await.unwrap_err().into();
        let mut backoff = Backoff::new();
        assert!(backoff.is_fresh());
        for _ in 0..20 {
            let begun = Instant::now();
            backoff.wait_after(&ConnectionError::Closed).await;
            assert!(begun.elapsed() >= Backoff::FIRST / 2 && begun.elapsed() <= Backoff::LONGEST.mul_f64(1.5));
        }
        let begun = Instant::now();
        backoff.wait_after(&late).await;
        assert_eq!((begun.elapsed(), backoff.is_fresh()), (Duration::ZERO, false));
        backoff.reset();
        assert!(backoff.is_fresh());
    }
}
