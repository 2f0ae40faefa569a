//! The subscriptions of this process on one Redis server: the confirmed topics, and those to reconcile.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use deadpool_redis::redis::RedisError;
use tokio::sync::{Notify, watch};

use crate::error::LayerError;
use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::pubsub::topics::Topics;
use crate::layer::redis::reconciler::Reconciler;
use crate::support::lock;

/// The subscriptions on one server.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
    changed: Notify,
    last_error: LastError,
    /// The number of connections that were lost.
    connections: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The topics to subscribe or unsubscribe. Bound: the topics that changed since the subscriber last took all of them, which
    /// it does once in a round trip. While Redis is unreachable: those that changed since the last attempt to connect, and
    /// those that a caller waits for.
    pub(super) reconciler: Reconciler<String>,
    /// The topics that Redis has confirmed on this connection.
    pub(super) confirmed: HashSet<String>,
    closed: bool,
    /// The connection was lost, and some topics are not subscribed again yet.
    lost: bool,
}

impl Subscriptions {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        crate::support::point_before(&self.state);
        lock(&self.state)
    }

    /// Waits until a topic is subscribed. The table must want it.
    ///
    /// # Cancel safety
    /// The table decides what is subscribed: dropping this future changes nothing.
    pub(super) async fn confirmed(&self, topic: String) -> Result<(), LayerError> {
        self.all_confirmed([topic]).await
    }

    /// Waits until these topics are subscribed, like [`Self::confirmed`]. They are subscribed in this order.
    pub(super) async fn all_confirmed<const N: usize>(&self, topics: [String; N]) -> Result<(), LayerError> {
        let confirmations = {
            let State { closed: false, reconciler, confirmed, .. } = &mut *self.lock() else {
                return Err(LayerError::Closed);
            };
            topics.map(|topic| (!confirmed.contains(&topic)).then(|| reconciler.confirm(topic)))
        };
        self.changed.notify_one();
        for confirmation in confirmations.into_iter().flatten() {
            confirmation.wait("SUBSCRIBE", &self.last_error).await?;
        }
        Ok(())
    }

    /// Marks a topic to be checked again, because the table has changed.
    pub(super) fn mark_dirty(&self, topic: String) {
        self.mark_all_dirty([topic]);
    }

    /// Marks topics to be checked again, in this order, because the table has changed.
    pub(super) fn mark_all_dirty<const N: usize>(&self, topics: [String; N]) {
        let mut state = self.lock();
        topics.into_iter().for_each(|topic| state.reconciler.mark_dirty(topic));
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until a topic was marked dirty.
    ///
    /// # Cancel safety
    /// A notification without a waiter is kept.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the number of the current connection. A lost connection keeps its number until [`Self::lost`] is called.
    pub(super) fn connection(&self) -> u64 {
        *self.connections.borrow()
    }

    /// Returns a receiver that is notified when a connection is lost.
    pub(super) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    /// Begins a connection, which has no subscriptions yet: marks all wanted topics dirty.
    pub(super) fn connected(&self, topics: &impl Topics) {
        let wanted = topics.wanted();
        // The dirty topics are kept: a topic may have been joined while the table was read.
        self.lock().reconciler.mark_dirty_first(wanted);
    }

    /// Ends a connection, or an attempt to connect. The next connection subscribes all wanted topics, so only topics with
    /// waiting callers are kept. If Redis refused the connection, the callers get that error. Returns whether a gap begins.
    pub(super) fn lost(&self, error: &Arc<ConnectionError>) -> bool {
        self.last_error.set(error);
        let state = &mut *self.lock();
        state.confirmed.clear();
        state.reconciler.fail_batch();
        if error.is_refusal() {
            state.reconciler.refuse_awaited(error);
        }
        state.reconciler.retain_awaited();
        // Under the lock, so that a topic is never confirmed on an older connection than this number names.
        self.connections.send_modify(|number| *number += 1);
        !std::mem::replace(&mut state.lost, true)
    }

    /// Records that all changes were written. Returns whether this ends a gap.
    pub(super) fn restored(&self) -> bool {
        self.last_error.clear();
        std::mem::take(&mut self.lock().lost)
    }

    /// Returns the error of the connection, if it does not work now.
    pub(super) fn last_error(&self) -> Option<Arc<ConnectionError>> {
        self.last_error.get()
    }

    /// Returns whether this connection has a confirmed topic and no gap is open. If Redis refuses a topic after that, the cause
    /// is the topic, because this process may subscribe others.
    pub(super) fn is_restored(&self) -> bool {
        let state = self.lock();
        !state.lost && !state.confirmed.is_empty()
    }

    /// Returns whether the connection was lost, and the gap is still open.
    pub(super) fn is_lost(&self) -> bool {
        self.lock().lost
    }

    /// Ends all waits with [`LayerError::Closed`].
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.reconciler.clear();
    }

    /// Takes the changes: the topics to subscribe, and those to unsubscribe. The topics to subscribe stay in flight.
    pub(super) fn take_changes(&self, topics: &impl Topics) -> (Vec<String>, Vec<String>) {
        let State { reconciler, confirmed, .. } = &mut *self.lock();
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for topic in reconciler.take_batch(usize::MAX) {
            // Decided and recorded under one lock: a later join finds the topic unconfirmed, and waits.
            match (topics.is_wanted(&topic), confirmed.contains(&topic)) {
                (true, false) => add.push(topic),
                (false, false) => reconciler.skip(&topic),
                (is_wanted, true) => {
                    reconciler.settle(&topic, &Ok(()));
                    if !is_wanted {
                        confirmed.remove(&topic);
                        remove.push(topic);
                    }
                }
            }
        }
        (add, remove)
    }

    /// Records that Redis has subscribed these topics.
    pub(super) fn subscribed(&self, batch: &[String]) {
        let State { reconciler, confirmed, .. } = &mut *self.lock();
        for topic in batch {
            confirmed.insert(topic.clone());
            reconciler.settle(topic, &Ok(()));
        }
    }

    /// Records that Redis refused to subscribe this topic.
    pub(super) fn refused(&self, topic: &String, error: RedisError) {
        self.lock().reconciler.settle(topic, &Err(Arc::new(error.into())));
    }
}
