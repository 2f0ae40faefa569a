//! The histories of a table: how a kept message arrives, and the histories without members.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

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
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "only a server links messages"))]
    Linked(Link),
}

/// The histories of a table.
pub(crate) struct Histories {
    /// The histories of groups without members, with the time until which they are kept. Only for a process that keeps the
    /// histories itself. Bound: [`MOST_RETAINED`]. Policy: the first entry is forgotten.
    retained: Mutex<VecDeque<(Instant, GroupName)>>,
    /// The bytes of all chains.
    pub(super) bytes: AtomicUsize,
    /// The limit of `bytes`.
    limit: AtomicUsize,
}

impl Default for Histories {
    fn default() -> Self {
        Self { retained: Mutex::default(), bytes: AtomicUsize::new(0), limit: AtomicUsize::new(HISTORY_MEMORY) }
    }
}

impl Histories {
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Relaxed);
    }

    /// Keeps the history of a group without members until `due`.
    pub(super) fn retain(&self, due: Instant, group: GroupName) {
        lock(&self.retained).push_back((due, group));
    }

    /// Takes the next groups to check, at most two, so that the cost of a send is constant.
    pub(super) fn take_due(&self, now: Instant) -> [Option<GroupName>; 2] {
        let mut retained = lock(&self.retained);
        [(); 2].map(|()| {
            let excess = retained.len() > MOST_RETAINED;
            let (due, _) = retained.front()?;
            if *due > now && !excess {
                return None;
            }
            retained.pop_front().map(|(_, group)| group)
        })
    }

    /// Returns whether more groups are retained than the bound allows.
    pub(super) fn is_over_bound(&self) -> bool {
        lock(&self.retained).len() >= MOST_RETAINED
    }
}
