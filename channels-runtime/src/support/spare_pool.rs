//! A pool of empty buffers for one thread.

use std::cell::RefCell;

/// The maximum number of buffers in a pool. A message to a large group needs one for each member, and should not allocate them.
const MAX_SPARES: usize = 1024;

/// Empty buffers for reuse. Bound: 1,024 buffers; further ones are freed.
pub(crate) struct SparePool<T>(RefCell<Vec<T>>);

impl<T> SparePool<T> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.borrow_mut().pop()
    }

    /// Keeps a buffer for reuse. The buffer must be empty and small.
    pub(crate) fn put(&self, spare: T) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < MAX_SPARES {
            spares.push(spare);
        }
    }
}
