//! Model checks of connections, their senders and their writer, and the model of a socket that they use.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use shuttle::future::{block_on, spawn};
use smallvec::smallvec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::connection::Connection;
use crate::connection::connection::tests::{connection, labelled, labels, shared};
use crate::connection::io_stream::Stream;
use crate::connection::shared::Shared;
use crate::connection::state::{Next, Output};
use crate::connection::transport::Socket;
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::{Batch, Delivery, DeliveryCount, Mailbox, Scheduled, WritePriority};
use crate::support::{explore, point, wake};
use crate::websocket::CloseCode;

/// The number of bytes that a socket holds until its client reads. A reply is larger.
const CAPACITY: usize = 1000;

/// The size of a reply. Two replies need more space than a handler may use without waiting.
const REPLY: usize = 1500;

const SENDERS: usize = 2;
const ROUNDS: usize = 2;

/// The event whose handler closes the connection.
const LAST: usize = 999_999;

/// A model of a socket. It holds [`CAPACITY`] bytes until the client reads them.
#[derive(Default)]
pub(crate) struct Pipe(Mutex<PipeState>);

#[derive(Default)]
struct PipeState {
    written: Vec<u8>,
    read: usize,
    /// The number of written bytes after which the socket fails.
    breaks_at: Option<usize>,
    writer: Option<Waker>,
    client: Option<Waker>,
}

impl PipeState {
    /// Returns the number of bytes that can be written.
    fn free(&self) -> io::Result<usize> {
        if self.breaks_at.is_some_and(|end| self.written.len() >= end) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(CAPACITY - (self.written.len() - self.read))
    }
}

impl Pipe {
    pub(super) fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &mut *self.0.lock().unwrap();
        let free = state.free()?;
        if free == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = state.written.len();
        for piece in pieces {
            let left = free - (state.written.len() - before);
            state.written.extend_from_slice(&piece[..piece.len().min(left)]);
        }
        wake(&mut state.client);
        Ok(state.written.len() - before)
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.lock().unwrap();
        match state.free() {
            Ok(0) => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            free => Poll::Ready(free.map(drop)),
        }
    }

    /// Reads all bytes, as the client.
    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.0.lock().unwrap();
        if state.read == state.written.len() {
            state.client = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.read = state.written.len();
        wake(&mut state.writer);
        Poll::Ready(())
    }

    pub(super) fn labels(&self) -> Vec<Option<usize>> {
        labels(&self.0.lock().unwrap().written)
    }
}

/// The model of a socket as a stream, for a connection whose task writes.
struct PipeStream(Arc<Pipe>);

impl AsyncWrite for PipeStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_write_ready(cx))?;
        Poll::Ready(self.0.try_write(&[IoSlice::new(bytes)]))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// The cause that ends the connections.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// A handler closes them after all sends.
    Handler,
    /// The server closes them, at any time.
    Shutdown,
    /// The socket fails.
    Broken,
}

/// One connection and its client.
struct Served {
    connection: Arc<Connection>,
    pipe: Arc<Pipe>,
}

impl Served {
    fn new(shared: &Arc<Shared>, through_queue: bool, end: End) -> Self {
        let pipe = Arc::<Pipe>::default();
        if end == End::Broken {
            pipe.0.lock().unwrap().breaks_at = Some(REPLY);
        }
        let socket = if through_queue {
            Socket::Model(Arc::clone(&pipe))
        } else {
            Socket::Stream(Stream::new(PipeStream(Arc::clone(&pipe))))
        };
        Self { connection: connection(Arc::clone(shared), socket), pipe }
    }

    /// Serves the connection to its end, as a session does. Returns the handled events.
    async fn serve(connection: Arc<Connection>) -> (Vec<usize>, Output) {
        let mut handled = Vec::new();
        loop {
            let next = poll_fn(|cx| {
                // If the task is woken while it runs, it is polled again.
                match connection.next(cx, true) {
                    Next::Client { held } => {
                        if held {
                            connection.write_held(cx);
                        }
                        Poll::Pending
                    }
                    Next::Nothing => Poll::Pending,
                    next => Poll::Ready(next),
                }
            });
            match next.await {
                Next::Event(event) => {
                    let event = *event.downcast_ref::<usize>().unwrap();
                    handled.push(event);
                    if event == LAST {
                        connection.close(CloseCode::NORMAL, "");
                        continue;
                    }
                    let reply = labelled(event, REPLY);
                    let replied = poll_fn(|cx| {
                        let replied = connection.poll_send(cx, &reply);
                        if replied.is_pending() {
                            connection.poll_output(cx);
                        }
                        replied
                    });
                    _ = replied.await;
                }
                Next::Closing(_) => break,
                Next::Broken => return (handled, Output::Broken),
                Next::Client { .. } | Next::Nothing => unreachable!("waited on"),
                Next::Gap(_) | Next::HistoryLost(_) | Next::LayerClosed => {
                    panic!("the layer has no gap and is not closed")
                }
            }
        }
        let flushed = poll_fn(|cx| match connection.poll_output(cx) {
            Output::Pending => Poll::Pending,
            done => Poll::Ready(done),
        });
        (handled, flushed.await)
    }
}

/// Runs one scenario: two connections, two senders, and the end `end`.
fn play(through_queue: bool, end: End) {
    let shared = shared(8, 1);
    let stop = CancellationToken::new();
    let (queue, stopped) = (Arc::clone(&shared), stop.clone().cancelled_owned());
    let writing = spawn(async move { queue.write_queue.run(stopped).await });
    let connections: Vec<_> = (0..2).map(|_| Served::new(&shared, through_queue, end)).collect();
    let serving: Vec<_> =
        connections.iter().map(|served| spawn(Served::serve(Arc::clone(&served.connection)))).collect();
    let clients: Vec<_> = connections
        .iter()
        .map(|Served { pipe, .. }| {
            let pipe = Arc::clone(pipe);
            // The client is aborted when its connection has ended.
            spawn(async move {
                loop {
                    poll_fn(|cx| pipe.poll_read(cx)).await;
                    point();
                }
            })
        })
        .collect();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let connections: Vec<_> = connections.iter().map(|served| Arc::clone(&served.connection)).collect();
            spawn(async move {
                // Each sender uses one of the two queues.
                let priority = if sender == 0 { WritePriority::Interactive } else { WritePriority::Bulk };
                // One sender sends to single connections, the other one to both together.
                let together = if sender == 0 { 1 } else { 2 };
                for number in 0..ROUNDS {
                    let label = 1000 * sender + 2 * number;
                    for connections in connections.chunks(together) {
                        let frame = Delivery::Frame(labelled(label, 10), DropHint::default());
                        let batch = Batch::of(smallvec![(&frame, Instant::now())], priority);
                        let mut scheduled = Scheduled::default();
                        for connection in connections {
                            let count = connection.deliver_all(&batch, &mut scheduled);
                            assert_eq!(count, DeliveryCount { delivered: 1, full: 0 });
                        }
                        drop(scheduled);
                        let event = Delivery::Event(Arc::new(label + 1), DropHint::default(), MailboxPolicy::default());
                        for connection in connections {
                            // A closing connection accepts events, although it does not empty its inbox.
                            assert!(connection.deliver(&event, Instant::now()).is_ok());
                        }
                    }
                }
            })
        })
        .collect();
    block_on(async {
        if end == End::Shutdown {
            for Served { connection, .. } in &connections {
                connection.close(CloseCode::SERVICE_RESTART, "");
            }
        }
        for sender in senders {
            sender.await.unwrap();
        }
        if end == End::Handler {
            for Served { connection, .. } in &connections {
                let last = Delivery::Event(Arc::new(LAST), DropHint::default(), MailboxPolicy::default());
                assert!(connection.deliver(&last, Instant::now()).is_ok());
            }
        }
        for (serving, Served { pipe, .. }) in serving.into_iter().zip(&connections) {
            let (handled, output) = serving.await.unwrap();
            if end == End::Broken {
                assert_eq!(output, Output::Broken);
                continue;
            }
            assert_eq!(output, Output::Flushed, "all output is written");
            let labels = pipe.labels();
            let (close, data) = labels.split_last().expect("a close frame");
            assert_eq!(*close, None, "the close frame is the last one");
            let mut by_sender: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for label in data {
                let label = label.expect("one close frame");
                by_sender.entry(label / 1000).or_default().push(label);
            }
            assert!(by_sender.values().all(|labels| labels.is_sorted()), "frames keep their order: {data:?}");
            if end == End::Handler {
                // Each frame and each reply arrives once.
                let expected = |sender: usize| (1000 * sender..).take(2 * ROUNDS).collect::<Vec<_>>();
                assert_eq!(by_sender.into_values().collect::<Vec<_>>(), [expected(0), expected(1)], "{data:?}");
                assert_eq!(handled.len(), SENDERS * ROUNDS + 1);
            }
        }
        for client in clients {
            client.abort();
        }
        stop.cancel();
        writing.await.unwrap();
    });
}

#[test]
fn write_queue_writes_all_output() {
    explore(|| play(true, End::Handler));
}

#[test]
fn write_queue_finishes_during_shutdown() {
    explore(|| play(true, End::Shutdown));
}

#[test]
fn failed_socket_ends_its_connection() {
    explore(|| play(true, End::Broken));
    explore(|| play(false, End::Broken));
}

#[test]
fn task_that_writes_its_stream_writes_all_output() {
    explore(|| play(false, End::Handler));
    explore(|| play(false, End::Shutdown));
}
