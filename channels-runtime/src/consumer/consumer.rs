//! What `#[consumer]` makes of an `impl` block.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::OnceCell;

use crate::codec::Envelope;
use crate::consumer::context::Context;
use crate::consumer::info::ConsumerInfo;
use crate::error::{CommandError, DecodeError, Reject, Result};
use crate::event::DropHint;
use crate::layer::Gap;
use crate::websocket::{CloseCode, EncodedFrame, Frame};

/// The future of one call of a handler.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One instance for each connection: an `impl` block with `#[consumer]` above it.
///
/// Only the macro implements this; what it writes calls functions that are not part of the public API.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a consumer",
    label = "not a consumer",
    note = "write `#[consumer]` above `impl {Self}`"
)]
pub trait Consumer: Sized + Send + 'static {
    /// What the consumer accepts from the layer: one variant for each `#[handler]`.
    type Event: Debug + Send + Sync + 'static;

    /// What a client may say: one variant for each `#[receive]`.
    type Command: Debug + Send + 'static;

    /// The arguments of `#[connect]` behind `cx`: what the route's path captures.
    type Captures: Send + 'static;

    /// All there is to know about the consumer, readable at run time.
    const INFO: ConsumerInfo;

    /// Runs `#[connect]`: `Ok` accepts the connection.
    #[doc(hidden)]
    fn connect(cx: &mut Context<Self>, captures: Self::Captures) -> BoxFuture<'_, Result<Self, Reject>>;

    /// Makes the event of a message, or the frame, where the handler needs no `self`. Once per process and message.
    ///
    /// # Errors
    /// When the message is not what the payload of its event says.
    #[doc(hidden)]
    fn decode(envelope: &Envelope) -> Result<Decoded<Self::Event>, DecodeError>;

    /// Runs the `#[handler]` of the event.
    #[doc(hidden)]
    fn dispatch<'a>(
        &'a mut self,
        cx: &'a mut Context<Self>,
        event: &'a Delivered<Self::Event>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Makes the command of a client's frame.
    ///
    /// # Errors
    /// When the frame is none of the consumer's commands.
    #[doc(hidden)]
    fn decode_command(frame: Frame) -> Result<Self::Command, CommandError>;

    /// Runs the `#[receive]` of the command.
    #[doc(hidden)]
    fn receive<'a>(&'a mut self, cx: &'a mut Context<Self>, command: Self::Command) -> BoxFuture<'a, Result<()>>;

    /// Runs `#[receive(_)]`: answers a frame that is none of the consumer's commands. Without it the answer is that of
    /// [`Context::refuse`].
    #[doc(hidden)]
    fn refuse<'a>(&'a mut self, cx: &'a mut Context<Self>, error: CommandError) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.refuse(&error).await })
    }

    /// Runs `#[disconnect]`.
    #[doc(hidden)]
    fn disconnect<'a>(&'a mut self, cx: &'a mut Context<Self>, code: CloseCode) -> BoxFuture<'a, Result<()>>;

    /// Whether it has a `#[layer_lost]` or a `#[layer_restored]`. One that has neither is not woken for them.
    #[doc(hidden)]
    const HAS_GAP_METHODS: bool = false;

    /// Runs `#[layer_lost]` or `#[layer_restored]`.
    #[doc(hidden)]
    fn gap<'a>(&'a mut self, cx: &'a mut Context<Self>, gap: Gap) -> BoxFuture<'a, Result<()>> {
        _ = (cx, gap);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// `NewsConsumer: OnlySends`: the consumer has no `#[receive]`, so its client need not be able to say anything.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has a `#[receive]`, but the client of an `sse` route cannot say anything",
    label = "`{Self}` wants to hear from its client",
    note = "serve it with `channels.route::<{Self}>(..)`; what only listens gets a consumer of its own, without `#[receive]`"
)]
pub trait OnlySends {}

/// What [`Consumer::decode`] makes of a message of the layer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decoded<E> {
    /// An event that needs the connection's state.
    Event(E, DropHint),
    /// What a handler without `self` rendered: one frame for every member, or nothing.
    Frame(Option<EncodedFrame>, DropHint),
    /// No handler has this name.
    Unhandled,
}

/// An event on its way to its handlers: decoded once, shared by every member of the group in this process.
#[derive(Debug)]
pub struct Delivered<E> {
    pub(crate) event: E,
    pub(crate) rendered: OnceCell<Option<EncodedFrame>>,
}

impl<E> Delivered<E> {
    pub(crate) fn new(event: E) -> Self {
        Self { event, rendered: OnceCell::new() }
    }

    /// The event.
    pub fn event(&self) -> &E {
        &self.event
    }
}
