//! The pause between attempts to connect.

use std::time::Duration;

use crate::layer::redis::connection_error::ConnectionError;
use crate::support::jittered;

/// A pause between attempts that doubles up to a limit.
#[derive(Debug)]
pub(crate) struct ReconnectBackoff {
    pause: Duration,
}

impl ReconnectBackoff {
    const FIRST: Duration = Duration::from_millis(50);
    /// Short, because a process receives no messages during the pause. Three attempts a second are a low load, even from a
    /// hundred processes.
    const LONGEST: Duration = Duration::from_millis(400);

    pub(crate) fn new() -> Self {
        Self { pause: Self::FIRST }
    }

    /// Resets the pause, because the connection works.
    pub(crate) fn reset(&mut self) {
        self.pause = Self::FIRST;
    }

    /// Returns whether no attempt has failed since the connection last worked.
    pub(crate) fn is_fresh(&self) -> bool {
        self.pause == Self::FIRST
    }

    /// Returns the pause after a failed attempt, and doubles the next one. After a timeout the pause is zero, because
    /// that attempt has waited long enough.
    pub(crate) fn wait_after(&mut self, error: &ConnectionError) -> tokio::time::Sleep {
        let pause = if matches!(error, ConnectionError::Late(_)) { Duration::ZERO } else { jittered(self.pause) };
        self.pause = (self.pause * 2).min(Self::LONGEST);
        tokio::time::sleep(pause)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::layer::redis::limits::DEADLINE;

    // Paused time: the measured time is the time slept.
    #[tokio::test(start_paused = true)]
    async fn backoff_skips_pause_after_timeout() {
        let late = timeout(DEADLINE, std::future::pending::<()>()).await.unwrap_err().into();
        let mut backoff = ReconnectBackoff::new();
        assert!(backoff.is_fresh());
        for _ in 0..20 {
            let begun = Instant::now();
            backoff.wait_after(&ConnectionError::Closed).await;
            assert!(
                begun.elapsed() >= ReconnectBackoff::FIRST / 2
                    && begun.elapsed() <= ReconnectBackoff::LONGEST.mul_f64(1.5)
            );
        }
        let begun = Instant::now();
        backoff.wait_after(&late).await;
        assert_eq!((begun.elapsed(), backoff.is_fresh()), (Duration::ZERO, false));
        backoff.reset();
        assert!(backoff.is_fresh());
    }
}
