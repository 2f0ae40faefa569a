//! Login expiry: closes each connection when its login ends.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::support::{count, lock};
use crate::websocket::CloseCode;

/// The connections whose logins end, in order of these ends.
///
/// One task waits for the next end, so no connection has a timer of its own. A connection whose login never ends is not listed.
#[derive(Default)]
pub(crate) struct LoginExpiry {
    ends: Mutex<Ends>,
    /// Notified when a login is added that ends before all others.
    changed: Notify,
}

/// The ends of logins. Bound: one for each open connection, identified by its index in the registry.
#[derive(Default)]
struct Ends {
    in_order: BTreeMap<(Instant, u32), Weak<Connection>>,
    by_index: HashMap<u32, Instant>,
}

impl LoginExpiry {
    fn lock(&self) -> MutexGuard<'_, Ends> {
        lock(&self.ends)
    }

    /// Adds a connection, to be closed when its login ends. No other open connection has its index.
    pub(crate) fn add(&self, index: u32, end: Instant, connection: &Arc<Connection>) {
        let mut ends = self.lock();
        ends.by_index.insert(index, end);
        ends.in_order.insert((end, index), Arc::downgrade(connection));
        let is_next = ends.in_order.first_key_value().is_some_and(|((_, first), _)| *first == index);
        drop(ends);
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Removes a connection that has ended.
    pub(crate) fn remove(&self, index: u32) {
        let mut ends = self.lock();
        if let Some(end) = ends.by_index.remove(&index) {
            ends.in_order.remove(&(end, index));
            // Release memory after a peak.
            if ends.by_index.len() * 4 < ends.by_index.capacity() {
                let keep = ends.by_index.len() * 2;
                ends.by_index.shrink_to(keep);
            }
        }
    }

    /// Removes and returns a connection whose login has ended.
    fn pop_ended(&self, now: Instant) -> Option<Weak<Connection>> {
        let mut ends = self.lock();
        let next = ends.in_order.first_entry().filter(|next| next.key().0 <= now)?;
        let ((_, index), connection) = next.remove_entry();
        ends.by_index.remove(&index);
        Some(connection)
    }

    /// Closes connections until `stop` completes.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            while let Some(connection) = self.pop_ended(Instant::now()) {
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
