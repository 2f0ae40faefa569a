//! The circuit breaker: while a backend is down, few requests are sent to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::support::lock;

/// The number of failures in a row after which no request is sent for a pause.
const FAILURES: u32 = 5;

/// The first pause. It doubles while the backend stays down.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, which is the longest time after which a backend that works again is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Counts the failures of a backend. After a pause, one request at a time probes whether it works again.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// The client of the first of these failures that a client can cause.
    suspect: Option<Client>,
    /// Whether one client alone cannot have caused all of these failures.
    confirmed: bool,
    /// No request is sent before this time. `None`: the backend works.
    until: Option<Instant>,
    pause: Duration,
    /// A request probes the backend.
    probing: bool,
}

/// The address of a client, as the backend gets it. `None`: unknown.
pub(super) type Client = Option<HeaderValue>;

/// The cause of a failure, as far as it is known.
#[derive(Debug)]
pub(super) enum Failure {
    /// The backend cannot be reached.
    Backend,
    /// The backend has not answered the request of this client. The request itself can be the cause: a page that hangs or crashes for
    /// one user must not lock the others out.
    Request(Client),
}

/// The permission to send one request. Dropped without a result, it counts as neither.
#[derive(Debug)]
#[must_use = "report the result"]
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    is_probe: bool,
}

impl Breaker {
    /// Returns a pass, or the time after which a client may try again.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, Duration> {
        let mut state = lock(&self.0);
        let Some(until) = state.until else { return Ok(Pass { breaker: Arc::clone(self), is_probe: false }) };
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Err(left);
        }
        if state.probing {
            return Err(FIRST_PAUSE);
        }
        state.probing = true;
        Ok(Pass { breaker: Arc::clone(self), is_probe: true })
    }
}

impl Pass {
    /// Reports that the backend works, whatever it has answered. Returns whether it was down before.
    pub(super) fn succeed(self) -> bool {
        let mut state = lock(&self.breaker.0);
        let was_down = state.until.is_some();
        // A request from before the pause may end late. Only the probe ends the pause, because it is newer.
        if self.is_probe || !was_down {
            *state = State::default();
            return was_down;
        }
        false
    }

    /// Reports a failure. Returns the pause if the backend counts as down from now on: after several failures in a row that one
    /// client alone cannot have caused.
    pub(super) fn fail(self, failure: Failure) -> Option<Duration> {
        let mut state = lock(&self.breaker.0);
        state.failures = state.failures.saturating_add(1);
        match failure {
            Failure::Backend => state.confirmed = true,
            Failure::Request(client) => {
                let suspect = state.suspect.get_or_insert_with(|| client.clone());
                state.confirmed |= *suspect != client;
            }
        }
        let is_first = state.until.is_none() && state.failures >= FAILURES && state.confirmed;
        if !self.is_probe && !is_first {
            return None;
        }
        state.pause = if is_first { FIRST_PAUSE } else { (state.pause * 2).min(LONGEST_PAUSE) };
        state.until = Some(Instant::now() + state.pause);
        is_first.then_some(state.pause)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_probe {
            lock(&self.breaker.0).probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::default());
        for _ in 1..FAILURES {
            assert_eq!(breaker.enter().unwrap().fail(Failure::Backend), None);
        }
        assert_eq!(breaker.enter().unwrap().fail(Failure::Backend), Some(FIRST_PAUSE));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn breaker_opens_after_failures_in_a_row_only() {
        let breaker = Arc::new(Breaker::default());
        for _ in 0..10 {
            for _ in 1..FAILURES {
                assert_eq!(breaker.enter().unwrap().fail(Failure::Backend), None);
            }
            assert!(!breaker.enter().unwrap().succeed());
        }
        assert_eq!(open().enter().unwrap_err(), FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_closes_breaker() {
        let breaker = open();
        tokio::time::advance(FIRST_PAUSE).await;
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_err(), "the probe runs");
        // A cancelled probe leaves the place to the next one.
        drop(probe);
        assert_eq!(breaker.enter().unwrap().fail(Failure::Backend), None);
        assert_eq!(breaker.enter().unwrap_err(), 2 * FIRST_PAUSE);
        for pause in [4, 8, 8] {
            tokio::time::advance(LONGEST_PAUSE).await;
            _ = breaker.enter().unwrap().fail(Failure::Backend);
            assert_eq!(breaker.enter().unwrap_err(), pause * FIRST_PAUSE);
        }
        tokio::time::advance(LONGEST_PAUSE).await;
        assert!(breaker.enter().unwrap().succeed());
        let (one, other) = (breaker.enter().unwrap(), breaker.enter().unwrap());
        assert!(!one.succeed() && !other.succeed());
    }

    #[tokio::test(start_paused = true)]
    async fn late_success_from_before_pause_does_not_close_breaker() {
        let breaker = Arc::new(Breaker::default());
        let late = breaker.enter().unwrap();
        for _ in 0..FAILURES {
            _ = breaker.enter().unwrap().fail(Failure::Backend);
        }
        assert!(!late.succeed() && breaker.enter().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_alone_does_not_open_breaker() {
        let breaker = Arc::new(Breaker::default());
        let fail = |client: &'static str| {
            breaker.enter().unwrap().fail(Failure::Request(Some(HeaderValue::from_static(client))))
        };
        for _ in 0..2 * FAILURES {
            assert_eq!(fail("10.0.0.1"), None);
        }
        assert_eq!(fail("10.0.0.2"), Some(FIRST_PAUSE));

        let breaker = Arc::new(Breaker::default());
        let unknown = || breaker.enter().unwrap().fail(Failure::Request(None));
        for _ in 0..2 * FAILURES {
            assert_eq!(unknown(), None);
        }
        assert_eq!(breaker.enter().unwrap().fail(Failure::Backend), Some(FIRST_PAUSE));
    }
}
