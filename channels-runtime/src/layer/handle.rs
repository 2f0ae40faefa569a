//! The handle to a channel layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::codec::Envelope;
use crate::error::LayerError;
use crate::event::{Carries, Event, Group, Handles, JoinedBy};
use crate::layer::backend::Backend;
use crate::layer::channel::Channel;
use crate::layer::config::LayerConfig;
use crate::layer::counters::LayerStats;
use crate::layer::memory::Memory;
use crate::name::{ChannelName, GroupName, NameError};
use crate::support::Unawaited;

/// A handle to a channel layer. Cloning is cheap; all clones are one layer.
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
/// | receiver | in a consumer | elsewhere |
/// | --- | --- | --- |
/// | this connection's client | [`Context::send`](crate::Context::send), [`Context::send_json`](crate::Context::send_json), [`Context::send_text`](crate::Context::send_text), [`Context::send_frame`](crate::Context::send_frame) | – |
/// | one channel, with an event | [`Context::send_event`](crate::Context::send_event) | [`ChannelLayer::send`] |
/// | a group, with an event | [`Context::group_send`](crate::Context::group_send), [`Context::group_send_others`](crate::Context::group_send_others) | [`ChannelLayer::group_send`] |
///
/// # From an HTTP handler
///
/// Whoever has a handle can send: a job, a command ([`Self::blocking`]), or an ordinary HTTP handler. Here `POST /news` with
/// `{"headline": "it rains"}` reaches every consumer that has joined the group, in all processes that share the layer:
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
///         .and(warp::body::json())                            // an event is read like any other struct
///         .then(move |news: NewsPosted| {
///             let layer = layer.clone();
///             async move {
///                 match layer.group_send(&News, &news).await {
///                     Ok(()) => StatusCode::ACCEPTED,         // sent; nobody waits until it is read
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
/// Who may post is for your filters to ask: the checks of a WebSocket route (origin, login) are not those of this one.
///
/// # Delivery
///
/// Whatever is behind it: a message is delivered at most once to each member, one sender's messages to one group or
/// channel arrive in the order in which its sends returned, and a send never waits for a slow reader. A mailbox holds
/// `capacity` messages; one more is dropped and counted ([`Self::stats`]).
///
/// What differs:
///
/// | | memory | Redis, pub/sub | Redis, core |
/// |---|---|---|---|
/// | reaches | this process | all processes | all processes |
/// | while a process is cut off from Redis | | it misses what is sent | its messages wait, `capacity` of them, for `expiry` |
/// | the sender to a full channel | is told | is not told | is told when `capacity` messages wait in Redis |
/// | a message to a group costs Redis | | one command | two, and the list of members twice |
/// | a message to all but oneself | | one command, and two words more to the sender's process | the same, less one name |
/// | a named channel with workers in several processes | | each gets each message | each message goes to one of them |
/// | a process that is killed | | leaves nothing | stays in its groups until `group_expiry`; what is sent to it expires |
///
/// A gap is said aloud: when a process has lost Redis, a consumer's `#[layer_lost]` runs, and when all of its groups are
/// heard again, its `#[layer_restored]` ([`consumer`](macro@crate::consumer)). Whatever was sent before the one, as far as it
/// was heard, and after the other is delivered; what was sent in between may be missing, also on the core layer, if Redis
/// came back empty or more than `capacity` messages waited. [`Self::stats`] counts the gaps, and [`Self::ready`] says whether
/// messages come through now. A send fails within 5 s if Redis does not answer.
///
/// With the core layer all channels of a process share one queue in Redis, which is emptied at once into the mailboxes
/// here. So a sender elsewhere is told when the process hangs, and not when one of its connections is slow.
#[derive(Clone)]
pub struct ChannelLayer {
    // One pointer, because every connection has a handle.
    layer: Arc<Layer>,
}

struct Layer {
    backend: Arc<dyn Backend>,
    config: LayerConfig,
}

impl ChannelLayer {
    /// A layer within this process, with the defaults of Django Channels.
    pub fn in_memory() -> Self {
        Self::in_memory_with(LayerConfig::default())
    }

    /// A layer within this process.
    pub fn in_memory_with(config: LayerConfig) -> Self {
        Self::new(Arc::new(Memory::new()), config)
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
    /// Never waits for a member. A member whose mailbox is full misses the event, which is counted in [`Self::stats`].
    ///
    /// # Errors
    /// When the group's name or the event cannot be written, or the other end of the layer cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not have sent the event; it is never sent in half.
    // The checked methods return a future that knows nothing of their types. With an `async fn`, a group that does not
    // carry the event is reported three times: for the argument, for the call, and for the `.await`.
    pub fn group_send<G, E>(&self, group: &G, event: &E) -> Unawaited<'_, Result<(), LayerError>>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        Unawaited::new(self.deliver_to_group(group.name(), Envelope::from_event(event, self.layer.backend.format())))
    }

    pub(crate) async fn deliver_to_group(
        &self,
        group: Result<GroupName, NameError>,
        envelope: Result<Envelope, LayerError>,
    ) -> Result<(), LayerError> {
        self.layer.backend.group_send(&group?, envelope?).await
    }

    pub(crate) async fn deliver_to_others(
        &self,
        group: Result<GroupName, NameError>,
        envelope: Result<Envelope, LayerError>,
        own: &ChannelName,
    ) -> Result<(), LayerError> {
        self.layer.backend.group_send_others(&group?, envelope?, own).await
    }

    /// Sends an event to one channel. Compiles only if the channel's consumer handles the event; a name made from a plain
    /// string takes every event.
    ///
    /// # Errors
    /// [`LayerError::ChannelFull`] when the channel's mailbox is full, as far as this layer can know; otherwise as
    /// [`Self::group_send`]. A channel that nobody reads is not an error.
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

    /// Sends a message that no type describes: a JSON object with a `type`. The compiler checks nothing of it.
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
    /// When the group's name is not legal or the message has no `type`; otherwise as [`Self::group_send`].
    pub async fn group_send_raw(&self, group: &str, message: Value) -> Result<(), LayerError> {
        let envelope = Envelope::from_value(&message, self.layer.backend.format())?;
        self.layer.backend.group_send(&GroupName::new(group)?, envelope).await
    }

    /// Sends a message that no type describes to one channel.
    ///
    /// # Errors
    /// When the channel's name is not legal or the message has no `type`; otherwise as [`Self::send`].
    pub async fn send_raw(&self, channel: &str, message: Value) -> Result<(), LayerError> {
        let envelope = Envelope::from_value(&message, self.layer.backend.format())?;
        self.layer.backend.send(&ChannelName::new(channel)?, envelope).await
    }

    /// Adds a channel of this process to a group. When it returns, what is sent to the group reaches the channel.
    ///
    /// In a consumer, use [`Context::group_add`](crate::Context::group_add).
    ///
    /// # Errors
    /// [`LayerError::NotLocal`] for a channel of another process; or the other end of the layer cannot be reached.
    pub fn group_add<G, C>(&self, group: &G, channel: &ChannelName<C>) -> Unawaited<'_, Result<(), LayerError>>
    where
        G: JoinedBy<C> + ?Sized,
    {
        Unawaited::new(self.join(group.name(), channel.untyped()))
    }

    pub(crate) async fn join(
        &self,
        group: Result<GroupName, NameError>,
        channel: ChannelName,
    ) -> Result<(), LayerError> {
        self.layer.backend.group_add(&group?, &channel).await
    }

    /// Takes a channel out of a group. If it was in none, nothing happens.
    ///
    /// # Errors
    /// When the group's name is not legal, or the other end of the layer cannot be reached.
    pub fn group_discard<G, C>(&self, group: &G, channel: &ChannelName<C>) -> Unawaited<'_, Result<(), LayerError>>
    where
        G: Group + ?Sized,
    {
        Unawaited::new(self.leave(group.name(), channel.untyped()))
    }

    pub(crate) async fn leave(
        &self,
        group: Result<GroupName, NameError>,
        channel: ChannelName,
    ) -> Result<(), LayerError> {
        self.layer.backend.group_discard(&group?, &channel).await
    }

    /// The channels that are in a group, in all processes, in no order. Each connection is one.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # #[event("chat.message")] struct ChatMessage { message: String }
    /// # #[group("chat", events(ChatMessage))] struct Chat;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let layer = ChannelLayer::in_memory();
    /// let channel = layer.new_channel().await?;
    /// layer.group_add(&Chat, channel.name()).await?;
    /// assert_eq!(layer.group_members(&Chat).await?, [channel.name().clone()]);
    /// assert_eq!(layer.group_count(&Chat).await?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// It is what was true a moment ago: others join and leave meanwhile. What is counted differs with the layer:
    ///
    /// - Redis, core: what Redis keeps of the group, Python's members too. A process that was killed stays in it until
    ///   `group_expiry` (a day) has passed.
    /// - Redis, pub/sub: nobody keeps a list, so every process of this layer is asked. A process that was killed is gone at
    ///   once, and one that is cut off from Redis is not counted. Neither are Python's members, which cannot be asked.
    ///
    /// # Errors
    /// When the group's name is not legal, or the other end of the layer cannot be reached. Over pub/sub also when not every
    /// process answers within 5 s.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind; answers that come later are passed over.
    pub fn group_members<G>(&self, group: &G) -> Unawaited<'_, Result<Vec<ChannelName>, LayerError>>
    where
        G: Group + ?Sized,
    {
        let group = group.name();
        Unawaited::new(async move { self.layer.backend.group_members(&group?).await })
    }

    /// How many channels are in a group, in all processes. Costs less than their names; see [`Self::group_members`] for
    /// what is counted. Those of this process alone: [`Self::members_here`].
    ///
    /// # Errors
    /// The same as those of [`Self::group_members`].
    ///
    /// # Cancel safety
    /// The same.
    pub fn group_count<G: Group + ?Sized>(&self, group: &G) -> Unawaited<'_, Result<usize, LayerError>> {
        let group = group.name();
        Unawaited::new(async move { self.layer.backend.group_count(&group?).await })
    }

    /// A channel of one's own, without a consumer: for a job that waits for answers, or for a test. When it returns,
    /// what is sent to its name arrives.
    ///
    /// # Errors
    /// When the other end of the layer cannot be reached.
    pub async fn new_channel(&self) -> Result<Channel, LayerError> {
        let channel = Channel::new(Arc::clone(&self.layer.backend), &self.layer.config);
        self.layer.backend.announce(channel.name()).await?;
        Ok(channel)
    }

    /// Whether messages come through: sends one to a new channel of this process, through each server behind the layer, and
    /// waits until all are back. For a health check; it goes the way of every message, so it also fails where Redis answers
    /// and the subscription or the queue of this process is dead.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use channels_runtime::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let layer = ChannelLayer::in_memory();
    /// layer.ready(Duration::from_secs(1)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] when a message is not back within the deadline; the error of a step that failed before.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind: a message that comes back later is passed over.
    pub async fn ready(&self, deadline: Duration) -> Result<(), LayerError> {
        let each = try_join_all((0..self.layer.backend.servers()).map(|server| self.round_trip(server)));
        match tokio::time::timeout(deadline, each).await {
            Ok(back) => back.map(drop),
            Err(late) => Err(LayerError::Unavailable {
                server: None,
                action: "a message to this process itself",
                source: late.into(),
            }),
        }
    }

    async fn round_trip(&self, server: usize) -> Result<(), LayerError> {
        let name = self.layer.backend.new_channel_name_on(server);
        let channel = Channel::with_name(Arc::clone(&self.layer.backend), &self.layer.config, name);
        self.layer.backend.announce(channel.name()).await?;
        let envelope =
            Envelope::from_value(&serde_json::json!({"type": "channels.ready"}), self.layer.backend.format())?;
        self.layer.backend.send_through(server, channel.name(), envelope).await?;
        channel.receive().await.map(drop).ok_or(LayerError::Closed)
    }

    /// How many channels of this process are in the group.
    ///
    /// # Errors
    /// When the group's name is not legal.
    pub fn members_here<G: Group + ?Sized>(&self, group: &G) -> Result<usize, LayerError> {
        Ok(self.layer.backend.table().members(&group.name()?))
    }

    /// How many channels this process has.
    pub fn channels_here(&self) -> usize {
        self.layer.backend.table().channels()
    }

    /// How many groups have a member in this process.
    pub fn groups_here(&self) -> usize {
        self.layer.backend.table().group_count()
    }

    /// What happened to the messages so far.
    pub fn stats(&self) -> LayerStats {
        self.layer.backend.table().stats()
    }

    /// Forgets every group. For tests, and for an operator who knows why.
    ///
    /// # Errors
    /// When the other end of the layer cannot be reached.
    pub async fn flush(&self) -> Result<(), LayerError> {
        self.layer.backend.flush().await
    }

    /// Ends the layer: its connections are closed, its tasks end, and every channel is told.
    pub async fn close(&self) {
        self.layer.backend.close().await;
    }
}

impl fmt::Debug for ChannelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelLayer").field(&self.layer.backend).finish()
    }
}
