//! The slot of a socket during a response without an end.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::support::lock;
use crate::web::slots::Slot;

/// What an answer carries whose body has no end of its own, and is one of the connections that the door counts for as long as
/// its [`SlotGuard`] lives. All others count as waiting from their head on: whoever is slow to take them is not better than whoever
/// is slow to ask.
#[derive(Clone, Default)]
pub(super) struct SlotLease(Arc<Mutex<Lent>>);

#[derive(Default)]
enum Lent {
    /// The answer is not begun yet.
    #[default]
    Early,
    To(Arc<Slot>),
    GivenBack,
}

impl SlotLease {
    fn lock(&self) -> MutexGuard<'_, Lent> {
        lock(&self.0)
    }

    /// Makes the one that counts it. When that is dropped, the rest of the answer is like any other.
    pub(super) fn place(&self) -> SlotGuard {
        SlotGuard(self.clone())
    }

    /// The answer goes to this one.
    pub(crate) fn lend(&self, slot: &Arc<Slot>) {
        let mut lent = self.lock();
        if matches!(*lent, Lent::GivenBack) {
            slot.asks();
        } else {
            *lent = Lent::To(Arc::clone(slot));
        }
    }
}

/// See [`SlotLease`].
pub(super) struct SlotGuard(SlotLease);

impl Drop for SlotGuard {
    fn drop(&mut self) {
        if let Lent::To(slot) = std::mem::replace(&mut *self.0.lock(), Lent::GivenBack) {
            slot.asks();
        }
    }
}
