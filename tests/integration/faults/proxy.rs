//! A connection to Redis that can fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Line {
    Open,
    /// Open and new connections are closed.
    Closed,
    /// 100 ms later in each direction.
    Slow,
    /// Bytes from Redis are written twice.
    Doubled,
    /// No bytes pass. A connection that was once silent stays silent.
    Silent,
    /// The same for connections that are open now; later ones work.
    Forgotten,
}

pub(super) struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to this port of loopback.
    pub(super) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, state) = watch::channel(Line::Open);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((near, _)) = listener.accept().await else { return };
                let state = state.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    let since = *state.borrow();
                    let dead = Arc::<AtomicBool>::default();
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pump(from_near, to_far, state.clone(), since, Arc::clone(&dead), false) => {}
                        () = pump(from_far, to_near, state, since, dead, true) => {}
                    }
                });
            }
        });
        Self { port, line, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(super) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Line::Closed);
        self.accepting.abort();
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Line>,
    line_then: Line,
    dead: Arc<AtomicBool>,
    is_from_redis: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let line = *state.borrow_and_update();
        match line {
            Line::Closed => return,
            Line::Silent => dead.store(true, SeqCst),
            Line::Forgotten => _ = dead.fetch_or(line_then != Line::Forgotten, SeqCst),
            Line::Open | Line::Slow | Line::Doubled => {}
        }
        let read = tokio::select! {
            // Unread bytes stay in the socket, and the next iteration sees the change.
            read = from.read(&mut buffer) => read,
            _ = state.changed() => continue,
        };
        let Ok(read @ 1..) = read else { return };
        if dead.load(SeqCst) {
            continue;
        }
        if line == Line::Slow {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for _ in 0..if line == Line::Doubled && is_from_redis { 2 } else { 1 } {
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }
}
