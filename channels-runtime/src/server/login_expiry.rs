//! When logins end: connections that are closed at a moment that was known when they were made.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::support::{count, lock};
use crate::websocket::CloseCode;

/// All moments, and one task that waits for the next of them: no connection has a timer of its own, and one whose login has
/// no end is not in here.
#[derive(Default)]
pub(crate) struct LoginExpiry {
    ends: Mutex<Ends>,
    /// The next moment is another one than before.
    changed: Notify,
}

/// Their bound is the number of connections: each is in here at most once, and leaves when it ends.
#[derive(Default)]
struct Ends {
    in_order: BTreeMap<(Instant, u32), Weak<Connection>>,
    of: HashMap<u32, Instant>,
}

impl LoginExpiry {
    fn lock(&self) -> MutexGuard<'_, Ends> {
        lock(&self.ends)
    }

    /// Closes the connection then. `place` is its alone while it lives.
    pub(crate) fn add(&self, place: u32, end: Instant, connection: &Arc<Connection>) {
        let mut ends = self.lock();
        ends.of.insert(place, end);
        ends.in_order.insert((end, place), Arc::downgrade(connection));
        let is_next = ends.in_order.first_key_value().is_some_and(|((_, first), _)| *first == place);
        drop(ends);
        if is_next {
            self.changed.notify_one();
        }
    }

    /// The connection has ended.
    pub(crate) fn remove(&self, place: u32) {
        let mut ends = self.lock();
        if let Some(end) = ends.of.remove(&place) {
            ends.in_order.remove(&(end, place));
            if ends.of.len() * 4 < ends.of.capacity() {
                let keep = ends.of.len() * 2;
                ends.of.shrink_to(keep);
            }
        }
    }

    fn take(&self, now: Instant) -> Option<Weak<Connection>> {
        let mut ends = self.lock();
        let next = ends.in_order.first_entry().filter(|next| next.key().0 <= now)?;
        let ((_, place), connection) = next.remove_entry();
        ends.of.remove(&place);
        Some(connection)
    }

    /// Closes connections until `stop` is done.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            while let Some(connection) = self.take(Instant::now()) {
                if let Some(connection) = connection.upgrade() {
                    count(&connection.shared().counters.login_ended);
                    connection.close(CloseCode::UNAUTHORIZED, "the login has ended");
                }
            }
            let next = self.lock().in_order.first_key_value().map(|((end, _), _)| *end);
            let next = async {
                match next {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Asked again with the same future.
                () = &mut stop => return,
                // A notice that comes while nobody waits is kept.
                () = self.changed.notified() => {}
                // A sleep that is dropped has done nothing.
                () = next => {}
            }
        }
    }
}
