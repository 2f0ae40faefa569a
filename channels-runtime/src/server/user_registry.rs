//! The user registry: the open connections of each user, and the users whose connections were closed recently.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::layer::UserClose;
use crate::support::{count, lock};
use crate::websocket::CloseCode;

/// The number of closed users that are remembered.
const MAX_CLOSED: usize = 10_000;

/// The bytes of the keys of closed users that are remembered. A backend may close users with long keys.
const MAX_CLOSED_BYTES: usize = 4 * 1024 * 1024;

/// The time for which a closed user is remembered. A login that was checked earlier is checked again.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The open connections of each user.
#[derive(Default)]
pub(crate) struct UserRegistry {
    users: Mutex<Users>,
}

/// The connections of one user, with their indices in the connection registry. Most users have one.
type OfUser = SmallVec<[(u32, Weak<Connection>); 1]>;

#[derive(Default)]
struct Users {
    /// Bound: the open connections.
    by_key: HashMap<Arc<str>, OfUser>,
    /// The keys of the connections, by their index in the connection registry.
    by_index: HashMap<u32, Arc<str>>,
    /// Bound: [`MAX_CLOSED`] and [`MAX_CLOSED_BYTES`]. Policy: the oldest is forgotten, and logins that were checked before it are checked again.
    closed: HashMap<Arc<str>, Closed>,
    /// The closed users in the order of their times. A user that was closed again is listed twice.
    order: VecDeque<(Instant, Arc<str>)>,
    /// The bytes of the keys in `order`.
    closed_bytes: usize,
    /// The newest time of a close that is forgotten, or that this process may have missed.
    forgotten: Option<Instant>,
    /// Connections that were closed under a lock of the layer. They are dropped later without it, because the `Drop` of a user is
    /// code of the application.
    parked: Vec<Arc<Connection>>,
}

struct Closed {
    at: Instant,
    code: CloseCode,
    reason: Box<str>,
}

impl Users {
    fn forget_old(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front() {
            let is_old = now.saturating_duration_since(*at) >= REMEMBERED;
            if !is_old && self.order.len() <= MAX_CLOSED && self.closed_bytes <= MAX_CLOSED_BYTES {
                return;
            }
            self.forgotten = self.forgotten.max(Some(*at));
            self.closed_bytes -= key.len();
            if self.closed.get(key).is_some_and(|closed| closed.at == *at) {
                self.closed.remove(key);
            }
            self.order.pop_front();
        }
    }

    fn closed_since(&self, key: &str, checked: Instant) -> Option<&Closed> {
        self.closed.get(key).filter(|closed| closed.at >= checked)
    }
}

impl UserRegistry {
    /// Adds an open connection. Closes it if the user was closed since the login was checked.
    pub(super) fn add(&self, index: u32, key: Arc<str>, checked: Instant, connection: &Arc<Connection>) {
        let mut users = lock(&self.users);
        let parked = std::mem::take(&mut users.parked);
        if let Some(Closed { code, reason, .. }) = users.closed_since(&key, checked) {
            close(connection, *code, reason);
        } else if users.forgotten >= Some(checked) {
            close(connection, CloseCode::TRY_AGAIN_LATER, "the login could not be checked; connect again");
        }
        users.by_key.entry(Arc::clone(&key)).or_default().push((index, Arc::downgrade(connection)));
        users.by_index.insert(index, key);
        drop(users);
        drop(parked);
    }

    /// Removes a connection that has ended.
    pub(super) fn remove(&self, index: u32) {
        let mut users = lock(&self.users);
        let parked = std::mem::take(&mut users.parked);
        if let Some(key) = users.by_index.remove(&index)
            && let Some(connections) = users.by_key.get_mut(&key)
        {
            connections.retain(|(known, _)| *known != index);
            if connections.is_empty() {
                users.by_key.remove(&key);
            }
            // Release memory after a peak.
            if users.by_index.is_empty() {
                users.by_index = HashMap::new();
                users.by_key = HashMap::new();
            }
        }
        drop(users);
        drop(parked);
    }

    /// Returns when the user may have been closed, if that was after the login was checked.
    pub(super) fn closed_since(&self, key: &str, checked: Instant) -> Option<Instant> {
        let mut users = lock(&self.users);
        users.forget_old(Instant::now());
        let closed = users.closed_since(key, checked).map(|closed| closed.at);
        closed.max(users.forgotten.filter(|forgotten| *forgotten >= checked))
    }

    /// Forgets everything before now: this process may have missed that users were closed.
    pub(super) fn forget_all(&self) {
        lock(&self.users).forgotten = Some(Instant::now());
    }

    /// Closes the connections of a user, and remembers that.
    pub(super) fn close(&self, UserClose { key, code, reason }: UserClose) {
        let mut users = lock(&self.users);
        let now = Instant::now();
        // Removed, so that a user who is closed again does not count these twice. They end now.
        if let Some(connections) = users.by_key.remove(&*key) {
            for (index, connection) in connections {
                users.by_index.remove(&index);
                if let Some(connection) = connection.upgrade() {
                    close(&connection, code, &reason);
                    users.parked.push(connection);
                }
            }
        }
        let key: Arc<str> = key.into();
        // A reason has at most 123 bytes on the wire.
        let reason = reason.chars().take(123).collect::<String>().into();
        users.closed.insert(Arc::clone(&key), Closed { at: now, code, reason });
        users.closed_bytes += key.len();
        users.order.push_back((now, key));
        users.forget_old(now);
    }

    #[cfg(test)]
    fn sizes(&self) -> [usize; 4] {
        let users = lock(&self.users);
        [users.by_key.len(), users.by_index.len(), users.closed.len(), users.order.len()]
    }
}

fn close(connection: &Connection, code: CloseCode, reason: &str) {
    count(&connection.shared().counters.user_closed);
    connection.close(code, reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close_user(registry: &UserRegistry, key: &str) {
        registry.close(UserClose { key: key.into(), code: CloseCode::UNAUTHORIZED, reason: "x".repeat(1000) });
    }

    #[tokio::test(start_paused = true)]
    async fn closed_user_is_remembered_for_five_minutes() {
        let registry = UserRegistry::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        close_user(&registry, "ann");
        tokio::time::advance(Duration::from_secs(1)).await;
        let after = Instant::now();
        assert!(registry.closed_since("ann", before).is_some() && registry.closed_since("ann", after).is_none());
        assert!(registry.closed_since("bob", before).is_none());
        tokio::time::advance(REMEMBERED).await;
        // A login that was checked before anything that is forgotten is checked again, whoever the user is.
        assert!(registry.closed_since("ann", before).is_some() && registry.closed_since("bob", before).is_some());
        assert!(registry.closed_since("ann", after).is_none());
        assert_eq!(registry.sizes(), [0, 0, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn flood_of_closes_with_long_keys_is_bounded() {
        let registry = UserRegistry::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        for number in 0..20 {
            close_user(&registry, &format!("{number}{}", "x".repeat(MAX_CLOSED_BYTES / 5)));
        }
        assert_eq!(registry.sizes(), [0, 0, 4, 4]);
        // Those that are forgotten are on the safe side.
        assert!(registry.closed_since("ann", before).is_some());
        close_user(&registry, &"x".repeat(MAX_CLOSED_BYTES + 1));
        assert_eq!((registry.sizes(), lock(&registry.users).closed_bytes), ([0, 0, 0, 0], 0));
    }

    #[tokio::test(start_paused = true)]
    async fn flood_of_closes_is_bounded_and_forgets_on_the_safe_side() {
        let registry = UserRegistry::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        for number in 0..2 * MAX_CLOSED {
            close_user(&registry, &number.to_string());
        }
        for _ in 0..MAX_CLOSED {
            close_user(&registry, "ann");
        }
        assert_eq!(registry.sizes(), [0, 0, 1, MAX_CLOSED]);
        assert!(registry.closed_since("7", before).is_some() && registry.closed_since("bob", before).is_some());
    }
}
