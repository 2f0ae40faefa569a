//! The last error of a task's connection.

use std::sync::{Arc, Mutex};

use tokio::time::error::Elapsed;

use crate::layer::redis::connection_error::ConnectionError;
use crate::support::lock;

/// The reason why a task has no working connection now.
///
/// The task knows the reason, but its callers only notice that no reply comes. They add it to their errors.
#[derive(Debug, Default)]
pub(super) struct LastError(Mutex<Option<Arc<ConnectionError>>>);

impl LastError {
    /// Records that the connection failed.
    pub(super) fn set(&self, error: &Arc<ConnectionError>) {
        *lock(&self.0) = Some(Arc::clone(error));
    }

    /// Records that the connection works.
    pub(super) fn clear(&self) {
        *lock(&self.0) = None;
    }

    /// Returns the error, if the connection does not work.
    pub(super) fn get(&self) -> Option<Arc<ConnectionError>> {
        lock(&self.0).clone()
    }

    /// Returns the error of a call whose deadline has passed.
    pub(super) fn after_deadline(&self, late: Elapsed) -> ConnectionError {
        match self.get() {
            Some(cause) if !matches!(*cause, ConnectionError::Late(_)) => ConnectionError::LateAfter(cause),
            _ => late.into(),
        }
    }
}
