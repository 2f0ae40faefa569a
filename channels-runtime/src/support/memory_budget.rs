//! A bound for the memory that many owners hold together.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use tokio::time::Instant;

use crate::support::sync::lock;

/// An owner of memory that can be asked to release it.
pub(crate) trait Revoke: Send + Sync {
    /// Begins to release the memory.
    fn revoke(&self);
}

/// The age from which an owner's bytes count tenfold, in milliseconds. A greater age does not raise the cost, because the oldest owner
/// may hold few bytes, whose release would not help.
const OLD: u128 = 9_000;

/// Memory that many owners hold together. Bound: `limit` bytes. Policy: beyond it, the owner with the highest cost must release its
/// memory, and then the next one, until the rest is within the limit. The cost is the number of bytes, multiplied by a factor of 1 to
/// 10 that grows with their age. So owners that hold many bytes for a long time release theirs first.
pub(crate) struct MemoryBudget {
    limit: usize,
    leases: Mutex<Leases>,
}

#[derive(Default)]
struct Leases {
    next: u64,
    bytes: usize,
    by_number: HashMap<u64, Held>,
}

struct Held {
    bytes: usize,
    since: Instant,
    owner: Weak<dyn Revoke>,
}

impl Held {
    fn cost(&self, now: Instant) -> u128 {
        (1000 + now.saturating_duration_since(self.since).as_millis().min(OLD)) * self.bytes as u128
    }
}

/// The memory of one owner, released on drop.
pub(crate) struct Lease {
    budget: Arc<MemoryBudget>,
    number: u64,
}

impl MemoryBudget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, leases: Mutex::default() })
    }

    /// Returns a lease without memory.
    pub(crate) fn lease(self: &Arc<Self>, owner: Weak<dyn Revoke>) -> Lease {
        let mut leases = lock(&self.leases);
        let number = leases.next;
        leases.next += 1;
        leases.by_number.insert(number, Held { bytes: 0, since: Instant::now(), owner });
        Lease { budget: Arc::clone(self), number }
    }
}

impl Leases {
    /// Sets the memory of a lease. One that was revoked is not counted any more.
    fn set(&mut self, number: u64, bytes: usize) {
        if let Some(held) = self.by_number.get_mut(&number) {
            self.bytes = self.bytes - held.bytes + bytes;
            held.bytes = bytes;
        }
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.by_number.remove(&number)?;
        self.bytes -= held.bytes;
        Some(held)
    }

    /// Removes the lease with the highest cost.
    fn remove_largest(&mut self) -> Option<Weak<dyn Revoke>> {
        let now = Instant::now();
        let (number, _) = self.by_number.iter().max_by_key(|(number, held)| (held.cost(now), u64::MAX - **number))?;
        self.remove(*number).map(|held| held.owner)
    }
}

impl Lease {
    /// Sets the number of bytes that the owner holds. May revoke this lease or others.
    pub(crate) fn set(&self, bytes: usize) {
        let mut leases = lock(&self.budget.leases);
        leases.set(self.number, bytes);
        let mut revoked = Vec::new();
        while leases.bytes > self.budget.limit
            && let Some(owner) = leases.remove_largest()
        {
            revoked.push(owner);
        }
        // After unlocking, because an owner may drop its lease.
        drop(leases);
        revoked.iter().filter_map(Weak::upgrade).for_each(|owner| owner.revoke());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.budget.leases).remove(self.number);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Owner(AtomicBool);

    impl Revoke for Owner {
        fn revoke(&self) {
            self.0.store(true, Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn largest_and_oldest_owner_releases_first() {
        let budget = MemoryBudget::new(1000);
        let owners: Vec<_> = (0..5).map(|_| Arc::new(Owner::default())).collect();
        let lease = |at: usize, bytes: usize| {
            let owner: Arc<dyn Revoke> = Arc::<Owner>::clone(&owners[at]);
            let lease = budget.lease(Arc::downgrade(&owner));
            lease.set(bytes);
            lease
        };
        let revoked = || owners.iter().map(|owner| u8::from(owner.0.load(Relaxed))).collect::<Vec<_>>();
        let small = lease(0, 10);
        let slow = lease(1, 400);
        tokio::time::advance(Duration::from_secs(10)).await;
        let quick = lease(2, 590);
        assert_eq!(revoked(), [0, 0, 0, 0, 0], "the limit may be used up");
        let one_more = lease(3, 1);
        assert_eq!(revoked(), [0, 1, 0, 0, 0], "it is smaller, but much older");
        // A revoked lease does not count, even if it grows.
        slow.set(900);
        let last = lease(4, 2000);
        assert_eq!(revoked(), [0, 1, 0, 0, 1], "it is larger than the limit, and the old one is too small to help");
        drop((small, slow, quick, one_more, last));
        let leases = lock(&budget.leases);
        assert!(leases.bytes == 0 && leases.by_number.is_empty());
    }
}
