//! The handle to a channel layer.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::codec::Envelope;
use crate::error::LayerError;
use crate::event::{Carries, Event, Group, Handles, History, Recoverable};
use crate::layer::backend::Backend;
use crate::layer::channel::Channel;
use crate::layer::config::LayerConfig;
use crate::layer::counters::LayerStats;
use crate::layer::memory::Memory;
use crate::name::{ChannelName, GroupName, NameError};
use crate::support::Unawaited;

/// A handle to a channel layer. Cloning is cheap; all clones refer to the same layer.
///
/// ```
/// use channels_runtime::prelude::*;
///
/// #[event("report.ready")]
/// struct ReportReady { id: u64 }
///
/// #[group("user-{id}", events(ReportReady))]
/// struct User { id: u64 }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let layer = ChannelLayer::in_memory();
/// layer.group_send(&User { id: 7 }, &ReportReady { id: 1 }).await?;
/// # Ok(()) }
/// ```
///
/// # Sending
///
/// | receiver | in a consumer | in other code |
/// | --- | --- | --- |
/// | this connection's client | [`Context::send`](crate::Context::send), [`Context::send_json`](crate::Context::send_json), [`Context::send_text`](crate::Context::send_text), [`Context::send_frame`](crate::Context::send_frame) | – |
/// | one channel, with an event | [`Context::send_event`](crate::Context::send_event) | [`ChannelLayer::send`] |
/// | a group, with an event | [`Context::group_send`](crate::Context::group_send), [`Context::group_send_others`](crate::Context::group_send_others) | [`ChannelLayer::group_send`] |
///
/// # From an HTTP handler
///
/// Any code with a handle can send: a job, a command ([`Self::blocking`]), or an ordinary HTTP handler. In this example,
/// `POST /news` with `{"headline": "it rains"}` reaches every consumer in the group, in all processes that share the layer:
///
/// ```
/// use channels_runtime::prelude::*;
/// use warp::http::StatusCode;
/// use warp::Filter;
///
/// #[event("news.posted")]
/// struct NewsPosted { headline: String }
///
/// #[group("news", events(NewsPosted))]
/// struct News;
///
/// fn post_news(layer: ChannelLayer) -> impl Routes {
///     warp::path!("news")
///         .and(warp::post())
///         .and(warp::body::content_length_limit(16 * 1024))
///         .and(warp::body::json())                            // an event is deserialised like any other struct
///         .then(move |news: NewsPosted| {
///             let layer = layer.clone();
///             async move {
///                 match layer.group_send(&News, &news).await {
///                     Ok(()) => StatusCode::ACCEPTED,         // sent, perhaps not received yet
///                     Err(_) => StatusCode::SERVICE_UNAVAILABLE,
///                 }
///             }
///         })
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// let channels = Channels::builder().build()?;
/// let layer = channels.channel_layer();
/// let routes = post_news(layer.clone());      // .or(channels.route::<NewsConsumer>(..))
/// # let reader = layer.new_channel().await?;
/// # layer.group_add(&News, reader.name()).await?;
/// # let server = channels.bind(([127, 0, 0, 1], 0)).await?;
/// # let mut client = tokio::net::TcpStream::connect(server.local_addr()).await?;
/// # tokio::spawn(server.serve(routes));
/// # let request = "POST /news HTTP/1.0\r\nHost: x\r\nContent-Length: 24\r\n\r\n{\"headline\": \"it rains\"}";
/// # client.write_all(request.as_bytes()).await?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer).await?;
/// # assert!(answer.starts_with("HTTP/1.0 202"), "{answer}");
/// # let news: NewsPosted = reader.receive().await.unwrap().decode()?;
/// # assert_eq!(news.headline, "it rains");
/// # Ok(()) }
/// ```
///
/// Your filters must check who may post: the checks of a WebSocket route (origin, login) do not apply to this route.
///
/// # Delivery
///
/// With every layer, a message is delivered at most once to each member. Messages of one sender to one group or channel arrive
/// in the order in which its sends returned. A send never waits for a slow reader. A mailbox holds `capacity` messages; further
/// ones are dropped and counted ([`Self::stats`]).
///
/// The layers differ:
///
/// | | memory | Redis, pub/sub | Redis, core |
/// |---|---|---|---|
/// | reaches | this process | all processes | all processes |
/// | while a process is cut off from Redis | | it misses messages | up to `capacity` messages wait for it, for `expiry` |
/// | the sender to a full channel | gets an error | gets no error | gets an error if `capacity` messages wait in Redis |
/// | the cost of a message to a group, in Redis | | one command | two commands, each with the list of members |
/// | the cost of a message to all members except the sender | | one command, with two short messages to the sender's process | as for all members, with one name fewer |
/// | a named channel with workers in several processes | | each message goes to one of them; while no worker is connected, messages are lost | each message goes to one of them |
/// | a killed process | | leaves nothing in Redis | stays in its groups until `group_expiry`; messages to it expire |
///
/// Consumers are notified of a gap. When a process loses the connection to Redis, a consumer's `#[layer_lost]` runs; when
/// messages of all its groups arrive again, its `#[layer_restored]` runs ([`consumer`](macro@crate::consumer)). Messages that
/// arrived before the gap are delivered before `#[layer_lost]`, and messages sent after `#[layer_restored]` are delivered.
/// Messages sent in between may be lost. With the core layer, this happens if Redis restarts without its data, or if more than
/// `capacity` messages wait. [`Self::stats`] counts the gaps, and [`Self::ready`] checks whether messages arrive now. A send
/// fails within 4 s if Redis does not respond.
///
/// With the core layer, all channels of a process share one queue in Redis. The process moves its messages to the mailboxes
/// immediately. Therefore a sender in another process gets an error if the process hangs, but not if one of its connections is
/// slow.
#[derive(Clone)]
pub struct ChannelLayer {
    // One pointer, because each connection holds a handle.
    layer: Arc<Layer>,
}

/// The largest encoded event that a history keeps, in bytes.
const MAX_KEPT: usize = 64 * 1024;

/// An encoded event for a group, and the history that keeps it.
pub(crate) struct Outgoing {
    envelope: Envelope,
    history: Option<History>,
}

struct Layer {
    backend: Arc<dyn Backend>,
    config: LayerConfig,
}

impl ChannelLayer {
    /// Makes an in-memory layer, for one process, with the defaults of Django Channels.
    pub fn in_memory() -> Self {
        Self::in_memory_with(LayerConfig::default())
    }

    /// Makes an in-memory layer, for one process, with this configuration.
    pub fn in_memory_with(config: LayerConfig) -> Self {
        Self::new(Arc::new(Memory::new(&config)), config)
    }

    pub(crate) fn new(backend: Arc<dyn Backend>, config: LayerConfig) -> Self {
        Self { layer: Arc::new(Layer { backend, config }) }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.layer.backend
    }

    pub(crate) fn config(&self) -> &LayerConfig {
        &self.layer.config
    }

    /// Sends an event to every member of a group. Compiles only if the group carries the event.
    ///
    /// It never waits for a member. A member whose mailbox is full misses the event, which is counted in [`Self::stats`].
    ///
    /// # Errors
    /// The group's name is not valid, the event cannot be encoded, or the layer's server cannot be reached.
    ///
    /// # Cancel safety
    /// If the future is dropped, the event may be sent or not; it is never sent in part.
    // The checked methods return a future without their type parameters. With an `async fn`, the compiler would report a group
    // that does not carry the event three times: for the argument, for the call, and for the `.await`.
    pub fn group_send<G, E>(&self, group: &G, event: &E) -> Unawaited<'_, Result<(), LayerError>>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        Unawaited::new(self.deliver_to_group(group.name(), self.encode_for::<G, E>(event)))
    }

    /// Encodes an event for a group, and returns the history that keeps it.
    ///
    /// # Errors
    /// The event cannot be encoded, or it is too large for the history.
    pub(crate) fn encode_for<G: Group + ?Sized, E: Event>(&self, event: &E) -> Result<Outgoing, LayerError> {
        let envelope = Envelope::from_event(event, self.layer.backend.format())?;
        let history = if E::VOLATILE { None } else { G::HISTORY.map(|history| self.config().limit_history(history)) };
        let bytes = envelope.body().len();
        if history.is_some() && bytes > MAX_KEPT {
            return Err(LayerError::TooLarge { event: E::TYPE, bytes, limit: MAX_KEPT });
        }
        Ok(Outgoing { envelope, history })
    }

    pub(crate) async fn deliver_to_group(
        &self,
        group: Result<GroupName, NameError>,
        outgoing: Result<Outgoing, LayerError>,
    ) -> Result<(), LayerError> {
        let group = group?;
        let Outgoing { envelope, history } = outgoing?;
        self.layer.backend.group_send(&group, envelope, history).await
    }

    pub(crate) async fn deliver_to_others(
        &self,
        group: Result<GroupName, NameError>,
        envelope: Result<Envelope, LayerError>,
        excluded: &ChannelName,
    ) -> Result<(), LayerError> {
        self.layer.backend.group_send_others(&group?, envelope?, excluded).await
    }

    /// Sends an event to one channel. Compiles only if the channel's consumer handles the event. A name made from a plain
    /// string accepts every event.
    ///
    /// # Errors
    /// [`LayerError::ChannelFull`] if the channel's mailbox is full and this layer can detect it; the errors of
    /// [`Self::group_send`]. A channel without a reader is not an error.
    pub fn send<C, E>(&self, channel: &ChannelName<C>, event: &E) -> Unawaited<'_, Result<(), LayerError>>
    where
        C: Handles<E::Itself>,
        E: Event,
    {
        Unawaited::new(self.deliver(channel.untyped(), Envelope::from_event(event, self.layer.backend.format())))
    }

    pub(crate) async fn deliver(
        &self,
        channel: ChannelName,
        envelope: Result<Envelope, LayerError>,
    ) -> Result<(), LayerError> {
        self.layer.backend.send(&channel, envelope?).await
    }

    /// Returns the kept events of a group, the oldest first, for example for the first view of a page. Each has its
    /// [position](Envelope::position).
    ///
    /// Returns nothing with a layer that keeps no history, as the core layer of Redis.
    ///
    /// # Errors
    /// The group's name is not valid, or the layer's server cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub fn history<G: Recoverable + ?Sized>(&self, group: &G) -> Unawaited<'_, Result<Vec<Envelope>, LayerError>> {
        let (group, history) = (group.name(), G::HISTORY.map(|history| self.config().limit_history(history)));
        Unawaited::new(async move {
            let Some(history) = history else { return Ok(Vec::new()) };
            self.layer.backend.history(&group?, history).await
        })
    }

    /// Removes the kept events of a group in all processes, for example after a message was moderated. Nobody receives them
    /// again. A client that has missed any of them gets `#[history_lost]`; one that has missed nothing notices nothing.
    ///
    /// # Errors
    /// The group's name is not valid, or the layer's server cannot be reached.
    ///
    /// # Cancel safety
    /// If the future is dropped, the events may be removed or not.
    pub fn history_forget<G: Recoverable + ?Sized>(&self, group: &G) -> Unawaited<'_, Result<(), LayerError>> {
        let group = group.name();
        Unawaited::new(async move { self.layer.backend.forget_history(&group?).await })
    }

    /// Sends an untyped message to every member of a group: a JSON object with a `type`. The compiler does not check it.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// async fn kick_all(layer: &ChannelLayer, room: &str) -> Result<()> {
    ///     Ok(layer.group_send_raw(room, json!({"type": "chat.kick", "reason": "closing time"})).await?)
    /// }
    /// ```
    ///
    /// # Errors
    /// The group's name is not valid, or the message has no `type`; the errors of [`Self::group_send`].
    pub async fn group_send_raw(&self, group: &str, message: Value) -> Result<(), LayerError> {
        let envelope = Envelope::from_value(&message, self.layer.backend.format())?;
        self.layer.backend.group_send(&GroupName::new(group)?, envelope, None).await
    }

    /// Sends an untyped message to one channel: a JSON object with a `type`. The compiler does not check it.
    ///
    /// # Errors
    /// The channel's name is not valid, or the message has no `type`; the errors of [`Self::send`].
    pub async fn send_raw(&self, channel: &str, message: Value) -> Result<(), LayerError> {
        let envelope = Envelope::from_value(&message, self.layer.backend.format())?;
        self.layer.backend.send(&ChannelName::new(channel)?, envelope).await
    }

    /// Makes a channel without a consumer, for a test, or for a job that waits for replies. After this method returns, messages
    /// to the channel's name arrive.
    ///
    /// # Errors
    /// The layer's server cannot be reached.
    pub async fn new_channel(&self) -> Result<Channel, LayerError> {
        let channel = Channel::new(Arc::clone(&self.layer.backend), &self.layer.config);
        self.layer.backend.announce(channel.name()).await?;
        Ok(channel)
    }

    /// Returns the counters of this layer's messages.
    pub fn stats(&self) -> LayerStats {
        self.layer.backend.table().stats()
    }

    /// Closes the layer: closes its connections, ends its tasks and notifies every channel.
    pub async fn close(&self) {
        self.layer.backend.close().await;
    }
}

impl fmt::Debug for ChannelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelLayer").field(&self.layer.backend).finish()
    }
}
