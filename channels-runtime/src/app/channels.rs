//! The application: one layer, any number of routes, and all their connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::app::stats::Stats;
use crate::layer::ChannelLayer;
use crate::server::Server;

/// An application: the channel layer, and the connections of all its routes. Cloning is cheap; all clones are one.
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
///     let channels = Channels::builder().build();
///     let echo = channels.route::<EchoConsumer>(warp::path!("echo"));
///     channels.serve(echo, ([127, 0, 0, 1], 8000)).await
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

    /// The channel layer.
    pub fn channel_layer(&self) -> &ChannelLayer {
        self.server.layer()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// All that is counted, in one place: handshakes, connections, messages of the layer. It costs a few loads.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let stats = Channels::builder().build().stats();
    /// assert_eq!((stats.handshakes.accepted, stats.connections.too_slow, stats.layer.dropped_full), (0, 0, 0));
    /// ```
    pub fn stats(&self) -> Stats {
        let server = &self.server;
        Stats {
            admitted: server.admission().admitted(),
            handshakes: server.admission().counters.snapshot(),
            connections: server.shared().counters.snapshot(),
            layer: server.layer().stats(),
            jobs: server.jobs().snapshot(),
        }
    }

    /// Ends all connections: lets none in, closes the living with 1012 (service restart), runs their `disconnect`, and
    /// waits until all are gone, but no longer than `deadline`. Gives whether all are gone. [`Self::serve`] returns.
    ///
    /// They are closed in waves, at most 1,000 a second, over at most the
    /// [window](ChannelsBuilder::drain_window) and at most half of the deadline. Each close carries the reason
    /// `reconnect in 1234 ms`, a random wait of up to that window (and of up to a second where it is shorter). A client that
    /// waits so long comes back spread over time, and not together with all others.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.server.shutdown(deadline).await
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("layer", self.channel_layer()).finish_non_exhaustive()
    }
}
