//! Messages to one group that come in a burst, handed to each member in one visit.
//!
//! A visit of a thousand members is a walk through a thousand connections, most of them in no cache near the processor. Where
//! one read of a socket brings several messages, whoever handles them says before each whether [more](begin_batch)
//! follow. While they do, what goes to a group is made ready and waits with the group; the last one, or
//! [`flush_batch`], takes all of it to the members.
//!
//! Nobody can tell the difference but by the clock. What waits has its place in the order of the group, which is that of
//! the group's lock: whatever happens to the group meanwhile, on whichever thread, hands over what waits first. And it is
//! the only thing that waits on this thread: whatever else is done to a table here hands it over first. It never waits
//! longer than the task is polled, nor for a handler that waits or blocks its thread.

use std::cell::Cell;
use std::sync::Arc;

use crate::layer::counters::Counters;
use crate::layer::group_members::Groups;
use crate::name::GroupName;

thread_local! {
    static MORE: Cell<bool> = const { Cell::new(false) };
    static OPEN: Cell<Option<Open>> = const { Cell::new(None) };
}

/// The group that messages of this thread wait with.
pub(super) struct Open {
    pub(super) groups: Arc<Groups>,
    pub(super) counters: Arc<Counters>,
    pub(super) hash: u64,
    pub(super) group: GroupName,
}

impl Open {
    fn is(&self, groups: &Arc<Groups>, hash: u64, group: &GroupName) -> bool {
        self.hash == hash && Arc::ptr_eq(&self.groups, groups) && self.group == *group
    }

    fn hand_over(&self) {
        let handed = {
            let mut shard = self.groups.at(self.hash);
            shard.get_mut(&self.group).and_then(|(_, members)| members.hand_over())
        };
        if let Some(handed) = handed {
            handed.count(&self.counters);
        }
    }
}

/// Whether more follows what is handled next: then its first message to a group may wait for that. Whoever says so must
/// [`flush_batch`] before the poll of its task ends.
pub(crate) fn begin_batch(more: bool) {
    MORE.set(more);
}

/// Whether more follows. Said once only: what is sent next will not wait for what comes after.
pub(super) fn takes_more() -> bool {
    MORE.take()
}

/// Hands over what waits on this thread.
pub(crate) fn flush_batch() {
    MORE.set(false);
    if let Some(open) = take() {
        open.hand_over();
    }
}

/// Hands over what waits on this thread with any group but this one. Whether something waits with this one; that is
/// forgotten here.
pub(super) fn flush_other_batches(groups: &Arc<Groups>, hash: u64, group: &GroupName) -> Option<Open> {
    let open = take()?;
    if open.is(groups, hash, group) {
        return Some(open);
    }
    open.hand_over();
    None
}

/// Something waits with this group.
pub(super) fn open(open: Open) {
    OPEN.set(Some(open));
}

fn take() -> Option<Open> {
    // While a thread ends there may be nothing to look at any more, and nothing waits.
    OPEN.try_with(Cell::take).ok().flatten()
}
