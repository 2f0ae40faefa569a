//! The effects of a change of a connection's state. The caller of the change executes them.

use std::ops::BitOrAssign;

use crate::layer::WritePriority;

/// The effects of one method call on [`State`](super::state::State).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[must_use = "an effect that is not executed leaves a task asleep or output unwritten"]
pub(super) struct Effects {
    /// Wake the connection's task.
    pub(super) wake_task: bool,
    /// Wake the task that waits for space in the outbound queue, usually for a handler.
    pub(super) wake_waiter: bool,
    /// Push the connection to the write queue, once for each of these priorities. If the connection's task writes, wake it
    /// instead.
    pub(super) schedule: Priorities,
    /// Count the rule that ended the connection.
    pub(super) ended: Option<EndRule>,
    /// Count the messages that were dropped.
    pub(super) dropped: Dropped,
}

impl Effects {
    /// Makes the effect of scheduling output with these priorities.
    pub(super) fn schedule(schedule: impl Into<Priorities>) -> Self {
        Self { schedule: schedule.into(), ..Self::default() }
    }

    /// Returns whether there is something to count, which is rare.
    pub(super) fn has_counts(&self) -> bool {
        self.ended.is_some() || self.dropped != Dropped::default()
    }
}

/// The rule by which the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndRule {
    /// The outbound queue is full.
    TooSlow,
    /// The mailbox is full, and its policy is `disconnect`.
    Behind,
    /// The client did not answer the heartbeat. Output that it has not read is discarded with the socket.
    Unanswered,
    /// The client did not send a message within the idle limit.
    Idle,
    /// The unfinished messages of all clients exceed their limit, and this client's message has the highest cost.
    Unfinished,
}

/// The number of messages that were dropped, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) expired: u32,
    pub(super) volatile: u32,
    pub(super) coalesced: u32,
    pub(super) oldest: u32,
}

/// A set of write priorities, in one byte.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Priorities(u8);

impl Priorities {
    pub(super) const NONE: Self = Self(0);

    const fn bit(priority: WritePriority) -> u8 {
        match priority {
            WritePriority::Interactive => 1,
            WritePriority::Bulk => 2,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, priority: WritePriority) -> bool {
        self.0 & Self::bit(priority) != 0
    }

    /// Adds or removes a priority.
    pub(super) fn set(&mut self, priority: WritePriority, is_member: bool) {
        if is_member {
            self.0 |= Self::bit(priority);
        } else {
            self.0 &= !Self::bit(priority);
        }
    }

    /// Returns the priorities: usually one at most.
    pub(super) fn iter(self) -> impl Iterator<Item = WritePriority> {
        [WritePriority::Interactive, WritePriority::Bulk].into_iter().filter(move |priority| self.contains(*priority))
    }
}

impl BitOrAssign for Priorities {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl From<WritePriority> for Priorities {
    fn from(priority: WritePriority) -> Self {
        Self(Self::bit(priority))
    }
}
