//! A consumer's handle: its connection, its channel, its groups and the layer.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::codec::Envelope;
use crate::connection::{Closed, Connection, Inflation, Pause, PositionMarker, Shared};
use crate::consumer::tasks::Tasks;
use crate::error::{Error, LayerError, Result, SendError};
use crate::event::Sends;
use crate::event::{Carries, Event, Group, Handles, Joined, JoinedBy, Plain, ReachesOthers, Recoverable, Since};
use crate::layer::ChannelLayer;
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::support::Unawaited;
use crate::websocket::{
    CloseCode, EncodedFrame, Frame, InflatedMessage, ProtocolError, Text, ToJson, with_frame, with_json,
};

/// A consumer's handle, through which it sends, joins groups, and starts timers and tasks. Always called `cx`.
///
/// A send to the client waits while more than half of the outbound queue (1 MiB) is full. So a handler that sends to a slow
/// client delays only itself.
///
/// # Sending
///
/// | receiver | in a consumer | elsewhere |
/// | --- | --- | --- |
/// | this connection's client | [`Context::send`], [`Context::send_json`], [`Context::send_text`], [`Context::send_frame`] | – |
/// | one channel, with an event | [`Context::send_event`] | [`ChannelLayer::send`] |
/// | a group, with an event | [`Context::group_send`], [`Context::group_send_others`] | [`ChannelLayer::group_send`] |
pub struct Context<C> {
    /// The connection, which also holds the channel and the scope. `None` in a worker.
    connection: Option<Arc<Connection>>,
    /// `None` for most idle connections, to save their memory.
    cold: Option<Box<ColdState>>,
    consumer: PhantomData<fn() -> C>,
}

/// State that few contexts have, or that they have for a short time.
#[derive(Default)]
struct ColdState {
    /// The facts of a worker, which has no connection.
    worker: Option<WorkerFacts>,
    /// The response to the handshake. `None` after `#[connect]`.
    response: Option<Box<HandshakeResponse>>,
    tasks: Tasks,
    /// The pause of a client that exceeds the rate limit.
    pause: Pause,
    /// The client's message that is inflated on another thread.
    inflation: Inflation,
}

/// The facts of a worker, which has no connection.
struct WorkerFacts {
    scope: Scope,
    channel: ChannelName,
    shared: Arc<Shared>,
}

/// The additions of `#[connect]` to the response that accepts the handshake.
#[derive(Debug, Default)]
pub(crate) struct HandshakeResponse {
    pub(crate) subprotocol: Option<String>,
    pub(crate) headers: HeaderMap,
}

impl<C> Context<C> {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        let cold = ColdState { response: Some(Box::default()), ..ColdState::default() };
        Self { connection: Some(connection), cold: Some(Box::new(cold)), consumer: PhantomData }
    }

    /// Creates the context of a worker, which has no client.
    pub(crate) fn of_worker(scope: Scope, channel: ChannelName, shared: Arc<Shared>) -> Self {
        let cold = ColdState { worker: Some(WorkerFacts { scope, channel, shared }), ..ColdState::default() };
        Self { connection: None, cold: Some(Box::new(cold)), consumer: PhantomData }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.connection.as_ref().expect("a session has a client")
    }

    pub(crate) fn connection_and_pause(&mut self) -> (&Connection, &mut Pause) {
        let connection = self.connection.as_ref().expect("a session has a client");
        (connection, &mut self.cold.get_or_insert_default().pause)
    }

    pub(crate) fn connection_and_inflation(&mut self) -> (&Connection, &mut Inflation) {
        let connection = self.connection.as_ref().expect("a session has a client");
        (connection, &mut self.cold.get_or_insert_default().inflation)
    }

    /// Polls the message that is being inflated. `None` if there is none.
    pub(crate) fn poll_inflation(
        &mut self,
        task: &mut Task<'_>,
    ) -> Option<Poll<Result<InflatedMessage, ProtocolError>>> {
        let inflation = &mut self.cold.as_mut()?.inflation;
        let inflated = inflation.as_mut()?.as_mut().poll(task);
        if inflated.is_ready() {
            *inflation = None;
        }
        Some(inflated)
    }

    fn worker(&self) -> &WorkerFacts {
        self.cold
            .as_ref()
            .and_then(|cold| cold.worker.as_ref())
            .expect("a context without a client belongs to a worker")
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        self.connection.as_ref().map_or_else(|| &self.worker().shared, |connection| connection.shared())
    }

    pub(super) fn channel(&self) -> &ChannelName {
        self.connection.as_ref().map_or_else(|| &self.worker().channel, |connection| connection.channel())
    }

    /// Removes and returns the response to the handshake.
    pub(crate) fn take_response(&mut self) -> HandshakeResponse {
        let Some(cold) = &mut self.cold else { return HandshakeResponse::default() };
        let response = cold.response.take().map(|response| *response).unwrap_or_default();
        if cold.worker.is_none() && cold.tasks.is_empty() {
            self.cold = None;
        }
        response
    }

    /// Returns a function that writes pending output to the client. It is called while a handler waits, because the session
    /// cannot write meanwhile.
    pub(crate) fn output(&self) -> impl Fn(&mut Task<'_>) + 'static {
        let connection = self.connection.clone();
        move |task| {
            if let Some(connection) = &connection {
                connection.poll_output(task);
            }
        }
    }

    pub(super) fn tasks(&mut self) -> &mut Tasks {
        &mut self.cold.get_or_insert_default().tasks
    }

    /// Ends the consumer's timers and tasks. When it returns, none of them runs.
    pub(crate) async fn end_background(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.tasks.end().await;
        }
    }

    /// Returns the response to the handshake during `#[connect]`.
    fn response(&mut self) -> Option<&mut HandshakeResponse> {
        self.cold.as_mut()?.response.as_deref_mut()
    }

    /// Counts and logs the failure of an async handler without `self`.
    #[cold]
    pub(crate) fn count_failed(&self, consumer: &'static str, event: &str, error: &Error) {
        self.layer().backend().table().counters().count_failed(
            consumer,
            event,
            self.channel().as_str(),
            &error.to_string(),
        );
    }

    /// Removes the connection's channel from the layer and from all its groups.
    pub(crate) fn leave(&self) {
        self.layer().backend().release(self.channel());
    }

    /// Returns the facts of the connection: path, query, headers, cookies, user.
    pub fn scope(&self) -> &Scope {
        self.connection.as_ref().map_or_else(|| &self.worker().scope, |connection| connection.scope())
    }

    /// Returns the user whom the [authenticator](crate::ChannelsBuilder::authenticator) of [`Channels`](crate::Channels)
    /// identified.
    ///
    /// `None` for an anonymous client. Also `None` if there is no authenticator, or if `U` is not exactly the type of its users;
    /// the log reports these two mistakes once for each `U` (`error`).
    ///
    /// The user is shared, not copied, and does not borrow `cx`:
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use channels_runtime::prelude::*;
    /// # #[event("chat.message")] struct ChatMessage { message: String }
    /// # #[group("chat", events(ChatMessage))] struct Chat;
    /// struct User { name: String }
    ///
    /// struct ChatConsumer { user: Arc<User> }
    ///
    /// #[consumer]
    /// impl ChatConsumer {
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    ///         let user = cx.user::<User>().ok_or(Reject::unauthorized())?;
    ///         cx.group_add(&Chat).await?;
    ///         Ok(Self { user })
    ///     }
    /// #   #[handler("chat.message")] fn chat_message(event: &ChatMessage) -> String { event.message.clone() }
    /// }
    /// ```
    pub fn user<U: Any + Send + Sync>(&self) -> Option<Arc<U>> {
        self.scope().shared_user()
    }

    /// Returns the name of this connection's channel. Other code can send to it with [`ChannelLayer::send`] while the connection
    /// is open.
    pub fn channel_name(&self) -> ChannelName<C> {
        self.channel().typed()
    }

    /// Returns the [backend](crate::ChannelsBuilder::backend) of the application, to send it commands.
    ///
    /// # Errors
    /// If the application has none.
    #[cfg(feature = "backend")]
    pub fn backend(&self) -> Result<&crate::backend::Backend, crate::backend::BackendError> {
        self.shared().backend.as_ref().ok_or(crate::backend::BackendError::NotConfigured)
    }

    /// Returns a handle to the channel layer. The handle can be kept, cloned and moved to another task.
    pub fn channel_layer(&self) -> ChannelLayer {
        self.layer().clone()
    }

    pub(crate) fn layer(&self) -> &ChannelLayer {
        &self.shared().layer
    }

    /// Joins a group. Compiles only if this consumer handles every event that the group carries, and the group has no history: then
    /// [`Self::group_add_since`] joins it.
    ///
    /// After it returns, messages to the group reach this connection. However the connection ends, it leaves the group.
    ///
    /// # Errors
    /// If the group's name is not legal, or the layer's server cannot be reached.
    // `ChannelLayer::group_send` explains why these are not `async fn`s.
    pub fn group_add<G>(&mut self, group: &G) -> Unawaited<'_, Result<()>>
    where
        G: Group<Itself: Plain<Joinable: JoinedBy<C>>> + ?Sized,
    {
        to_handler_result(self.layer().join(group.name(), self.channel().clone()))
    }

    /// Joins a group with a history. Compiles only if this consumer handles every event that the group carries, takes the positions
    /// of those that the group keeps, and has a `#[history_lost]`.
    ///
    /// This connection receives the events after the position that its client has seen last, and
    /// then the further ones: each event once, in the order of the group.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # use serde::Serialize;
    /// # #[event("chat.message")] struct ChatMessage { message: String }
    /// #[group("chat_{room}", events(ChatMessage), history(size = 100, ttl = "10m"))]
    /// struct Room { room: String }
    ///
    /// /// `at` is the position that the client sends when it comes back: `/ws/chat/lobby?since=<at>`.
    /// #[derive(Serialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum Reply<'a> {
    ///     Hello { at: &'a Position },
    ///     Line { message: &'a str, at: &'a Position },
    ///     Reload { at: &'a Position },
    /// }
    ///
    /// struct ChatConsumer;
    ///
    /// #[consumer]
    /// impl ChatConsumer {
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
    ///         let joined = cx.group_add_since(&Room { room }, &cx.resume()).await?;
    ///         cx.send_json(&Reply::Hello { at: &joined.at }).await?;
    ///         Ok(Self)
    ///     }
    ///
    ///     #[handler("chat.message")]
    ///     async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage, at: &Position) -> Result<()> {
    ///         cx.send_json(&Reply::Line { message: &event.message, at }).await
    ///     }
    ///
    ///     /// Tells the page to load the messages from the database, as on the first visit.
    ///     #[history_lost]
    ///     async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
    ///         cx.send_json(&Reply::Reload { at: &lost.at }).await
    ///     }
    /// }
    /// # #[cfg(feature = "testing")]
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
    /// # let channels = Channels::builder().build().unwrap();
    /// # let (layer, room) = (channels.channel_layer(), Room { room: "lobby".into() });
    /// # let client = |since: &str| {
    /// #     let chat = channels.route::<ChatConsumer>(warp::path!("chat" / String));
    /// #     WebsocketCommunicator::new(chat, format!("/chat/lobby?since={since}"))
    /// # };
    /// # let mut before = client("");
    /// # before.connect().await?;
    /// # let hello: serde_json::Value = before.receive_json_from().await?;
    /// # before.disconnect(CloseCode::NORMAL).await?;
    /// # layer.group_send(&room, &ChatMessage { message: "hello".into() }).await.unwrap();
    /// # let mut after = client(hello["at"].as_str().unwrap());
    /// # after.connect().await?;
    /// # let again: serde_json::Value = after.receive_json_from().await?;
    /// # assert_eq!(again, hello);
    /// # let missed: serde_json::Value = after.receive_json_from().await?;
    /// # assert_eq!((&missed["type"], &missed["message"]), (&json!("line"), &json!("hello")));
    /// # Ok::<_, CommunicatorError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// The missed events are handled when the running handler has returned, and before any later event of the group. If they are
    /// not all kept, none of them is sent. Instead `#[history_lost]` runs first. [`Since::START`] is a first visit, and no gap.
    ///
    /// The consumer decides before this call whether the client may join: a position grants nothing.
    ///
    /// # Errors
    /// If the group's name is not legal, or the layer's server cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect, or the connection has joined and receives what it missed.
    pub fn group_add_since<G>(&mut self, group: &G, since: &Since) -> Unawaited<'_, Result<Joined>>
    where
        G: Group<Itself: Recoverable<Joinable: JoinedBy<C>>> + ?Sized,
    {
        let history = G::HISTORY.expect("a recoverable group has a history");
        let join = self.layer().join_since(group.name(), self.channel().clone(), history, since.clone());
        let connection = self.connection.as_deref();
        to_handler_result(async move {
            let joined = join.await?;
            if let Some(connection) = connection {
                connection.mark_position(PositionMarker::Now(&joined.at));
            }
            Ok(joined)
        })
    }

    /// Returns the positions that the client has seen last: those of the header `Last-Event-ID`, which browsers send for
    /// server-sent events, or those of the query's `since`, with commas between them. [`Since::START`] if it sent neither.
    pub fn resume(&self) -> Since {
        let scope = self.scope();
        // An `EventSource` reconnects to its first address, so the query is older than the header.
        if let Some(last) = scope.header_bytes("last-event-id").filter(|last| !last.is_empty()) {
            // Bytes that are not text are not a position either, and no first visit.
            return Since::from(&*String::from_utf8_lossy(last));
        }
        let query = scope.query_string().unwrap_or_default();
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters.find(|(name, _)| name == "since").map_or(Since::START, |(_, since)| Since::from(&*since))
    }

    /// Leaves a group. Has no effect if this connection is not a member.
    ///
    /// # Errors
    /// If the group's name is not legal, or the layer's server cannot be reached.
    pub fn group_discard<G: Group + ?Sized>(&mut self, group: &G) -> Unawaited<'_, Result<()>> {
        to_handler_result(self.layer().leave(group.name(), self.channel().clone()))
    }

    /// Sends an event to every member of a group, including this connection if it is a member. Compiles only if the group carries
    /// the event. See [`ChannelLayer::group_send`].
    ///
    /// # Errors
    /// If the group's name is not legal, the event cannot be encoded, or the layer's server cannot be reached.
    pub fn group_send<G, E>(&self, group: &G, event: &E) -> Unawaited<'_, Result<()>>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        let layer = self.layer();
        to_handler_result(layer.deliver_to_group(group.name(), layer.encode_for::<G, E>(event)))
    }

    /// Sends an event to every member of a group except this connection, which does not have to be a member. A group with a history
    /// accepts only volatile events, because this connection would receive any other event after a reconnect.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// #[event("chat.typing", volatile)]
    /// struct ChatTyping { user: String }
    ///
    /// #[group("room", events(ChatTyping))]
    /// struct Room;
    ///
    /// struct ChatConsumer { user: String }
    ///
    /// #[consumer]
    /// impl ChatConsumer {
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>, user: String) -> Result<Self, Reject> {
    ///         cx.group_add(&Room).await?;
    ///         Ok(Self { user })
    ///     }
    ///
    ///     /// Shows the other members who is typing.
    ///     #[receive]
    ///     async fn receive(&mut self, cx: &mut Context<Self>, _text: String) -> Result<()> {
    ///         cx.group_send_others(&Room, &ChatTyping { user: self.user.clone() }).await
    ///     }
    ///
    ///     #[handler("chat.typing")]
    ///     fn chat_typing(event: &ChatTyping) -> String {
    ///         event.user.clone()
    ///     }
    /// }
    /// ```
    ///
    /// The event is delivered in order with this connection's other sends to the group. Other processes, including Python's, get
    /// the same message as with [`Self::group_send`]. The pub/sub layer of Redis uses the command `EVAL` instead of `PUBLISH`.
    ///
    /// # Errors
    /// The same as those of [`Self::group_send`].
    pub fn group_send_others<G, E>(&self, group: &G, event: &E) -> Unawaited<'_, Result<()>>
    where
        G: Group<Itself: Carries<E::Itself, Carrier: ReachesOthers<E::Retention>>> + ?Sized,
        E: Event,
    {
        let layer = self.layer();
        let envelope = Envelope::from_event(event, layer.backend().format());
        to_handler_result(layer.deliver_to_others(group.name(), envelope, self.channel()))
    }

    /// Sends an event to one channel. See [`ChannelLayer::send`].
    ///
    /// # Errors
    /// If the channel's mailbox is full, the event cannot be encoded, or the layer's server cannot be reached.
    pub fn send_event<T, E>(&self, channel: &ChannelName<T>, event: &E) -> Unawaited<'_, Result<()>>
    where
        T: Handles<E::Itself>,
        E: Event,
    {
        let layer = self.layer();
        to_handler_result(layer.deliver(channel.untyped(), Envelope::from_event(event, layer.backend().format())))
    }

    /// Sends the client one of the messages that `#[consumer(sends(..))]` lists, as JSON. [`Self::send_event`] sends to a
    /// channel.
    ///
    /// # Errors
    /// If the connection is closed, or the value cannot be encoded.
    pub fn send<T>(&mut self, message: &T) -> Unawaited<'_, Result<()>>
    where
        C: Sends<T>,
        T: Serialize + ?Sized,
    {
        let frame = EncodedFrame::json(message);
        Unawaited::new(async move {
            let rest = self.offer(frame.map_err(SendError::Encode)?.plain())?;
            self.send_rest(rest).await
        })
    }

    /// Sends the client a value as JSON, in a text frame.
    ///
    /// # Errors
    /// If the connection is closed, or the value cannot be encoded.
    ///
    /// # Cancel safety
    /// The same as that of [`Context::send_frame`].
    pub fn send_json<'a, T: ToJson + ?Sized>(&'a mut self, value: &'a T) -> SendJson<'a, C, T> {
        SendJson {
            cx: self,
            value: Some(value),
            offer: |cx, value| with_json(value, |frame| cx.offer(frame)).map_err(SendError::Encode)?,
            rest: None,
        }
    }

    /// Sends the client text.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send_text(&mut self, text: impl Text) -> Result<()> {
        self.send_frame(Frame::text(text)).await
    }

    /// Sends the client bytes.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send_binary(&mut self, bytes: impl Into<bytes::Bytes>) -> Result<()> {
        self.send_frame(Frame::binary(bytes)).await
    }

    /// Sends the client a frame.
    ///
    /// A frame sent in `#[connect]` goes out after the response to the handshake.
    ///
    /// # Errors
    /// If the connection is closed.
    ///
    /// # Cancel safety
    /// The frame enters the outbound queue in one step, when there is space. If the future is dropped before, nothing is sent.
    pub async fn send_frame(&mut self, frame: Frame) -> Result<()> {
        let rest = with_frame(&frame, |frame| self.offer(frame))?;
        self.send_rest(rest).await
    }

    /// Sends a frame that was rendered for all members of a group.
    pub(crate) async fn send_rendered(&mut self, frame: &EncodedFrame) -> Result<()> {
        let connection = self.connection.as_ref().ok_or(SendError::NoClient)?;
        poll_fn(|task| connection.poll_send(task, frame)).await.map_err(closed)
    }

    /// Sends an encoded frame if there is space. Otherwise returns a copy, to be sent later. A large frame is compressed, if the
    /// client inflates messages.
    fn offer(&self, frame: &[u8]) -> Result<Option<EncodedFrame>> {
        let connection = self.connection.as_ref().ok_or(SendError::NoClient)?;
        let offer = |frame: &[u8]| {
            let sent = connection.offer(frame).map_err(closed)?;
            Ok(if sent { None } else { Some(EncodedFrame::copied(frame)) })
        };
        match connection.compression_of_reply(frame) {
            None => offer(frame),
            Some(compression) => compression.with_compressed(frame, |compressed| {
                if compressed.is_some() {
                    connection.reply_compressed();
                }
                offer(compressed.unwrap_or(frame))
            }),
        }
    }

    async fn send_rest(&mut self, rest: Option<EncodedFrame>) -> Result<()> {
        match rest {
            Some(frame) => self.send_rendered(&frame).await,
            None => Ok(()),
        }
    }

    /// Closes the connection. Frames that were sent before still go out, and `#[disconnect]` runs after this handler returns. Has
    /// no effect in a worker, which has no connection.
    pub fn close(&mut self, code: CloseCode) {
        self.close_with(code, "");
    }

    /// Closes the connection and sends the client a reason of at most 123 bytes. A longer one is cut off.
    pub fn close_with(&mut self, code: CloseCode, reason: &str) {
        if let Some(connection) = &self.connection {
            connection.close(code, reason);
        }
    }

    /// Selects one of the subprotocols that the client offers. Default: none. Has an effect only in `#[connect]`.
    ///
    /// Returns `false` and selects none if the client does not offer it, because the client would have to disconnect.
    pub fn set_subprotocol(&mut self, subprotocol: &str) -> bool {
        let offered = self.scope().subprotocols().any(|offered| offered == subprotocol);
        match self.response() {
            Some(response) if offered => {
                response.subprotocol = Some(subprotocol.into());
                true
            }
            _ => false,
        }
    }

    /// Sends this client plain messages from now on. Otherwise messages are compressed, if the application
    /// [compresses](crate::ChannelsBuilder) and the client offers `permessage-deflate`.
    ///
    /// Call it in `#[connect]`, before the first message. Then compression is not negotiated at all, and the client sends plain
    /// messages, too. Use it for a client whose proxy breaks the extension, and for a client that receives secrets together with
    /// text of other users.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # #[derive(Default)] struct ChatConsumer;
    /// #[consumer]
    /// impl ChatConsumer {
    ///     #[connect]
    ///     fn connect(cx: &mut Context<Self>) -> Self {
    ///         if cx.scope().header("via").is_some() {
    ///             cx.no_compression();
    ///         }
    ///         Self
    ///     }
    /// }
    /// ```
    pub fn no_compression(&mut self) {
        if let Some(connection) = &self.connection {
            connection.turn_off_compression();
        }
    }

    /// Adds a header, such as a cookie, to the response that accepts the connection. Has an effect only in `#[connect]`.
    pub fn append_header(&mut self, name: HeaderName, value: HeaderValue) {
        if let Some(response) = self.response() {
            response.headers.append(name, value);
        }
    }
}

fn closed(_: Closed) -> Error {
    SendError::Closed.into()
}

/// Converts the layer's result to a handler's result.
fn to_handler_result<'a, T>(sent: impl Future<Output = Result<T, LayerError>> + Send + 'a) -> Unawaited<'a, Result<T>> {
    Unawaited::new(async move { Ok(sent.await?) })
}

/// The future of [`Context::send_json`], which has no effect before its `.await`.
///
/// The compiler checks the bounds of an `async fn` at the call and again at the `.await`, so one missing `Serialize` would cause
/// three errors. This type has no bound on `T`: it holds a pointer to the function that encodes the value.
#[must_use = "it has no effect before it is awaited: write `.await` after the call"]
pub struct SendJson<'a, C, T: ?Sized> {
    cx: &'a mut Context<C>,
    /// `None` after the first poll.
    value: Option<&'a T>,
    /// Encodes and sends the value if there is space. Otherwise returns the frame.
    offer: fn(&Context<C>, &T) -> Result<Option<EncodedFrame>>,
    rest: Option<EncodedFrame>,
}

impl<C, T: ?Sized> Future for SendJson<'_, C, T> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        if let Some(value) = self.value.take() {
            self.rest = (self.offer)(self.cx, value)?;
        }
        let Some(frame) = &self.rest else { return Poll::Ready(Ok(())) };
        let connection = self.cx.connection.as_ref().ok_or(SendError::NoClient)?;
        connection.poll_send(task, frame).map_err(closed)
    }
}

impl<C, T: ?Sized> fmt::Debug for SendJson<'_, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendJson").finish_non_exhaustive()
    }
}

impl<C> Drop for Context<C> {
    fn drop(&mut self) {
        // However the connection ends, even if its future is dropped, its channel leaves the groups.
        self.leave();
    }
}

impl<C> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("scope", self.scope()).field("channel", self.channel()).finish_non_exhaustive()
    }
}
