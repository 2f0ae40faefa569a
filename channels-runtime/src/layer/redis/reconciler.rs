//! The reconciliation of one Redis server with the local table: the names to check, and the callers that wait for them.
//!
//! A caller never sets the state of Redis. It changes the table and marks the name dirty, and the driver reads the table when
//! it processes that name. So a concurrent join and leave cannot result in the wrong state, and a failed write is repeated with
//! the current state. This structure does no I/O and has no lock: a driver owns it.

use std::hash::Hash;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::LayerError;
use crate::layer::redis::connection_error::{ConnectionError, unavailable};
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::CALL_DEADLINE;

/// The reply of Redis to one name.
type Outcome = Result<(), Arc<ConnectionError>>;

/// The callers that wait for one name.
type Waiters = Vec<oneshot::Sender<Outcome>>;

/// The names to reconcile. A name is dirty, in flight, or both. It is both if it changed while a command for it was in flight.
///
/// The driver of a reconciler bounds the number of dirty names.
#[derive(Debug)]
pub(super) struct Reconciler<K> {
    dirty: IndexMap<K, Waiters>,
    in_flight: IndexMap<K, Waiters>,
}

impl<K> Default for Reconciler<K> {
    fn default() -> Self {
        Self { dirty: IndexMap::new(), in_flight: IndexMap::new() }
    }
}

impl<K: Hash + Eq + Clone> Reconciler<K> {
    /// Marks a name dirty, because its state in the table has changed.
    pub(super) fn mark_dirty(&mut self, name: K) {
        self.dirty.entry(name).or_default();
    }

    /// Marks these names dirty, ahead of all other dirty names.
    pub(super) fn mark_dirty_first(&mut self, names: impl IntoIterator<Item = K>) {
        let dirty = std::mem::take(&mut self.dirty);
        self.dirty.extend(names.into_iter().map(|name| (name, Waiters::new())));
        for (name, waiters) in dirty {
            self.dirty.entry(name).or_default().extend(waiters);
        }
    }

    /// Marks a name dirty, and returns the confirmation of its next write.
    pub(super) fn confirm(&mut self, name: K) -> Confirmation {
        let (tx, rx) = oneshot::channel();
        self.dirty.entry(name).or_default().push(tx);
        Confirmation(rx)
    }

    /// Returns the number of dirty names.
    pub(super) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Returns whether no name is dirty or in flight.
    pub(super) fn is_settled(&self) -> bool {
        self.dirty.is_empty() && self.in_flight.is_empty()
    }

    /// Moves the oldest dirty names, up to `limit`, in flight. The driver must settle each of them, or fail all.
    pub(super) fn take_batch(&mut self, limit: usize) -> Vec<K> {
        let batch = self.dirty.drain(..limit.min(self.dirty.len()));
        let batch = batch.map(|(name, waiters)| {
            self.in_flight.entry(name.clone()).or_default().extend(waiters);
            name
        });
        batch.collect()
    }

    /// Removes a name that Redis has replied to, and notifies its callers.
    pub(super) fn settle(&mut self, name: &K, outcome: &Outcome) {
        for waiter in self.in_flight.swap_remove(name).into_iter().flatten() {
            _ = waiter.send(outcome.clone());
        }
    }

    /// Removes a name that needs no write. Its callers receive [`LayerError::Closed`].
    pub(super) fn skip(&mut self, name: &K) {
        self.in_flight.swap_remove(name);
    }

    /// Marks a name in flight dirty again, with its callers: the reply of Redis was not the last one.
    pub(super) fn repeat(&mut self, name: &K) {
        if let Some(waiters) = self.in_flight.swap_remove(name) {
            self.dirty.entry(name.clone()).or_default().extend(waiters);
        }
    }

    /// Marks all names in flight dirty again: the connection failed, and Redis may have executed any of the commands.
    pub(super) fn fail_batch(&mut self) {
        for (name, waiters) in self.in_flight.drain(..) {
            let waiters = waiters.into_iter().filter(|waiter| !waiter.is_closed());
            self.dirty.entry(name).or_default().extend(waiters);
        }
    }

    /// Notifies all callers that Redis refused the connection. Their names stay dirty.
    pub(super) fn refuse_awaited(&mut self, error: &Arc<ConnectionError>) {
        for waiter in self.dirty.values_mut().flat_map(std::mem::take) {
            _ = waiter.send(Err(Arc::clone(error)));
        }
    }

    /// Removes the dirty names that no caller waits for.
    pub(super) fn retain_awaited(&mut self) {
        self.dirty.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
    }

    /// Removes all names. Their callers receive [`LayerError::Closed`].
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The future reply of Redis to one name.
#[derive(Debug)]
pub(super) struct Confirmation(oneshot::Receiver<Outcome>);

impl Confirmation {
    /// Waits for the reply, no longer than [`CALL_DEADLINE`]. After it, the error names the last error of the connection.
    ///
    /// # Cancel safety
    /// The table decides what is written: dropping this future changes nothing.
    pub(super) async fn wait(self, action: &'static str, last_error: &LastError) -> Result<(), LayerError> {
        match timeout(CALL_DEADLINE, self.0).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(unavailable(action, error)),
            Ok(Err(_)) => Err(LayerError::Closed),
            Err(late) => Err(unavailable(action, last_error.after_deadline(late))),
        }
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::make_extension_error;

    use super::*;

    fn refused() -> Outcome {
        Err(Arc::new(make_extension_error("NOPERM".into(), None).into()))
    }

    #[tokio::test(start_paused = true)]
    async fn confirmation_returns_reply_of_its_own_write() {
        let mut reconciler = Reconciler::default();
        let first = reconciler.confirm("a");
        assert_eq!(reconciler.take_batch(9), ["a"]);
        // The table changed while the first write was in flight, so its reply does not count for the second.
        let second = reconciler.confirm("a");
        reconciler.settle(&"a", &Ok(()));
        first.wait("SUBSCRIBE", &LastError::default()).await.unwrap();
        assert_eq!((reconciler.dirty(), reconciler.is_settled()), (1, false));
        assert_eq!(reconciler.take_batch(9), ["a"]);
        reconciler.settle(&"a", &refused());
        assert!(matches!(second.wait("SUBSCRIBE", &LastError::default()).await, Err(LayerError::Unavailable { .. })));
        assert!(reconciler.is_settled());
        let unwritten = reconciler.confirm("a");
        let last_error = LastError::default();
        last_error.set(&Arc::new(ConnectionError::Closed));
        let error = unwritten.wait("SUBSCRIBE", &last_error).await.unwrap_err();
        assert!(
            crate::error::Error::from(error).to_string().ends_with("the last error was: the connection was closed")
        );
        let (skipped, cleared) = (reconciler.confirm("b"), reconciler.confirm("c"));
        assert_eq!(reconciler.take_batch(2), ["a", "b"]);
        reconciler.skip(&"b");
        reconciler.clear();
        for confirmation in [skipped, cleared] {
            assert!(matches!(confirmation.wait("SUBSCRIBE", &last_error).await, Err(LayerError::Closed)));
        }
    }

    #[test]
    fn repeated_name_is_dirty_again_with_its_callers() {
        let mut reconciler = Reconciler::default();
        let (first, other) = (reconciler.confirm("a"), reconciler.confirm("b"));
        assert_eq!(reconciler.take_batch(9), ["a", "b"]);
        let second = reconciler.confirm("a");
        reconciler.repeat(&"a");
        reconciler.settle(&"a", &Ok(()));
        reconciler.settle(&"b", &Ok(()));
        let [Confirmation(mut first), Confirmation(mut second), Confirmation(mut other)] = [first, second, other];
        assert!(first.try_recv().is_err() && second.try_recv().is_err() && other.try_recv().unwrap().is_ok());
        assert_eq!(reconciler.take_batch(9), ["a"]);
        reconciler.settle(&"a", &Ok(()));
        assert!(first.try_recv().unwrap().is_ok() && second.try_recv().unwrap().is_ok());
    }

    #[test]
    fn failed_batch_is_dirty_again_with_its_callers() {
        let mut reconciler = Reconciler::default();
        let (awaited, dropped) = (reconciler.confirm("awaited"), reconciler.confirm("dropped"));
        reconciler.mark_dirty("changed");
        assert_eq!(reconciler.take_batch(2), ["awaited", "dropped"]);
        drop(dropped);
        reconciler.fail_batch();
        reconciler.retain_awaited();
        reconciler.mark_dirty("last");
        reconciler.mark_dirty_first(["first", "awaited"]);
        assert_eq!(reconciler.take_batch(9), ["first", "awaited", "last"]);
        reconciler.settle(&"awaited", &Ok(()));
        let Confirmation(mut reply) = awaited;
        assert!(reply.try_recv().unwrap().is_ok());
        let Confirmation(mut reply) = reconciler.confirm("refused");
        reconciler.refuse_awaited(&refused().unwrap_err());
        assert!(reply.try_recv().unwrap().is_err());
        assert_eq!(reconciler.take_batch(9), ["refused"]);
    }
}
