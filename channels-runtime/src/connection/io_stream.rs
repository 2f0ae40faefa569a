//! Streams other than a plain TCP socket: TLS, a Unix socket, a pipe in memory.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::outbound::Outbound;
use crate::support::lock;

/// A stream that can be read and written.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream that the connection's task reads and writes.
///
/// A blocking method that runs in place of this task may also use the stream. The two never run at the same time, so threads do
/// not wait for the lock.
pub(crate) struct Stream(Mutex<Box<dyn Duplex>>);

impl Stream {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Mutex::new(Box::new(stream)))
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Duplex>> {
        lock(&self.0)
    }

    pub(super) fn poll_read(&self, task: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *self.lock()).poll_read(task, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes all output and flushes the stream.
    pub(super) fn poll_write(&self, task: &mut Context<'_>, outbound: &mut Outbound) -> Poll<io::Result<()>> {
        let stream = &mut *self.lock();
        while !outbound.is_empty() {
            let written = outbound.write_with(|pieces| match pieces {
                [one] => Pin::new(&mut *stream).poll_write(task, one),
                many => Pin::new(&mut *stream).poll_write_vectored(task, many),
            });
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => outbound.advance(n),
            }
        }
        Pin::new(stream).poll_flush(task)
    }

    pub(super) fn poll_shutdown(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(task)
    }
}
