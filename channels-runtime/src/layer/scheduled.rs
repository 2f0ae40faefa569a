//! The connections that a broadcast schedules for writing.
//!
//! A broadcast visits up to thousands of connections while it holds the lock of its group. It collects the connections that
//! need a write, and appends many of them to their queue together, instead of locking the queue once for each.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::layer::write_priority::WritePriority;

/// The number of connections that are appended together. They are on the stack, so a broadcast does not allocate memory.
const TOGETHER: usize = 64;

/// A connection with pending output.
pub(crate) trait Writable: Send + Sync {
    /// Writes the pending output once. Returns whether the connection must be appended to the queue again.
    fn flush(&self, priority: WritePriority) -> bool;
}

/// A queue of connections with pending output.
pub(crate) trait OutputQueue: Send + Sync {
    /// Takes the connections, and appends them in their order. None of them may be in the queue of this priority already.
    fn append(&self, connections: &mut Writables, priority: WritePriority);
}

/// Connections to append to a queue.
pub(crate) type Writables = SmallVec<[Arc<dyn Writable>; TOGETHER]>;

/// Connections that need a write and are not in their queue yet. They are appended on drop at the latest, also after a panic:
/// their state marks them as scheduled, so no other thread appends them.
#[derive(Default)]
pub(crate) struct Scheduled<'a> {
    queue: Option<(&'a dyn OutputQueue, WritePriority)>,
    connections: Writables,
}

impl<'a> Scheduled<'a> {
    /// Adds a connection, to be appended to this queue.
    pub(crate) fn add(&mut self, queue: &'a dyn OutputQueue, connection: Arc<dyn Writable>, priority: WritePriority) {
        let is_same = self.queue.is_some_and(|(known, of)| std::ptr::addr_eq(known, queue) && of == priority);
        if !is_same || self.connections.len() == TOGETHER {
            self.flush();
            self.queue = Some((queue, priority));
        }
        self.connections.push(connection);
    }

    fn flush(&mut self) {
        if let Some((queue, priority)) = self.queue
            && !self.connections.is_empty()
        {
            queue.append(&mut self.connections, priority);
        }
    }
}

impl Drop for Scheduled<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Numbered;

    impl Writable for Numbered {
        fn flush(&self, _: WritePriority) -> bool {
            false
        }
    }

    /// Records how many connections were appended together, and with which priority.
    #[derive(Default)]
    struct Recorded(Mutex<Vec<(usize, WritePriority)>>);

    impl OutputQueue for Recorded {
        fn append(&self, connections: &mut Writables, priority: WritePriority) {
            self.0.lock().unwrap().push((connections.drain(..).count(), priority));
        }
    }

    impl Recorded {
        fn take(&self) -> Vec<(usize, WritePriority)> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn add<'a>(scheduled: &mut Scheduled<'a>, queue: &'a Recorded, many: usize, priority: WritePriority) {
        (0..many).for_each(|_| scheduled.add(queue, Arc::new(Numbered), priority));
    }

    #[test]
    fn broadcast_appends_its_connections_together() {
        let queue = Recorded::default();
        let mut scheduled = Scheduled::default();
        add(&mut scheduled, &queue, 2 * TOGETHER + 1, WritePriority::Bulk);
        assert_eq!(queue.take(), [(TOGETHER, WritePriority::Bulk); 2]);
        drop(scheduled);
        assert_eq!(queue.take(), [(1, WritePriority::Bulk)]);
    }

    #[test]
    fn connections_of_other_queue_or_priority_are_appended_separately() {
        let (one, other) = (Recorded::default(), Recorded::default());
        let mut scheduled = Scheduled::default();
        add(&mut scheduled, &one, 2, WritePriority::Bulk);
        add(&mut scheduled, &one, 3, WritePriority::Interactive);
        add(&mut scheduled, &other, 4, WritePriority::Interactive);
        drop(scheduled);
        assert_eq!(one.take(), [(2, WritePriority::Bulk), (3, WritePriority::Interactive)]);
        assert_eq!(other.take(), [(4, WritePriority::Interactive)]);
    }

    #[test]
    fn connections_are_appended_after_a_panic() {
        let queue = Recorded::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut scheduled = Scheduled::default();
            add(&mut scheduled, &queue, 1, WritePriority::Bulk);
            panic!("a payload's drop");
        }));
        assert!(panicked.is_err());
        assert_eq!(queue.take(), [(1, WritePriority::Bulk)]);
    }

    #[test]
    fn empty_list_is_not_appended() {
        drop(Scheduled::default());
        let queue = Recorded::default();
        let mut scheduled = Scheduled::default();
        add(&mut scheduled, &queue, TOGETHER, WritePriority::Bulk);
        drop(scheduled);
        assert_eq!(queue.take().len(), 1);
    }
}
