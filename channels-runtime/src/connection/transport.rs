//! The transport of a connection: a TCP socket or another stream.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::connection::io_stream::Stream;

thread_local! {
    /// The read buffer of a thread. Connections share it, so an idle connection does not own a buffer.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into());
}

/// The socket of a connection, or the stream that takes its place.
pub(crate) enum Socket {
    /// The connection's task reads, and the write queue writes.
    Tcp(TcpStream),
    /// The connection's task reads and writes.
    Stream(Stream),
    /// A model of a socket, for tests.
    #[cfg(test)]
    Model(std::sync::Arc<crate::connection::write_model::Pipe>),
}

impl Socket {
    /// Reads once, into the thread's buffer. An empty slice means that the client has closed the connection.
    pub(super) fn poll_read<T>(
        &self,
        task: &mut Context<'_>,
        use_bytes: impl FnOnce(io::Result<&[u8]>) -> T,
    ) -> Poll<T> {
        READ.with_borrow_mut(|buffer| {
            let read = match self {
                Self::Tcp(socket) => poll_receive(socket, task, buffer),
                Self::Stream(stream) => stream.poll_read(task, buffer),
                #[cfg(test)]
                Self::Model(_) => Poll::Pending,
            };
            Poll::Ready(use_bytes(ready!(read).map(|length| &buffer[..length])))
        })
    }

    /// Writes as many bytes as the socket takes without waiting.
    pub(super) fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => match pieces {
                [one] => socket.try_write(one),
                many => socket.try_write_vectored(many),
            },
            Self::Stream(_) => unreachable!("the task of a stream's connection writes"),
            #[cfg(test)]
            Self::Model(pipe) => pipe.try_write(pieces),
        }
    }

    /// Waits until the socket is writable.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Stream(_) => Poll::Ready(Ok(())),
            #[cfg(test)]
            Self::Model(pipe) => pipe.poll_write_ready(cx),
        }
    }

    /// Shuts down the sending half. An error means that the socket is already closed, so it is ignored.
    pub(super) fn shut_down(&self, cx: &mut Context<'_>) {
        match self {
            Self::Tcp(socket) => _ = SockRef::from(socket).shutdown(std::net::Shutdown::Write),
            Self::Stream(stream) => _ = stream.poll_shutdown(cx),
            #[cfg(test)]
            Self::Model(_) => {}
        }
    }

    /// Makes the kernel discard unsent output when the socket is closed. Otherwise the kernel keeps it for minutes.
    pub(super) fn forget_unread(&self) {
        match self {
            Self::Tcp(socket) => _ = socket.set_zero_linger(),
            Self::Stream(_) => {}
            #[cfg(test)]
            Self::Model(_) => {}
        }
    }
}

/// Reads from a socket by shared reference. Splitting it into owned halves would cost each idle connection an `Arc`.
///
/// A read that does not fill the buffer has emptied the socket. Then tokio's own `poll_read` clears the readiness, so that the
/// next read waits without a system call. Here `try_io` clears it, because the closure returns `WouldBlock`.
fn poll_receive(socket: &TcpStream, task: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(task))?;
        let mut received = None;
        let tried = socket.try_io(Interest::READABLE, || {
            let length = (&*SockRef::from(socket)).read(buffer)?;
            received = Some(length);
            if (1..buffer.len()).contains(&length) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (received, tried) {
            (Some(length), _) => return Poll::Ready(Ok(length)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
            (None, _) => {}
        }
    }
}
