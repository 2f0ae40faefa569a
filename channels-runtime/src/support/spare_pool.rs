//! A thread's pool of empty buffers.

use std::cell::RefCell;

/// The number of buffers that a pool keeps: as many as a large group needs together, so that a message to it takes none from
/// the allocator.
const KEPT: usize = 1024;

/// Empty buffers for reuse. Bound: 1,024 buffers; further ones are freed.
pub(crate) struct SparePool<T>(RefCell<Vec<T>>);

impl<T> SparePool<T> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.borrow_mut().pop()
    }

    /// Keeps a buffer. It must be empty, and small enough to be kept while it is not used.
    pub(crate) fn put(&self, spare: T) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < KEPT {
            spares.push(spare);
        }
    }
}
