//! What carries a connection.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::connection::io_stream::Stream;

thread_local! {
    /// One for each thread that runs connections, so that an idle connection owns no buffer.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into());
}

pub(crate) enum Socket {
    /// The connection's task reads, the flusher writes.
    Tcp(TcpStream),
    /// The connection's task reads and writes.
    Stream(Stream),
    #[cfg(test)]
    Model(std::sync::Arc<crate::connection::write_model::Pipe>),
}

impl Socket {
    /// Reads once, into the thread's buffer. Empty: the client is gone.
    pub(super) fn poll_read<T>(&self, task: &mut Context<'_>, use_it: impl FnOnce(io::Result<&[u8]>) -> T) -> Poll<T> {
        READ.with_borrow_mut(|buffer| {
            let read = match self {
                Self::Tcp(socket) => poll_receive(socket, task, buffer),
                Self::Stream(stream) => stream.poll_read(task, buffer),
                #[cfg(test)]
                Self::Model(_) => Poll::Pending,
            };
            Poll::Ready(use_it(ready!(read).map(|length| &buffer[..length])))
        })
    }

    /// Writes what it takes now.
    pub(super) fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => match pieces {
                [one] => socket.try_write(one),
                many => socket.try_write_vectored(many),
            },
            Self::Stream(_) => unreachable!("its connection's task writes"),
            #[cfg(test)]
            Self::Model(pipe) => pipe.try_write(pieces),
        }
    }

    /// Whether it takes something again.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Stream(_) => Poll::Ready(Ok(())),
            #[cfg(test)]
            Self::Model(pipe) => pipe.poll_write_ready(cx),
        }
    }

    /// Nothing more will be written. If it fails, the socket is gone already.
    pub(super) fn shut_down(&self, cx: &mut Context<'_>) {
        match self {
            Self::Tcp(socket) => _ = SockRef::from(socket).shutdown(std::net::Shutdown::Write),
            Self::Stream(stream) => _ = stream.poll_shutdown(cx),
            #[cfg(test)]
            Self::Model(_) => {}
        }
    }

    /// What the client has not taken when the socket is closed is thrown away, and not kept by the kernel for minutes.
    pub(super) fn forget_unread(&self) {
        match self {
            Self::Tcp(socket) => _ = socket.set_zero_linger(),
            Self::Stream(_) => {}
            #[cfg(test)]
            Self::Model(_) => {}
        }
    }
}

/// Reads without a half of the socket that is owned for it: half of an `Arc` more in every idle connection.
///
/// What does not fill the buffer was all there is. Tokio's own `poll_read` forgets the readiness then, so that the next read
/// waits and costs no system call; its `try_io` does, too, if it is told that the call would have blocked.
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
