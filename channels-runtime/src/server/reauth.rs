//! Repeated checks of logins: the authenticator is asked again about each open connection.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::server::authenticator::Authenticator;
use crate::server::login_expiry::LoginExpiry;
use crate::support::{count, lock, random_below};
use crate::user::Identified;
use crate::websocket::CloseCode;

/// The highest number of checks that run together.
const TOGETHER: usize = 16;

/// The number of checks in a row without an answer after which a connection is closed.
const UNANSWERED: u32 = 3;

/// A connection whose login is checked again.
#[derive(Clone)]
pub(super) struct Check {
    connection: Weak<Connection>,
    every: Duration,
    key: Option<Arc<str>>,
    has_user: bool,
    /// The number of checks in a row without an answer.
    unanswered: u32,
}

impl Check {
    pub(super) fn new(connection: &Arc<Connection>, every: Duration, key: Option<Arc<str>>, has_user: bool) -> Self {
        Self { connection: Arc::downgrade(connection), every, key, has_user, unanswered: 0 }
    }

    /// Returns the time of the next check: between three quarters of the time and the whole, so that connections that began
    /// together are checked at different times.
    fn next(&self, now: Instant) -> Option<Instant> {
        let quarter = self.every / 4;
        let early = Duration::from_nanos(random_below(u64::try_from(quarter.as_nanos()).unwrap_or(u64::MAX)));
        now.checked_add(self.every - early)
    }
}

/// The connections whose logins are checked again, in the order of their next checks. Bound: the open connections.
#[derive(Default)]
pub(super) struct Reauth {
    checks: Mutex<Checks>,
    /// Notified when a check is added that is due before all others.
    changed: Notify,
}

#[derive(Default)]
struct Checks {
    due: BTreeMap<(Instant, u64), (u32, Check)>,
    /// The place of each connection, by its index in the registry. A connection keeps its place while its check runs.
    by_index: HashMap<u32, (Instant, u64)>,
    /// The number of the next place.
    next: u64,
}

impl Checks {
    /// Adds a check. Returns whether it is due before all others.
    fn add(&mut self, index: u32, check: Check, now: Instant) -> bool {
        // A time that is too late for an `Instant` counts as never.
        let Some(at) = check.next(now) else { return false };
        let place = (at, self.next);
        self.next += 1;
        self.by_index.insert(index, place);
        self.due.insert(place, (index, check));
        self.due.first_key_value().is_some_and(|(first, _)| *first == place)
    }

    fn remove(&mut self, index: u32) {
        if let Some(place) = self.by_index.remove(&index) {
            self.due.remove(&place);
            if self.by_index.is_empty() {
                // Release memory after a peak.
                self.by_index = HashMap::new();
            }
        }
    }

    /// Removes and returns the next check if it is due, or returns when it is.
    fn take_due(&mut self, now: Instant) -> Result<((Instant, u64), u32, Check), Option<Instant>> {
        match self.due.first_key_value() {
            None => Err(None),
            Some(((at, _), _)) if *at > now => Err(Some(*at)),
            Some(_) => {
                let (place, (index, check)) = self.due.pop_first().ok_or(None)?;
                Ok((place, index, check))
            }
        }
    }

    /// Adds the next check of a connection whose check has ended, unless the connection has ended.
    fn repeat(&mut self, place: (Instant, u64), index: u32, check: Check) {
        if self.by_index.get(&index) == Some(&place) {
            self.add(index, check, Instant::now());
        }
    }
}

impl Reauth {
    pub(super) fn add(&self, index: u32, check: Check) {
        let is_next = lock(&self.checks).add(index, check, Instant::now());
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Removes a connection that has ended.
    pub(super) fn remove(&self, index: u32) {
        lock(&self.checks).remove(index);
    }
}

/// The task that checks the logins of all connections. No connection has a timer of its own.
pub(super) struct Checker {
    pub(super) schedule: Arc<Reauth>,
    pub(super) login_expiry: Arc<LoginExpiry>,
    pub(super) authenticator: Arc<Authenticator>,
    /// The time limit of one check.
    pub(super) deadline: Duration,
}

impl Checker {
    /// Checks logins until `stop` completes. Checks that run then are dropped.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut running = FuturesUnordered::new();
        loop {
            let mut next = None;
            while running.len() < TOGETHER {
                let taken = lock(&self.schedule.checks).take_due(Instant::now());
                match taken {
                    Ok((place, index, check)) => running.push(self.check(place, index, check)),
                    Err(due) => {
                        next = due;
                        break;
                    }
                }
            }
            let next = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The same future is polled again in the next iteration.
                () = &mut stop => return,
                // A check that has not ended stays in the list.
                Some(()) = running.next() => {}
                // A notification without a waiter is stored.
                () = self.schedule.changed.notified() => {}
                // A dropped sleep has no effect.
                () = next => {}
            }
        }
    }

    async fn check(&self, place: (Instant, u64), index: u32, mut check: Check) {
        // The connection is not held while the authenticator runs, so it can end.
        let Some(mut scope) = check.connection.upgrade().map(|connection| connection.scope().clone()) else { return };
        scope.set_user(None);
        let outcome = tokio::time::timeout(self.deadline, (self.authenticator)(scope)).await;
        let Some(connection) = check.connection.upgrade() else { return };
        match outcome {
            Ok(Ok(Identified { user, until, key, .. })) => {
                let is_same = user.is_some() == check.has_user && key == check.key;
                if !is_same || until.is_some_and(|until| until <= SystemTime::now()) {
                    return end(&connection);
                }
                check.unanswered = 0;
                if let Some(until) = until {
                    // Locked, so that a connection that ends meanwhile is removed from both lists after this.
                    let checks = lock(&self.schedule.checks);
                    if checks.by_index.get(&index) == Some(&place) {
                        self.login_expiry.remove(index);
                        self.login_expiry.add(index, until, &connection);
                    }
                }
            }
            Ok(Err(reject)) if reject.status() < 500 => return end(&connection),
            Ok(Err(_)) | Err(_) => {
                check.unanswered += 1;
                if check.unanswered >= UNANSWERED {
                    count(&connection.shared().counters.login_unchecked);
                    return connection.close(CloseCode::TRY_AGAIN_LATER, "the login could not be checked");
                }
            }
        }
        lock(&self.schedule.checks).repeat(place, index, check);
    }
}

fn end(connection: &Connection) {
    count(&connection.shared().counters.login_ended);
    connection.close(CloseCode::UNAUTHORIZED, "the login has ended");
}
