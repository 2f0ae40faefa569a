//! The turns of a session whose client sends without end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;

use crate::connection::{Limits, Rate, Shared, Socket, Stream};
use crate::layer::ChannelLayer;
use crate::prelude::{Context, consumer};
use crate::scope::Scope;
use crate::session::mailbox_kind;
use crate::session::open;
use crate::websocket::Window;

/// The number of handler calls in this process. Only one test looks at it.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// The number of reads of each client.
const READS: u32 = 100;

#[derive(Default)]
struct Silent;

#[consumer(crate = crate)]
impl Silent {
    #[receive]
    fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {
        CALLS.fetch_add(1, Relaxed);
    }
}

/// A client whose bytes are always there: `first` and then `again`, until it has been read `reads` times.
struct Endless {
    first: Option<Vec<u8>>,
    again: Vec<u8>,
    reads: u32,
    read: Arc<AtomicU32>,
}

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Task<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.load(Relaxed) < self.reads {
            let bytes = self.first.take().unwrap_or_else(|| self.again.clone());
            buffer.put_slice(&bytes[..bytes.len().min(buffer.remaining())]);
            self.read.fetch_add(1, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Starts the session of a client that sends without end. Returns its task, and the number of reads.
async fn start(first: &[u8], again: &[u8], inbound: Rate) -> (JoinHandle<()>, Arc<AtomicU32>, Arc<Shared>) {
    let limits = Limits { max_message: 1 << 20, unfinished: 1 << 30, outbound: 1 << 20, inbound, compression: None };
    let shared = Shared::new(
        ChannelLayer::in_memory(),
        limits,
        #[cfg(feature = "backend")]
        None,
    );
    let Ok(opened) =
        open::<Silent>(&shared, Scope::of_worker("client"), (), mailbox_kind::<Silent>(), Window::NONE).await
    else {
        panic!("it accepts")
    };
    let read = Arc::<AtomicU32>::default();
    let client = Endless {
        first: (!first.is_empty()).then(|| first.to_vec()),
        again: again.to_vec(),
        reads: READS,
        read: Arc::clone(&read),
    };
    let session = opened.into_session(Socket::Stream(Stream::new(client)), b"");
    (tokio::spawn(session.run(())), read, shared)
}

/// Serves a client that sends without end, next to a task that always yields. Returns the largest number of reads, and of calls
/// of a handler, between two polls of that task.
async fn serve(first: &[u8], again: &[u8]) -> (u32, u32) {
    let (session, read, _shared) = start(first, again, Rate { frames: u32::MAX, bytes: usize::MAX }).await;
    let (mut before, mut most) = ((0, CALLS.load(Relaxed)), (0, 0));
    while !session.is_finished() {
        tokio::task::yield_now().await;
        let now = (read.load(Relaxed), CALLS.load(Relaxed));
        most = (most.0.max(now.0 - before.0), most.1.max(now.1 - before.1));
        before = now;
    }
    assert_eq!(before.0, READS, "it reads to the end");
    session.await.unwrap();
    most
}

/// Returns a client's frame, with a mask of zeros.
fn frame(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 126];
    bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
    bytes.extend([0; 4]);
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

const BEGIN: [u8; 6] = [0x01, 0x80, 0, 0, 0, 0];
const FRAGMENT: [u8; 6] = [0x00, 0x80, 0, 0, 0, 0];

/// The clock is paused, so that the time of the machine ends no turn.
#[tokio::test(start_paused = true)]
async fn client_that_sends_without_end_yields_to_other_tasks() {
    // A message that never ends, in small reads and in large ones.
    assert_eq!(serve(&BEGIN, &FRAGMENT).await, (16, 0));
    assert_eq!(serve(&BEGIN, &FRAGMENT.repeat(10_000)).await, (2, 0), "the small first one, and a large one");
    // Messages of several sizes.
    assert_eq!(serve(&[], &frame(0x81, 130)).await, (16, 16));
    assert_eq!(serve(&[], &frame(0x81, 4096)).await, (4, 4));
    // Of many messages in one read, the rest waits for the next turn.
    assert_eq!(serve(&[], &frame(0x81, 130).repeat(400)).await, (1, 16));
}

#[tokio::test(start_paused = true)]
async fn empty_fragments_count_against_rate() {
    // 10,000 empty fragments count as 10 MB.
    let (session, _, shared) = start(&BEGIN, &FRAGMENT.repeat(10_000), Rate { frames: 20_000, bytes: 64 << 20 }).await;
    session.await.unwrap();
    assert!(shared.counters.snapshot().throttled > 0);
}
