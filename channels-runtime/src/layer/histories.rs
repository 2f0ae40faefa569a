//! The histories of a table: how a kept message arrives, and the histories without members.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::event::{History, Id, Reign};
use crate::layer::chain::Link;
use crate::name::GroupName;
use crate::support::lock;

/// The default of the memory for kept messages, in bytes.
pub(crate) const HISTORY_MEMORY: usize = 64 * 1024 * 1024;

/// The most groups without members whose histories this process keeps. Beyond it, the oldest is forgotten.
pub(super) const MOST_RETAINED: usize = 10_000;

/// The way in which a kept message arrives.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A process that keeps the history itself sends it.
    Sent { id: Id, history: History, reign: Reign },
    /// A server has linked it.
    #[cfg_attr(
        not(any(feature = "redis", feature = "testing")),
        expect(dead_code, reason = "only a server links messages")
    )]
    Linked(Link),
}

/// The histories of a table.
pub(crate) struct Histories {
    /// The histories of groups without members, by the time until which they are kept. Only for a process that keeps the
    /// histories itself. Each is listed once. Its lock is taken last. Bound: [`MOST_RETAINED`]. Policy: the first entry is
    /// forgotten.
    retained: Mutex<BTreeSet<(Instant, GroupName)>>,
    bytes: Arc<AtomicUsize>,
    /// The limit of `bytes`.
    limit: AtomicUsize,
}

/// The bytes of one history, as a part of those of its table.
pub(super) struct HistoryBytes {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl HistoryBytes {
    pub(super) fn set(&mut self, bytes: usize) {
        self.total.fetch_add(bytes, Relaxed);
        self.total.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Relaxed);
    }
}

impl Drop for HistoryBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Default for Histories {
    fn default() -> Self {
        Self { retained: Mutex::default(), bytes: Arc::default(), limit: AtomicUsize::new(HISTORY_MEMORY) }
    }
}

impl Histories {
    /// Begins to count the bytes of a history.
    pub(super) fn count_bytes(&self) -> HistoryBytes {
        HistoryBytes { bytes: 0, total: Arc::clone(&self.bytes) }
    }

    /// Returns the bytes of all histories.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Relaxed);
    }

    /// Lists the history of a group without members until `due`. `listed` is the time under which it is listed.
    pub(super) fn retain(&self, group: &GroupName, due: Instant, listed: &mut Option<Instant>) {
        if listed.is_none() {
            *listed = Some(due);
            lock(&self.retained).insert((due, group.clone()));
        }
    }

    /// Removes the history of a group from the list.
    pub(super) fn release(&self, group: &GroupName, listed: &mut Option<Instant>) {
        if let Some(due) = listed.take() {
            lock(&self.retained).remove(&(due, group.clone()));
        }
    }

    /// Removes all histories from the list.
    pub(super) fn release_all(&self) {
        lock(&self.retained).clear();
    }

    /// Takes the next group to forget from the list, if its time is over, or if the list is too long.
    pub(super) fn take_due(&self, now: Instant) -> Option<Due> {
        let mut retained = lock(&self.retained);
        let is_excess = retained.len() > MOST_RETAINED;
        let (due, _) = retained.first()?;
        if *due > now && !is_excess {
            return None;
        }
        retained.pop_first().map(|(_, group)| Due { group, is_excess })
    }

    #[cfg(all(test, feature = "redis"))]
    pub(super) fn is_retained(&self, group: &GroupName) -> bool {
        lock(&self.retained).iter().filter(|(_, known)| known == group).count() == 1
    }
}

/// A group without members whose history may be forgotten.
pub(super) struct Due {
    pub(super) group: GroupName,
    /// It is forgotten before its time.
    pub(super) is_excess: bool,
}
