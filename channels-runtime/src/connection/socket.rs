//! The half of a client's socket that is written to.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use tokio::net::tcp::OwnedWriteHalf;

pub(crate) enum Socket {
    Tcp(OwnedWriteHalf),
    #[cfg(test)]
    Model(std::sync::Arc<super::interleaving::Pipe>),
}

impl Socket {
    /// Writes what it takes now.
    pub(super) fn try_write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => match pieces {
                [one] => socket.try_write(one),
                many => socket.try_write_vectored(many),
            },
            #[cfg(test)]
            Self::Model(pipe) => pipe.try_write(pieces),
        }
    }

    /// Whether it takes something again.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.as_ref().poll_write_ready(cx),
            #[cfg(test)]
            Self::Model(pipe) => pipe.poll_write_ready(cx),
        }
    }

    /// Nothing more will be written. If it fails, the socket is gone already.
    pub(super) fn shut_down(&self) {
        match self {
            Self::Tcp(socket) => {
                _ = socket2::SockRef::from(socket.as_ref()).shutdown(std::net::Shutdown::Write);
            }
            #[cfg(test)]
            Self::Model(_) => {}
        }
    }

    /// What the client has not taken when the socket is closed is thrown away, and not kept by the kernel for minutes.
    pub(super) fn forget_unread(&self) {
        match self {
            Self::Tcp(socket) => _ = socket.as_ref().set_zero_linger(),
            #[cfg(test)]
            Self::Model(_) => {}
        }
    }
}
