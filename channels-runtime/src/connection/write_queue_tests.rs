//! Tests of connections in the write queue: priorities, turns and order.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::time::Instant;

use crate::connection::connection::Connection;
use crate::connection::connection::tests::{connection, labelled, shared};
use crate::connection::state::Next;
use crate::connection::transport::Socket;
use crate::connection::write_model::Pipe;
use crate::event::DropHint;
use crate::layer::{Batch, Delivery, Mailbox, Scheduled, WritePriority};

/// A test run of one write queue: connections with idle consumers, and the queue's task.
struct QueueRun {
    connections: Vec<(Arc<Connection>, Arc<Pipe>)>,
    task: Pin<Box<dyn Future<Output = ()>>>,
}

impl QueueRun {
    fn new(many: usize) -> Self {
        let shared = shared(3, 8 * 1024);
        let mut task = Context::from_waker(Waker::noop());
        let mut connections = Vec::new();
        for _ in 0..many {
            let pipe = Arc::<Pipe>::default();
            let connection = connection(Arc::clone(&shared), Socket::Model(Arc::clone(&pipe)));
            assert!(matches!(connection.next(&mut task, true), Next::Client { .. }));
            connections.push((connection, pipe));
        }
        Self { connections, task: Box::pin(async move { shared.write_queue.run(std::future::pending()).await }) }
    }

    fn send(&self, to: usize, labels: &[usize], priority: WritePriority) {
        let frame = |label: &usize| Delivery::Frame(labelled(*label, 10), DropHint::default());
        let frames: Vec<_> = labels.iter().map(frame).collect();
        let batch = Batch::of(frames.iter().map(|frame| (frame, Instant::now())).collect(), priority);
        assert_eq!(
            self.connections[to].0.deliver_all(&batch, &mut Scheduled::default()).delivered,
            frames.len() as u64
        );
    }

    /// Returns the number of queues that the connection is in, of the two. Each queue holds a reference to it.
    fn queues(&self, of: usize) -> usize {
        Arc::strong_count(&self.connections[of].0) - 1
    }

    /// Polls the task once. It yields to the readers, or writes a turn.
    fn turn(&mut self) {
        let mut task = Context::from_waker(Waker::noop());
        assert!(self.task.as_mut().poll(&mut task).is_pending());
    }

    /// Returns the labels that each client has received, by its index. Clients without labels are left out.
    fn received(&self) -> BTreeMap<usize, Vec<usize>> {
        let received = self.connections.iter().enumerate().map(|(index, (_, pipe))| (index, pipe.labels()));
        let received = received.map(|(index, labels)| (index, labels.into_iter().flatten().collect::<Vec<_>>()));
        received.filter(|(_, labels)| !labels.is_empty()).collect()
    }
}

#[test]
fn interactive_output_does_not_wait_for_bulk_and_keeps_order() {
    let mut run = QueueRun::new(100);
    (0..100).for_each(|to| run.send(to, &[1], WritePriority::Bulk));
    run.send(50, &[2], WritePriority::Interactive);
    assert!(run.connections[99].0.offer(labelled(3, 10).plain()).unwrap());
    assert_eq!((run.queues(0), run.queues(50), run.queues(99)), (1, 2, 2));
    (0..100).for_each(|to| run.send(to, &[4], WritePriority::Bulk));
    run.send(50, &[5], WritePriority::Interactive);
    assert_eq!((run.queues(0), run.queues(50)), (1, 2), "a connection is in each queue at most once");
    run.turn();
    assert!(run.received().is_empty(), "the readers run first");
    run.turn();
    let mut expected: BTreeMap<_, _> = (0..14).map(|index| (index, vec![1, 4])).collect();
    expected.extend([(50, vec![1, 2, 4, 5]), (99, vec![1, 3, 4])]);
    assert_eq!(run.received(), expected);
    // Both are still in the bulk queue, which writes only their later output.
    run.send(50, &[6], WritePriority::Bulk);
    assert_eq!((run.queues(0), run.queues(50)), (0, 1));
    (0..7).for_each(|_| run.turn());
    let mut expected: BTreeMap<_, _> = (0..100).map(|index| (index, vec![1, 4])).collect();
    expected.extend([(50, vec![1, 2, 4, 5, 6]), (99, vec![1, 3, 4])]);
    assert_eq!(run.received(), expected, "all output is written once");
    assert_eq!((0..100).map(|of| run.queues(of)).sum::<usize>(), 0);
}

#[test]
fn bulk_output_gets_half_of_each_turn() {
    let mut run = QueueRun::new(80);
    // The frames of one send are joined. The test above delivers single frames.
    (0..40).for_each(|to| run.send(to, &[1, 2], WritePriority::Bulk));
    run.turn();
    for turn in 1..=5 {
        // This is more than a turn writes.
        (40..80).for_each(|to| run.send(to, &[turn], WritePriority::Interactive));
        run.turn();
        let bulk = run.received().range(..40).count();
        assert_eq!(bulk, 8 * turn);
    }
}
