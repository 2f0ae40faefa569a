//! The stream of a client's HTTP requests: detects the PROXY protocol, and delays the end of the stream during a response.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The time limit for the responses to a client that has closed its half of the stream.
const HALF_CLOSED: Duration = Duration::from_secs(10);

/// The first bytes of a connection through a balancer that speaks the PROXY protocol, version 1 and 2.
const PROXY_LINES: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// Returns whether these are the first bytes of a line of the PROXY protocol.
pub(super) fn is_proxy_line(first: &[u8]) -> bool {
    PROXY_LINES.iter().any(|line| first.starts_with(line))
}

/// A stream that hides its end while a complete request is answered.
///
/// A client may send a request, close its half, and then read the response. Hyper can wait for such a client, too, but then it
/// does not notice that a client has disconnected from an endless response.
#[derive(Debug)]
pub(super) struct RequestStream<I> {
    stream: I,
    state: Arc<RequestState>,
    has_begun: bool,
    /// The client has closed its half. Until this deadline, a response may delay the end.
    ended: Option<Pin<Box<Sleep>>>,
}

/// The state of a stream that its connection sets or reads.
#[derive(Debug, Default)]
pub(super) struct RequestState {
    answering: AtomicBool,
    began_with_proxy_line: AtomicBool,
    reader: AtomicWaker,
}

impl RequestState {
    /// Returns whether the stream began with a line of the PROXY protocol.
    pub(super) fn began_with_proxy_line(&self) -> bool {
        self.began_with_proxy_line.load(Relaxed)
    }

    /// Returns the guard of a response.
    pub(super) fn answer(self: &Arc<Self>) -> Arc<Answering> {
        Arc::new(Answering(Arc::clone(self)))
    }
}

/// A response with an end, from the arrival of its request's head until it is written.
#[derive(Debug)]
pub(super) struct Answering(Arc<RequestState>);

impl Answering {
    /// Hides the end of the stream until the guard is dropped. Called when the whole request has arrived: the end of the stream in
    /// the middle of a body is the end of the request.
    pub(super) fn hide_end(&self) {
        self.0.answering.store(true, Release);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.store(false, Release);
        self.0.reader.wake();
    }
}

impl<I> RequestStream<I> {
    pub(super) fn new(stream: I) -> (Self, Arc<RequestState>) {
        let state = Arc::<RequestState>::default();
        (Self { stream, state: Arc::clone(&state), has_begun: false, ended: None }, state)
    }

    /// Returns the stream. Its end may have been read, and is read again.
    pub(super) fn into_inner(self) -> I {
        self.stream
    }

    /// Waits until no response delays the end of the stream.
    fn poll_end(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = &mut self.ended else { return Poll::Pending };
        self.state.reader.register(task.waker());
        if self.state.answering.load(Acquire) { deadline.as_mut().poll(task) } else { Poll::Ready(()) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for RequestStream<I> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ended.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(task, buffer))?;
            let read = &buffer.filled()[before..];
            if !read.is_empty() || buffer.remaining() == 0 {
                if !std::mem::replace(&mut this.has_begun, true) && is_proxy_line(read) {
                    this.state.began_with_proxy_line.store(true, Relaxed);
                }
                return Poll::Ready(Ok(()));
            }
            this.ended = Some(Box::pin(tokio::time::sleep(HALF_CLOSED)));
        }
        this.poll_end(task).map(Ok)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for RequestStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn end_is_hidden_while_a_request_is_answered() {
        let (mut client, server) = duplex(64);
        let (mut stream, state) = RequestStream::new(server);
        client.write_all(b"GET").await.unwrap();
        drop(client);
        let mut text = [0; 8];
        assert_eq!(stream.read(&mut text).await.unwrap(), 3);
        let answering = state.answer();
        answering.hide_end();
        let mut reading = std::pin::pin!(stream.read(&mut text));
        assert!(poll!(reading.as_mut()).is_pending());
        drop(answering);
        assert_eq!(reading.await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn end_is_hidden_for_ten_seconds() {
        let (client, server) = duplex(64);
        drop(client);
        let (mut stream, state) = RequestStream::new(server);
        let slow = state.answer();
        slow.hide_end();
        let began = tokio::time::Instant::now();
        for _ in 0..2 {
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(began.elapsed(), HALF_CLOSED);
        }
    }

    #[tokio::test]
    async fn proxy_line_is_found_at_the_beginning() {
        for (line, wanted) in [
            (&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n"[..], true),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", true),
            (b"PROXYGET / HTTP/1.1\r\n\r\n", false),
            (b"GET /PROXY HTTP/1.1\r\n\r\n", false),
        ] {
            let (mut client, server) = duplex(64);
            let (mut stream, state) = RequestStream::new(server);
            client.write_all(line).await.unwrap();
            client.write_all(b"PROXY ").await.unwrap();
            drop(client);
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            assert_eq!(state.began_with_proxy_line(), wanted, "{line:?}");
        }
    }
}
