//! Decoding of large frames, on threads for blocking work.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

use crate::websocket::Frame;

/// The size from which a frame is large, in bytes. Decoding a large frame would delay the other connections of the thread: JSON of
/// 1 MiB with many keys takes a tenth of a second. Decoding a smaller frame takes about as long as the change of threads.
const LARGE: usize = 16 * 1024;

/// Decodes large frames on threads for blocking work, while the connection's own thread serves other connections.
///
/// Bound: as many frames are decoded at the same time as half of the processors can run, at least one. Policy: the others wait in
/// order of arrival. A connection has one of them at most, because it reads nothing more until its handler has run.
pub(crate) struct LargeFrames(Arc<Semaphore>);

impl Default for LargeFrames {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl LargeFrames {
    /// Returns whether a frame is large.
    pub(crate) fn include(frame: &Frame) -> bool {
        let bytes = match frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        };
        bytes >= LARGE
    }

    /// Runs `decode` on a thread for blocking work, and returns its result. A panic of `decode` is continued here.
    ///
    /// # Cancel safety
    /// If the future is dropped, a decoding that has begun continues to its end, and counts against the bound until then.
    pub(crate) async fn decode<T: Send + 'static>(&self, decode: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = Arc::clone(&self.0).acquire_owned().await.expect("the semaphore is never closed");
        let decoding = tokio::task::spawn_blocking(move || {
            let decoded = decode();
            drop(permit);
            decoded
        });
        match decoding.await {
            Ok(decoded) => decoded,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down, and this task ends with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl fmt::Debug for LargeFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LargeFrames")
    }
}
