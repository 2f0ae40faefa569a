//! The application: one layer, any number of routes, and all their connections.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::connection::Limits;
use crate::error::Reject;
use crate::frame::CloseCode;
use crate::layer::ChannelLayer;
use crate::scope::Scope;
use crate::server::{Authenticator, Server, Settings};

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
    server: Arc<Server>,
}

impl Channels {
    /// Begins with the defaults: the layer in memory, messages up to 1 MiB.
    pub fn builder() -> ChannelsBuilder {
        ChannelsBuilder::default()
    }

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

    /// How many connections were closed with 1013 because the client read too slowly.
    pub fn too_slow(&self) -> u64 {
        self.server.flusher().counters().too_slow.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many frames of clients were no command of their consumer, and never reached it: text that is malformed, an unknown
    /// command, or anything at all said to a consumer without `#[receive]`.
    pub fn refused(&self) -> u64 {
        self.server.flusher().counters().refused.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Ends all connections: lets none in, closes the living with 1012 (service restart), runs their `disconnect`, and
    /// waits until all are gone, but no longer than `deadline`. Gives whether all are gone. [`Self::serve`] returns.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.server.shutdown(CloseCode::SERVICE_RESTART, "the server stops", deadline).await
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("layer", self.channel_layer()).finish_non_exhaustive()
    }
}

/// Sets up [`Channels`].
#[must_use = "call `.build()`"]
pub struct ChannelsBuilder {
    layer: Option<ChannelLayer>,
    max_message: usize,
    outbound: usize,
    connect_deadline: Duration,
    authenticator: Option<Box<Authenticator>>,
}

impl Default for ChannelsBuilder {
    fn default() -> Self {
        Self {
            layer: None,
            max_message: 1024 * 1024,
            outbound: 1024 * 1024,
            connect_deadline: Duration::from_secs(5),
            authenticator: None,
        }
    }
}

impl ChannelsBuilder {
    /// The channel layer; the one in memory unless said otherwise.
    pub fn layer(mut self, layer: ChannelLayer) -> Self {
        self.layer = Some(layer);
        self
    }

    /// The largest message that a client may send, in bytes: 1 MiB unless said otherwise. A larger one closes its
    /// connection with 1009.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How many bytes may wait for a client that reads slowly: 1 MiB unless said otherwise, and 4 KiB at the least.
    ///
    /// A consumer's own sends wait for room. A rendered event that finds none closes the connection with 1013, so that no
    /// other member waits.
    pub fn outbound_limit(mut self, bytes: usize) -> Self {
        self.outbound = bytes;
        self
    }

    /// How long `#[connect]` may take: 5 s unless said otherwise. After that the handshake is answered with 503.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.connect_deadline = deadline;
        self
    }

    /// Finds out who a client is, before `#[connect]` runs. What it gives is [`Scope::user`]; `Ok(None)` lets the client
    /// in as nobody; `Err` refuses it.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// struct User { name: String }
    ///
    /// let channels = Channels::builder()
    ///     .authenticator(|scope: Scope| async move {
    ///         // Look the session up in your database.
    ///         Ok(scope.cookie("sessionid").map(|session| User { name: session.to_owned() }))
    ///     })
    ///     .build();
    /// ```
    pub fn authenticator<A, F, U>(mut self, authenticator: A) -> Self
    where
        A: Fn(Scope) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<U>, Reject>> + Send + 'static,
        U: Any + Send + Sync,
    {
        self.authenticator = Some(Box::new(move |scope| {
            let user = authenticator(scope);
            async move { Ok(user.await?.map(|user| Arc::new(user) as Arc<dyn Any + Send + Sync>)) }.boxed()
        }));
        self
    }

    /// Builds the application, and makes its layer the one that [`channel_layer("default")`](crate::channel_layer) gives.
    #[must_use]
    pub fn build(self) -> Channels {
        let layer = self.layer.unwrap_or_else(ChannelLayer::in_memory);
        layer.install("default");
        let settings = Settings {
            limits: Limits { max_message: self.max_message, outbound: self.outbound },
            connect_deadline: self.connect_deadline,
            authenticator: self.authenticator,
        };
        Channels { server: Server::new(layer, settings) }
    }
}

impl fmt::Debug for ChannelsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelsBuilder").field("layer", &self.layer).finish_non_exhaustive()
    }
}
