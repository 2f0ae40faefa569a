//! The priority of a message in the write queue.

/// The number of connections that the write queue writes between two turns of the readers.
///
/// Measured: with 32, replies of Redis that arrived meanwhile missed the batch, and a delivery over pub/sub cost a tenth more.
/// 8 had no advantage over 16.
pub(crate) const TURN: usize = 16;

/// The priority of pending output, by the number of members that receive the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WritePriority {
    /// A message to one client, or to a group that is written within one turn.
    Interactive,
    /// A message to a larger group.
    Bulk,
}

impl WritePriority {
    /// Returns the priority of a message to this number of members.
    pub(crate) fn of(members: usize) -> Self {
        if members > TURN { Self::Bulk } else { Self::Interactive }
    }
}
