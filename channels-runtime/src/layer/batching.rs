//! Batching: messages to one group that arrive together reach each member in one batch.
//!
//! A send to a thousand members visits a thousand connections, and the processor's caches hold few of them. One read of a
//! socket may return several messages. The task that handles them announces before each one whether more follow
//! ([`more_follows`]). If so, the message of the first send to a group is prepared, and then waits in the group. The next
//! send to the group, or the end of the [`BatchScope`], delivers all waiting messages.
//!
//! A member can notice a batch only by the time of its messages:
//!
//! - Order: a waiting message has its place in the order of its group, which is the order of the group's lock. Any other
//!   operation on the group, on any thread, first delivers the waiting messages.
//! - One group per thread: any other operation of this thread on a table first delivers the waiting messages.
//! - Time: no message waits outside of a [`BatchScope`], and a scope lasts for one poll of a task ([`batched`]). A handler that
//!   waits or blocks its thread first [delivers the waiting messages](flush). If a message has waited for a millisecond, the
//!   next send to the group delivers it.
//! - Sender: only messages that the handler itself sends can wait. A send may run user code that also sends, for example a
//!   `Serialize`; those messages are delivered immediately.

use std::cell::Cell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::layer::counters::Counters;
use crate::layer::group_members::Groups;
use crate::name::GroupName;

thread_local! {
    static BATCH: Batch = const { Batch { in_scope: Cell::new(false), more: Cell::new(false), open: Cell::new(None) } };
}

/// The batch of one thread. Its [`BatchScope`] owns it.
struct Batch {
    in_scope: Cell<bool>,
    /// More messages follow the one that is handled now.
    more: Cell<bool>,
    open: Cell<Option<OpenBatch>>,
}

impl Batch {
    fn flush(&self) {
        self.more.set(false);
        if let Some(open) = self.open.take() {
            open.deliver();
        }
    }
}

/// Calls `use_batch` with the batch of this thread. Returns `None` while the thread ends: it has no batch then, and no message
/// waits.
fn with_batch<T>(use_batch: impl FnOnce(&Batch) -> T) -> Option<T> {
    BATCH.try_with(use_batch).ok()
}

/// A group in which a message of this thread waits.
pub(super) struct OpenBatch {
    pub(super) groups: Arc<Groups>,
    pub(super) counters: Arc<Counters>,
    pub(super) hash: u64,
    pub(super) group: GroupName,
}

impl OpenBatch {
    fn is_of(&self, groups: &Arc<Groups>, hash: u64, group: &GroupName) -> bool {
        self.hash == hash && Arc::ptr_eq(&self.groups, groups) && self.group == *group
    }

    fn deliver(&self) {
        let delivered = {
            let mut shard = self.groups.at(self.hash);
            shard.get_mut(&self.group).and_then(|(_, members)| members.deliver_waiting())
        };
        if let Some(delivered) = delivered {
            delivered.count(&self.counters);
        }
    }
}

/// The scope within which messages of this thread may wait. Delivers the waiting messages on drop.
pub(crate) struct BatchScope {
    /// Another scope of this thread contains this one, and continues when this one ends.
    is_inner: bool,
    /// Not `Send`, because the batch belongs to this thread.
    not_send: PhantomData<*const ()>,
}

impl BatchScope {
    pub(crate) fn enter() -> Self {
        let is_inner = with_batch(|batch| {
            batch.flush();
            batch.in_scope.replace(true)
        });
        Self { is_inner: is_inner.unwrap_or_default(), not_send: PhantomData }
    }
}

impl Drop for BatchScope {
    fn drop(&mut self) {
        with_batch(|batch| {
            batch.flush();
            batch.in_scope.set(self.is_inner);
        });
    }
}

pin_project_lite::pin_project! {
    /// A future whose polls are each a [`BatchScope`].
    struct Batched<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Batched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = BatchScope::enter();
        self.project().future.poll(cx)
    }
}

/// Makes each poll of a future a [`BatchScope`].
pub(crate) fn batched<F: Future>(future: F) -> impl Future<Output = F::Output> {
    Batched { future }
}

/// Announces whether more messages follow the one that is handled next. If so, the message of its first send to a group may
/// wait for them.
pub(crate) fn more_follows(more: bool) {
    with_batch(|batch| batch.more.set(more && batch.in_scope.get()));
}

/// Delivers the waiting messages of this thread.
pub(crate) fn flush() {
    with_batch(Batch::flush);
}

/// Returns whether the message of this send may wait. The next one may not, unless [`more_follows`] is called again.
pub(super) fn take_more() -> bool {
    with_batch(|batch| batch.more.take()).unwrap_or_default()
}

/// Delivers the waiting messages of this thread in any other group. Closes and returns the batch of this group.
pub(super) fn flush_others(groups: &Arc<Groups>, hash: u64, group: &GroupName) -> Option<OpenBatch> {
    let open = with_batch(|batch| batch.open.take()).flatten()?;
    if open.is_of(groups, hash, group) {
        return Some(open);
    }
    open.deliver();
    None
}

/// Records that a message waits in this group, until the scope ends at the latest.
pub(super) fn open(open: OpenBatch) {
    with_batch(|batch| {
        debug_assert!(batch.in_scope.get(), "only a scope announces more messages");
        batch.open.set(Some(open));
    });
}
