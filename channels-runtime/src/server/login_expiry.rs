//! Login expiry: closes each connection when its login ends.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::support::{count, lock};
use crate::websocket::CloseCode;

/// The time between two checks of the wall clock.
const ROUND: Duration = Duration::from_secs(10);

/// The step of the wall clock after which all logins are checked. The clocks also drift apart, because NTP corrects one of them.
const STEP: Duration = Duration::from_secs(1);

/// The connections whose logins end, in order of these ends.
///
/// One task waits for the next end, so no connection has a timer of its own. A connection whose login never ends is not listed.
#[derive(Default)]
pub(crate) struct LoginExpiry {
    ends: Mutex<Ends<Weak<Connection>>>,
    /// Notified when a login is added that ends before all others.
    changed: Notify,
}

/// The present, by both clocks.
///
/// A login ends by the wall clock, because its issuer knows no other. Timers run by the monotonic clock, which does not notice that
/// the wall clock is corrected, and on Linux stands still while the machine sleeps.
#[derive(Debug, Clone, Copy)]
struct Now {
    monotonic: Instant,
    wall: SystemTime,
}

impl Now {
    fn get() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }
}

/// The end of one login.
struct End<T> {
    wall: SystemTime,
    value: T,
}

/// The ends of logins. Bound: one for each open connection, identified by its index in the registry.
struct Ends<T> {
    in_order: BTreeMap<(Instant, u32), End<T>>,
    by_index: HashMap<u32, Instant>,
    /// The last check of the wall clock. `None` before the first login.
    checked: Option<Now>,
}

// `derive` would require `T: Default`.
impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self { in_order: BTreeMap::new(), by_index: HashMap::new(), checked: None }
    }
}

impl<T> Ends<T> {
    /// Adds a login. Returns whether it ends before all others.
    fn add(&mut self, index: u32, wall: SystemTime, value: T, now: Now) -> bool {
        let left = wall.duration_since(now.wall).unwrap_or_default();
        // An end that is too late for an `Instant` counts as no end.
        let Some(end) = now.monotonic.checked_add(left) else { return false };
        self.checked.get_or_insert(now);
        self.by_index.insert(index, end);
        self.in_order.insert((end, index), End { wall, value });
        self.in_order.first_key_value().is_some_and(|((_, first), _)| *first == index)
    }

    fn remove(&mut self, index: u32) {
        if let Some(end) = self.by_index.remove(&index) {
            self.in_order.remove(&(end, index));
            // Release memory after a peak.
            if self.by_index.len() * 4 < self.by_index.capacity() {
                let keep = self.by_index.len() * 2;
                self.by_index.shrink_to(keep);
            }
        }
    }

    /// Removes and returns the logins that have ended, by one of the two clocks.
    fn take_ended(&mut self, now: Now) -> Vec<T> {
        let mut ended: Vec<_> = self.in_order.range(..=(now.monotonic, u32::MAX)).map(|(key, _)| *key).collect();
        if self.wall_clock_stepped(now) {
            let by_wall =
                self.in_order.iter().filter(|((end, _), login)| *end > now.monotonic && login.wall <= now.wall);
            ended.extend(by_wall.map(|(key, _)| *key));
        }
        let take = |key: (Instant, u32)| {
            self.by_index.remove(&key.1);
            self.in_order.remove(&key).map(|end| end.value)
        };
        ended.into_iter().filter_map(take).collect()
    }

    /// Returns whether the wall clock has advanced more than the monotonic one since the last check.
    fn wall_clock_stepped(&mut self, now: Now) -> bool {
        let Some(checked) = self.checked else { return false };
        let expected = checked.wall + now.monotonic.saturating_duration_since(checked.monotonic);
        let (ahead, behind) = (now.wall.duration_since(expected), expected.duration_since(now.wall));
        let [ahead, behind] = [ahead, behind].map(|step| step.is_ok_and(|step| step >= STEP));
        // Small steps are not forgotten, so slow drift adds up to a step.
        if ahead || behind {
            self.checked = Some(now);
        }
        ahead
    }

    /// Returns when to call [`Self::take_ended`] next. `None` without a login.
    fn next(&self, now: Now) -> Option<Instant> {
        let ((end, _), _) = self.in_order.first_key_value()?;
        Some((*end).min(now.monotonic + ROUND))
    }
}

impl LoginExpiry {
    fn lock(&self) -> MutexGuard<'_, Ends<Weak<Connection>>> {
        lock(&self.ends)
    }

    /// Adds a connection, to be closed when its login ends. No other open connection has its index.
    pub(crate) fn add(&self, index: u32, end: SystemTime, connection: &Arc<Connection>) {
        let is_next = self.lock().add(index, end, Arc::downgrade(connection), Now::get());
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Removes a connection that has ended.
    pub(crate) fn remove(&self, index: u32) {
        self.lock().remove(index);
    }

    /// Closes connections until `stop` completes.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let now = Now::get();
            let ended = self.lock().take_ended(now);
            for connection in ended.iter().filter_map(Weak::upgrade) {
                count(&connection.shared().counters.login_ended);
                connection.close(CloseCode::UNAUTHORIZED, "the login has ended");
            }
            let next = self.lock().next(now);
            let next = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The same future is polled again in the next iteration.
                () = &mut stop => return,
                // A notification without a waiter is stored.
                () = self.changed.notified() => {}
                // A dropped sleep has no effect.
                () = next => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Two clocks. A test sets them.
    fn clocks() -> Now {
        Now { monotonic: Instant::now(), wall: SystemTime::UNIX_EPOCH + 1_000_000 * MINUTE }
    }

    fn later(now: Now, monotonic: Duration, wall: Duration) -> Now {
        Now { monotonic: now.monotonic + monotonic, wall: now.wall + wall }
    }

    /// Logins that end after 1, 10 and 100 minutes.
    fn logins(now: Now) -> Ends<u32> {
        let mut ends = Ends::default();
        for (index, minutes) in [(3, 100), (1, 1), (2, 10)] {
            let is_next = ends.add(index, now.wall + minutes * MINUTE, minutes, now);
            assert_eq!(is_next, index != 2);
        }
        ends
    }

    #[test]
    fn login_ends_with_time() {
        let start = clocks();
        let mut ends = logins(start);
        assert!(ends.take_ended(later(start, MINUTE / 2, MINUTE / 2)).is_empty());
        assert_eq!(ends.next(later(start, 55 * MINUTE / 60, 55 * MINUTE / 60)), Some(start.monotonic + MINUTE));
        assert_eq!(ends.take_ended(later(start, MINUTE, MINUTE)), [1]);
        ends.remove(2);
        assert!(ends.take_ended(later(start, 50 * MINUTE, 50 * MINUTE)).is_empty());
        assert_eq!(ends.take_ended(later(start, 100 * MINUTE, 100 * MINUTE)), [100]);
        assert_eq!(ends.next(later(start, 100 * MINUTE, 100 * MINUTE)), None);
    }

    #[test]
    fn login_ends_if_wall_clock_steps_forward_or_machine_slept() {
        let start = clocks();
        let mut ends = logins(start);
        let round = later(start, ROUND, ROUND);
        assert_eq!((ends.next(start), ends.take_ended(round)), (Some(round.monotonic), vec![]));
        // The wall clock advances by an hour, and the monotonic clock does not advance.
        let slept = later(round, Duration::ZERO, 60 * MINUTE);
        let mut ended = ends.take_ended(slept);
        ended.sort_unstable();
        assert_eq!(ended, [1, 10]);
        assert!(ends.take_ended(later(slept, ROUND, 30 * MINUTE)).is_empty());
        assert_eq!(ends.take_ended(later(slept, 2 * ROUND, 40 * MINUTE)), [100]);
    }

    #[test]
    fn login_ends_if_wall_clock_drifts_ahead() {
        let start = clocks();
        let mut ends = Ends::default();
        ends.add(1, start.wall + Duration::from_secs(42), 1, start);
        // Half a second for each round.
        for (round, wanted) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
            let now = later(start, round * ROUND, round * (ROUND + STEP / 2));
            assert_eq!(ends.take_ended(now).len(), wanted, "after {round} rounds");
        }
    }

    #[test]
    fn wall_clock_that_steps_back_does_not_extend_login() {
        let start = clocks();
        let mut ends = logins(start);
        let back = Now { wall: start.wall - 60 * MINUTE, ..later(start, MINUTE / 2, Duration::ZERO) };
        assert!(ends.take_ended(back).is_empty());
        assert_eq!(ends.take_ended(later(back, MINUTE / 2, MINUTE / 2)), [1]);
        // A login after the step ends by the corrected clock.
        ends.add(4, back.wall + 2 * MINUTE, 4, back);
        assert_eq!(ends.take_ended(later(back, 2 * MINUTE, 2 * MINUTE)), [4]);
        // The clock is corrected again.
        assert_eq!(ends.take_ended(later(back, 3 * MINUTE, 80 * MINUTE)), [10]);
    }
}
