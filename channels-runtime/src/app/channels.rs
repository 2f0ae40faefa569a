//! The application: one layer, any number of routes, and all their connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::app::stats::Stats;
use crate::layer::ChannelLayer;
use crate::server::Server;
use crate::support::signal;

/// An application: its channel layer, its settings, and the connections of all its routes. Cloning is cheap; all clones are the
/// same application.
///
/// ```no_run
/// use channels_runtime::prelude::*;
///
/// #[derive(Default)]
/// struct EchoConsumer;
///
/// #[consumer]
/// impl EchoConsumer {
///     #[receive]
///     async fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) -> Result<()> {
///         cx.send_frame(frame).await
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<()> {
///     let channels = Channels::builder().build()?;
///     let echo = channels.route::<EchoConsumer>(warp::path!("echo"));
///     channels.serve(echo, "127.0.0.1:8000").await
/// }
/// ```
#[derive(Clone)]
pub struct Channels {
    pub(super) server: Arc<Server>,
}

impl Channels {
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Returns a handle to the channel layer. The handle can be kept, cloned and moved to another task.
    pub fn channel_layer(&self) -> ChannelLayer {
        self.layer().clone()
    }

    pub(crate) fn layer(&self) -> &ChannelLayer {
        self.server.layer()
    }

    /// Installs the layer of this application under a name: [`channel_layer(alias)`](crate::channel_layer) returns it from then
    /// on, in this whole process. A layer that was installed under the same name is replaced.
    ///
    /// Code without a handle needs it, such as a function deep in a library. A program with two applications installs their
    /// layers under two names, for example `"default"` and `"jobs"`.
    pub fn install(&self, alias: &str) {
        self.layer().install(alias);
    }

    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Returns all counters: handshakes, connections, messages of the layer, jobs. Costs a few atomic loads.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let stats = Channels::builder().build()?.stats();
    /// assert_eq!((stats.handshakes.accepted, stats.connections.too_slow, stats.layer.dropped_full), (0, 0, 0));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn stats(&self) -> Stats {
        let server = &self.server;
        Stats {
            admitted: server.admission().admitted(),
            handshakes: server.admission().counters.snapshot(),
            #[cfg(feature = "backend")]
            forward_auth: server.settings.forward_auth.as_ref().map(|counters| counters.snapshot()).unwrap_or_default(),
            #[cfg(feature = "backend")]
            backend: server.settings.backend.as_ref().map(crate::backend::Backend::stats).unwrap_or_default(),
            connections: server.shared().counters.snapshot(),
            compression: server
                .shared()
                .compression
                .as_ref()
                .map(|compression| compression.stats())
                .unwrap_or_default(),
            layer: server.layer().stats(),
            jobs: server.jobs().snapshot(),
            publish: server.published().snapshot(),
        }
    }

    /// Ends the application: accepts no connections, closes the open ones with 1012 (service restart), runs their
    /// `#[disconnect]`, and waits until all have ended, at most until `deadline`. [`Self::serve`] returns. Returns whether all
    /// connections have ended.
    ///
    /// Connections are closed gradually: at most 1,000 per second, over at most the
    /// [drain window](crate::ChannelsBuilder::drain_window), and over at most half of the deadline. Each close carries the reason
    /// `reconnect in 1234 ms`: a random delay of up to the window, or of up to a second if the window is shorter. Clients that
    /// wait as long do not all reconnect together.
    ///
    /// The connections that are left are also logged, with their number. They are cut off when their task is dropped, at the
    /// latest with the runtime, and the rest of their `#[disconnect]` does not run.
    #[must_use = "`false` means that connections are left, whose `#[disconnect]` has not ended"]
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.close(deadline, std::future::pending()).await
    }

    /// Waits until the process gets SIGINT or SIGTERM, or until [`Self::shutdown`] is called, and then ends the application as
    /// [`Self::serve`] does, within the [`shutdown_deadline`](crate::ChannelsBuilder::shutdown_deadline) and until a second signal.
    /// Returns whether all connections have ended. For servers other than [`Self::serve`], such as `axum::serve`:
    ///
    /// ```no_run
    /// # use channels_runtime::prelude::*;
    /// # async fn stop(channels: Channels) {
    /// _ = channels.shutdown_on_signal().await;
    /// # }
    /// ```
    ///
    /// A process that runs a [`Worker`](crate::Worker) must wait for the signals, too: the worker handles them, so that SIGTERM no
    /// longer ends the process.
    #[must_use = "`false` means that connections are left, whose `#[disconnect]` has not ended"]
    pub async fn shutdown_on_signal(&self) -> bool {
        tokio::select! {
            // Both branches are cancel safe.
            () = signal() => {}
            () = self.server.stopping().cancelled() => {}
        }
        self.close(self.server.settings.shutdown_deadline, signal()).await
    }

    /// Closes the connections, until the deadline or until `abort` is done. Returns whether all have ended.
    async fn close(&self, deadline: Duration, abort: impl Future<Output = ()>) -> bool {
        self.server.shutdown(deadline, &TaskTracker::new(), abort).await.is_ok()
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("layer", self.layer()).finish_non_exhaustive()
    }
}
