//! What a consumer holds: the means to act.

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
use crate::connection::{Closed, Connection, Pause};
use crate::consumer::tasks::Tasks;
use crate::error::{CommandError, Error, FrameError, LayerError, Result, SendError, shown};
use crate::event::{Carries, Event, Group, Handles, JoinedBy, Sends};
use crate::layer::ChannelLayer;
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::support::Unawaited;
use crate::websocket::{CloseCode, EncodedFrame, Frame, Text, ToJson, with_frame, with_json};

/// A consumer's means to act: its connection, its channel, its groups, the layer. Always called `cx`.
///
/// Sends to the client wait while more than half of the outbound queue (1 MiB) is full, so a handler that talks to a slow
/// client slows itself, and nobody else.
///
/// # Sending
///
/// | receiver | in a consumer | elsewhere |
/// | --- | --- | --- |
/// | this connection's client | [`Context::send`], [`Context::send_json`], [`Context::send_text`], [`Context::send_frame`] | – |
/// | one channel, with an event | [`Context::send_event`] | [`ChannelLayer::send`] |
/// | a group, with an event | [`Context::group_send`], [`Context::group_send_others`] | [`ChannelLayer::group_send`] |
pub struct Context<C> {
    /// The client's; a worker has none. It knows its channel and its scope, and an idle connection carries no more than it
    /// has to.
    connection: Option<Arc<Connection>>,
    rare: Option<Box<ColdState>>,
    consumer: PhantomData<fn() -> C>,
}

/// What few contexts have, or none for long.
#[derive(Default)]
struct ColdState {
    /// A worker's, which has no connection.
    post: Option<Post>,
    /// What the answer to the handshake will say; gone once it is given.
    answer: Option<Box<Answer>>,
    tasks: Tasks,
    /// The client has said more than it may.
    pause: Pause,
}

/// Where a worker is.
struct Post {
    scope: Scope,
    channel: ChannelName,
    layer: ChannelLayer,
}

/// What `#[connect]` adds to the answer that accepts the handshake.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) subprotocol: Option<String>,
    pub(crate) headers: HeaderMap,
}

impl<C> Context<C> {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        let rare = ColdState { answer: Some(Box::default()), ..ColdState::default() };
        Self { connection: Some(connection), rare: Some(Box::new(rare)), consumer: PhantomData }
    }

    /// That of a worker: there is no client.
    pub(crate) fn of_worker(scope: Scope, channel: ChannelName, layer: ChannelLayer) -> Self {
        let rare = ColdState { post: Some(Post { scope, channel, layer }), ..ColdState::default() };
        Self { connection: None, rare: Some(Box::new(rare)), consumer: PhantomData }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.connection.as_ref().expect("a session has a client")
    }

    pub(crate) fn connection_and_pause(&mut self) -> (&Connection, &mut Pause) {
        let connection = self.connection.as_ref().expect("a session has a client");
        (connection, &mut self.rare.get_or_insert_default().pause)
    }

    /// What a worker has in place of a connection.
    fn post(&self) -> &Post {
        self.rare.as_ref().and_then(|rare| rare.post.as_ref()).expect("without a client it is a worker")
    }

    fn channel(&self) -> &ChannelName {
        self.connection.as_ref().map_or_else(|| &self.post().channel, |connection| connection.channel())
    }

    pub(crate) fn take_answer(&mut self) -> Answer {
        let Some(rare) = &mut self.rare else { return Answer::default() };
        let answer = rare.answer.take().map(|answer| *answer).unwrap_or_default();
        if rare.post.is_none() && rare.tasks.is_empty() {
            self.rare = None;
        }
        answer
    }

    /// What writes to the client while a handler that waits keeps the session from it.
    pub(crate) fn output(&self) -> impl Fn(&mut Task<'_>) + 'static {
        let connection = self.connection.clone();
        move |task| {
            if let Some(connection) = &connection {
                connection.poll_output(task);
            }
        }
    }

    pub(crate) fn tasks(&mut self) -> &mut Tasks {
        &mut self.rare.get_or_insert_default().tasks
    }

    /// Aborts the consumer's timers and its other work, and waits until none of it runs any more.
    pub(crate) async fn end_background(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.tasks.end().await;
        }
    }

    fn answer(&mut self) -> Option<&mut Answer> {
        self.rare.as_mut()?.answer.as_deref_mut()
    }

    /// Takes the connection's channel out of the layer and out of all its groups.
    pub(crate) fn leave(&self) {
        self.layer().backend().release(self.channel());
    }

    /// The facts of the connection: path, query, headers, cookies, user.
    pub fn scope(&self) -> &Scope {
        self.connection.as_ref().map_or_else(|| &self.post().scope, |connection| connection.scope())
    }

    /// Returns the user whom the [authenticator](crate::ChannelsBuilder::authenticator) of [`Channels`](crate::Channels) identified.
    ///
    /// `None` for an anonymous client. Also `None` if there is no authenticator, or if `U` is not exactly the type of its users; the
    /// log reports these two mistakes once for each `U` (`error`).
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

    /// The name of this connection's channel. Others may send to it with [`ChannelLayer::send`], for as long as the
    /// connection lives.
    pub fn channel_name(&self) -> ChannelName<C> {
        self.channel().typed()
    }

    /// Returns a handle to the channel layer. The handle can be kept, cloned and moved to another task.
    pub fn channel_layer(&self) -> ChannelLayer {
        self.layer().clone()
    }

    pub(crate) fn layer(&self) -> &ChannelLayer {
        self.connection.as_ref().map_or_else(|| &self.post().layer, |connection| &connection.shared().layer)
    }

    /// Joins a group. Compiles only if this consumer handles every event that the group carries.
    ///
    /// When it returns, what is sent to the group reaches this connection. The group is left when the connection ends,
    /// however it ends.
    ///
    /// # Errors
    /// When the group's name is not legal, or the other end of the layer cannot be reached.
    // See `ChannelLayer::group_send` for why these are no `async fn`s.
    pub fn group_add<G: JoinedBy<C> + ?Sized>(&mut self, group: &G) -> Unawaited<'_, Result<()>> {
        lifted(self.layer().join(group.name(), self.channel().clone()))
    }

    /// Leaves a group. If it was not joined, nothing happens.
    ///
    /// # Errors
    /// When the group's name is not legal, or the other end of the layer cannot be reached.
    pub fn group_discard<G: Group + ?Sized>(&mut self, group: &G) -> Unawaited<'_, Result<()>> {
        lifted(self.layer().leave(group.name(), self.channel().clone()))
    }

    /// Sends an event to every member of a group, this connection too if it is one. Compiles only if the group carries
    /// the event. See [`ChannelLayer::group_send`].
    ///
    /// # Errors
    /// When the group's name or the event cannot be written, or the other end of the layer cannot be reached.
    pub fn group_send<G, E>(&self, group: &G, event: &E) -> Unawaited<'_, Result<()>>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        let layer = self.layer();
        lifted(layer.deliver_to_group(group.name(), Envelope::from_event(event, layer.backend().format())))
    }

    /// Sends an event to every other member of a group: to all but this connection, whether it is a member or not.
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
    ///     /// The others learn that somebody types; who types knows it.
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
    /// It keeps its place among the connection's other sends to the group. Other processes, Python's too, get the same message
    /// as by [`Self::group_send`]. With the pub/sub layer of Redis it is the command `EVAL`, and not `PUBLISH`.
    ///
    /// # Errors
    /// The same as those of [`Self::group_send`].
    pub fn group_send_others<G, E>(&self, group: &G, event: &E) -> Unawaited<'_, Result<()>>
    where
        G: Group<Itself: Carries<E::Itself>> + ?Sized,
        E: Event,
    {
        let layer = self.layer();
        let envelope = Envelope::from_event(event, layer.backend().format());
        lifted(layer.deliver_to_others(group.name(), envelope, self.channel()))
    }

    /// Sends an event to one channel. See [`ChannelLayer::send`].
    ///
    /// # Errors
    /// When the channel's mailbox is full, the event cannot be written, or the other end of the layer cannot be reached.
    pub fn send_event<T, E>(&self, channel: &ChannelName<T>, event: &E) -> Unawaited<'_, Result<()>>
    where
        T: Handles<E::Itself>,
        E: Event,
    {
        let layer = self.layer();
        lifted(layer.deliver(channel.untyped(), Envelope::from_event(event, layer.backend().format())))
    }

    /// Sends the client one of the messages that `#[consumer(sends(..))]` lists, as JSON.
    ///
    /// # Errors
    /// When the connection is closed, or the value cannot be written.
    pub fn send<T>(&mut self, message: &T) -> Unawaited<'_, Result<()>>
    where
        C: Sends<T>,
        T: Serialize + ?Sized,
    {
        let frame = EncodedFrame::json(message);
        Unawaited::new(async move { self.send_rendered(&frame.map_err(SendError::Encode)?).await })
    }

    /// Sends the client a value as JSON, in a text frame.
    ///
    /// # Errors
    /// When the connection is closed, or the value cannot be written.
    ///
    /// # Cancel safety
    /// As of [`Context::send_frame`].
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
    /// When the connection is closed.
    pub async fn send_text(&mut self, text: impl Text) -> Result<()> {
        self.send_frame(Frame::text(text)).await
    }

    /// Sends the client bytes.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_binary(&mut self, bytes: impl Into<bytes::Bytes>) -> Result<()> {
        self.send_frame(Frame::binary(bytes)).await
    }

    /// Sends the client a frame.
    ///
    /// In `#[connect]` it waits until the handshake is answered.
    ///
    /// # Errors
    /// When the connection is closed.
    ///
    /// # Cancel safety
    /// The frame goes into the outbound queue in one step, when there is room. A dropped future has sent nothing.
    pub async fn send_frame(&mut self, frame: Frame) -> Result<()> {
        let rest = with_frame(&frame, |frame| self.offer(frame))?;
        self.send_rest(rest).await
    }

    pub(crate) async fn send_rendered(&mut self, frame: &EncodedFrame) -> Result<()> {
        let rest = self.offer(frame.as_bytes())?;
        self.send_rest(rest).await
    }

    /// Sends a finished frame if there is room for it. Otherwise gives a copy, to be sent when there is.
    fn offer(&self, frame: &[u8]) -> Result<Option<EncodedFrame>> {
        let connection = self.connection.as_ref().ok_or(SendError::NoClient)?;
        let sent = connection.offer(frame).map_err(closed)?;
        Ok(if sent { None } else { Some(EncodedFrame::copied(frame)) })
    }

    async fn send_rest(&mut self, rest: Option<EncodedFrame>) -> Result<()> {
        if let Some(frame) = rest {
            let connection = self.connection.as_ref().ok_or(SendError::NoClient)?;
            poll_fn(|task| connection.poll_send(task, &frame)).await.map_err(closed)?;
        }
        Ok(())
    }

    /// Answers a frame that is no command, as it is done where there is no `#[receive(_)]`: with
    /// `{"error": {"code": "unknown_command", "message": ".."}}`, the code being [`CommandError::code`]. Binary where text is
    /// wanted, or the other way round, closes the connection with 1003; a consumer without `#[receive]` says nothing.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn refuse(&mut self, error: &CommandError) -> Result<()> {
        let message = error.to_string();
        match error {
            CommandError::NotListening => Ok(()),
            CommandError::Frame(FrameError::Kind { .. }) => {
                self.close_with(CloseCode::UNSUPPORTED, &message);
                Ok(())
            }
            _ => {
                let said = serde_json::json!({"error": {"code": error.code(), "message": shown(&message)}});
                self.send_json(&said).await
            }
        }
    }

    /// Closes the connection: what was sent so far still goes out, and `#[disconnect]` runs when this handler returns. In
    /// a worker, which has no connection, it does nothing.
    pub fn close(&mut self, code: CloseCode) {
        self.close_with(code, "");
    }

    /// Closes the connection and tells the client why, in at most 123 bytes (the rest is cut off).
    pub fn close_with(&mut self, code: CloseCode, reason: &str) {
        if let Some(connection) = &self.connection {
            connection.close(code, reason);
        }
    }

    /// Accepts with one of the subprotocols that the client offers. Only in `#[connect]`; otherwise none is named.
    ///
    /// Gives `false`, and names none, if the client does not offer it: it would have to hang up.
    pub fn set_subprotocol(&mut self, subprotocol: &str) -> bool {
        let offered = self.scope().subprotocols().any(|offered| offered == subprotocol);
        match self.answer() {
            Some(answer) if offered => {
                answer.subprotocol = Some(subprotocol.into());
                true
            }
            _ => false,
        }
    }

    /// Adds a header to the answer that accepts the connection (a cookie, for example). Only in `#[connect]`; later it
    /// does nothing.
    pub fn append_header(&mut self, name: HeaderName, value: HeaderValue) {
        if let Some(answer) = self.answer() {
            answer.headers.append(name, value);
        }
    }
}

fn closed(_: Closed) -> Error {
    SendError::Closed.into()
}

/// What the layer did, as a handler's result.
fn lifted<'a>(done: impl Future<Output = Result<(), LayerError>> + Send + 'a) -> Unawaited<'a, Result<()>> {
    Unawaited::new(async move { Ok(done.await?) })
}

/// What [`Context::send_json`] gives before its `.await`, which is what makes it happen.
///
/// It is no `async fn`, which asks again for what its type parameters are where it is called and where it is awaited: one
/// missing `Serialize` would be three errors. So how to write the value is a pointer, and nothing is asked of `T` here.
#[must_use = "it does nothing before it is awaited: write `.await` behind the call"]
pub struct SendJson<'a, C, T: ?Sized> {
    cx: &'a mut Context<C>,
    /// Until it was written.
    value: Option<&'a T>,
    /// Writes and sends it if there is room; otherwise gives the frame.
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
        // Whatever way the connection ends, a dropped future included, nothing of it stays behind in a group.
        self.leave();
    }
}

impl<C> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("scope", self.scope()).field("channel", self.channel()).finish_non_exhaustive()
    }
}
