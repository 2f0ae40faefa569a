//! The lease of a slot during an endless response.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::support::lock;
use crate::web::slots::Slot;

/// An extension of a response whose body has no end. Admission counts its connection for as long as its [`SlotGuard`] exists, so
/// its socket does not count as waiting. The sockets of all other responses count as waiting from the head of the response on: a
/// client that reads slowly is treated like one that sends slowly.
#[derive(Clone, Default)]
pub(super) struct SlotLease(Arc<Mutex<Lent>>);

#[derive(Default)]
enum Lent {
    /// The response has not started.
    #[default]
    Early,
    To(Arc<Slot>),
    Returned,
}

impl SlotLease {
    fn lock(&self) -> MutexGuard<'_, Lent> {
        lock(&self.0)
    }

    /// Returns the guard. When it is dropped, the socket waits again, as for any other response.
    pub(super) fn guard(&self) -> SlotGuard {
        SlotGuard(self.clone())
    }

    /// Lends the slot of the socket to which the response is written.
    pub(crate) fn lend(&self, slot: &Arc<Slot>) {
        let mut lent = self.lock();
        if matches!(*lent, Lent::Returned) {
            slot.wait_for_head();
        } else {
            *lent = Lent::To(Arc::clone(slot));
        }
    }
}

/// The guard of a [`SlotLease`].
pub(super) struct SlotGuard(SlotLease);

impl Drop for SlotGuard {
    fn drop(&mut self) {
        if let Lent::To(slot) = std::mem::replace(&mut *self.0.lock(), Lent::Returned) {
            slot.wait_for_head();
        }
    }
}
