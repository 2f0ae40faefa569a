//! The `Consumer` trait, which `#[consumer]` implements, and the types that its methods exchange.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::OnceCell;

use crate::codec::{Envelope, Received};
use crate::consumer::context::Context;
use crate::consumer::info::ConsumerInfo;
use crate::error::{CommandError, DecodeError, Reject, Result};
use crate::event::{DropHint, HistoryLost, Position};
use crate::layer::Gap;
use crate::websocket::{CloseCode, Compressor, EncodedFrame, Frame};

/// The future of one method call.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A consumer: a type whose `impl` block has `#[consumer]`. Each connection has its own instance.
///
/// Only the macro implements this trait. The generated code calls functions that are not part of the public API.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a consumer",
    label = "not a consumer",
    note = "write `#[consumer]` above `impl {Self}`"
)]
pub trait Consumer: Sized + Send + 'static {
    /// The events that the consumer accepts from the layer: one variant for each `#[handler]`.
    type Event: Send + Sync + 'static;

    /// The commands that the consumer accepts from a client: one variant for each `#[receive]`.
    type Command: Send + 'static;

    /// The arguments of `#[connect]` after `cx`: the values that the route's path captures.
    type Captures: Send + 'static;

    /// The static description of the consumer.
    const INFO: ConsumerInfo;

    /// Runs `#[connect]`: `Ok` accepts the connection.
    #[doc(hidden)]
    fn connect(cx: &mut Context<Self>, captures: Self::Captures) -> BoxFuture<'_, Result<Self, Reject>>;

    /// Decodes a message into an event, or into a frame if the handler has no `self`. Called once per message and process.
    ///
    /// # Errors
    /// If the message does not fit the payload of its event.
    #[doc(hidden)]
    fn decode(envelope: &Envelope) -> Result<Decoded<Self::Event>, DecodeError>;

    /// Runs the `#[handler]` of the event.
    #[doc(hidden)]
    fn dispatch<'a>(
        &'a mut self,
        cx: &'a mut Context<Self>,
        event: &'a Delivered<Self::Event>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Decodes a client's frame into a command, with its reference if it answers.
    ///
    /// # Errors
    /// If the frame is not one of the consumer's commands.
    #[doc(hidden)]
    fn decode_command(frame: Frame) -> Result<Received<Self::Command>, CommandError>;

    /// Runs the `#[receive]` of the command, and answers if the command has a reference.
    #[doc(hidden)]
    fn receive<'a>(
        &'a mut self,
        cx: &'a mut Context<Self>,
        received: Received<Self::Command>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Returns the index of the event's row in [`ConsumerInfo::handlers`], or the number of rows for an event of `#[handler(_)]`.
    ///
    /// Returns 0 if there is at most one variant.
    #[doc(hidden)]
    fn event_index(variant: &Self::Event) -> usize {
        _ = variant;
        0
    }

    /// Returns the index of the command's row in [`ConsumerInfo::commands`], or the number of rows for a frame of `#[receive]`
    /// without a name.
    ///
    /// Returns 0 if there is at most one variant.
    #[doc(hidden)]
    fn command_index(variant: &Self::Command) -> usize {
        _ = variant;
        0
    }

    /// Runs `#[receive(_)]` for a frame that is not one of the consumer's commands. Default: [`Context::refuse`].
    #[doc(hidden)]
    fn refuse<'a>(&'a mut self, cx: &'a mut Context<Self>, error: CommandError) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.refuse(&error).await })
    }

    /// Runs `#[disconnect]`.
    #[doc(hidden)]
    fn disconnect<'a>(&'a mut self, cx: &'a mut Context<Self>, code: CloseCode) -> BoxFuture<'a, Result<()>>;

    /// Whether the consumer has a `#[layer_lost]` or a `#[layer_restored]` method. A consumer without them is not woken for a
    /// gap.
    #[doc(hidden)]
    const HAS_GAP_METHODS: bool = false;

    /// Runs `#[layer_lost]` or `#[layer_restored]`.
    #[doc(hidden)]
    fn gap<'a>(&'a mut self, cx: &'a mut Context<Self>, gap: Gap) -> BoxFuture<'a, Result<()>> {
        _ = (cx, gap);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Runs `#[history_lost]`.
    #[doc(hidden)]
    fn history_lost<'a>(&'a mut self, cx: &'a mut Context<Self>, lost: &'a HistoryLost) -> BoxFuture<'a, Result<()>> {
        _ = (cx, lost);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// `NewsConsumer: OnlySends`: the consumer has no `#[receive]`, so its client does not have to be able to send.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has a `#[receive]`, but the client of an `sse` route cannot send",
    label = "`{Self}` receives from its client",
    note = "serve it with `channels.route::<{Self}>(..)`, or write a consumer without `#[receive]` for clients that only listen"
)]
pub trait OnlySends {}

/// `ThumbnailConsumer: NeedsNoClient`: nothing in the consumer's block sends to a client or receives from one, so a worker can
/// run it.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` needs a client, but a worker has none",
    label = "`{Self}` sends to a client, or receives from one",
    note = "the consumer of a worker has no `#[receive]`, no handler without `self`, and no `cx.send_text(..)`, `cx.send_json(..)` or the like; it sends events, as with `cx.group_send(..)`"
)]
pub trait NeedsNoClient {}

/// A decoded message of the layer, returned by [`Consumer::decode`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Decoded<E> {
    /// An event that needs the connection's state.
    Event(E, DropHint),
    /// The result of a handler without `self`: one frame for every member, or no frame.
    Frame(Option<EncodedFrame>, DropHint),
    /// The consumer has no handler with this name.
    Unhandled,
}

/// A decoded event, shared by all members of the group in this process.
#[derive(Debug)]
pub struct Delivered<E> {
    pub(crate) event: E,
    pub(crate) at: Position,
    pub(crate) rendered: OnceCell<Option<EncodedFrame>>,
    /// Compresses what an async handler without `self` renders.
    pub(crate) compressor: Option<Compressor>,
}

impl<E> Delivered<E> {
    pub(crate) fn new(event: E, at: Position, compressor: Option<Compressor>) -> Self {
        Self { event, at, rendered: OnceCell::new(), compressor }
    }

    /// Returns the position of the event in the history of its group.
    pub fn position(&self) -> &Position {
        &self.at
    }

    /// Returns the event.
    pub fn event(&self) -> &E {
        &self.event
    }
}
