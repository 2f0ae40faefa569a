//! Batching: messages to one group that arrive together reach each member in one batch.
//!
//! A send to a thousand members visits a thousand connections, and the processor's caches hold few of them. One read of a
//! socket may bring several messages. The task that handles them announces before each one whether [more follow](more_follows).
//! If so, the first send to a group is prepared and then waits with the group. The next send, or the end of the
//! [`BatchScope`], delivers all that waits.
//!
//! A member can notice a batch only by the time of its messages:
//!
//! - Order: a waiting message has its place in the order of its group, which is the order of the group's lock. Any other
//!   operation on the group, on any thread, first delivers what waits.
//! - One group per thread: any other operation of this thread on a table first delivers what waits.
//! - Time: nothing waits outside of a [`BatchScope`], and a scope lasts for one poll of a task ([`batched`]). A handler that
//!   waits or blocks its thread first [delivers what waits](flush). After a millisecond the next send to the group does.
//! - Only the messages of the handler itself wait: code that the send runs, for example a `Serialize` that sends, delivers
//!   its own messages immediately.

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
    /// Whether more messages follow the one that is handled now.
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

/// Uses the batch of this thread. `None` while the thread ends: it has no batch then, and nothing waits.
fn with_batch<T>(use_it: impl FnOnce(&Batch) -> T) -> Option<T> {
    BATCH.try_with(use_it).ok()
}

/// The group that messages of this thread wait with.
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

/// The time in which messages of this thread may wait. Delivers what waits when it is dropped.
pub(crate) struct BatchScope {
    /// Whether it was entered within another scope of this thread, which goes on after it.
    is_inner: bool,
    /// The batch belongs to this thread.
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
    /// A future, each poll of which is a [`BatchScope`].
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

/// Announces whether more messages follow the one that is handled next. If so, its first send to a group may wait for them.
pub(crate) fn more_follows(more: bool) {
    with_batch(|batch| batch.more.set(more && batch.in_scope.get()));
}

/// Delivers what waits on this thread.
pub(crate) fn flush() {
    with_batch(Batch::flush);
}

/// Returns whether this send may wait. The next one may not, unless [`more_follows`] is called again.
pub(super) fn take_more() -> bool {
    with_batch(|batch| batch.more.take()).unwrap_or_default()
}

/// Delivers what waits on this thread with any other group. Returns the batch of this group, which is no longer open.
pub(super) fn flush_others(groups: &Arc<Groups>, hash: u64, group: &GroupName) -> Option<OpenBatch> {
    let open = with_batch(|batch| batch.open.take()).flatten()?;
    if open.is_of(groups, hash, group) {
        return Some(open);
    }
    open.deliver();
    None
}

/// Notes that a message waits with this group until the scope ends.
pub(super) fn open(open: OpenBatch) {
    with_batch(|batch| {
        debug_assert!(batch.in_scope.get(), "only a scope announces more messages");
        batch.open.set(Some(open));
    });
}
