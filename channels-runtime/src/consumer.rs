//! What `#[consumer]` makes of an `impl` block.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::OnceCell;

use crate::context::Context;
use crate::envelope::Envelope;
use crate::error::{CommandError, DecodeError, Reject, Result};
use crate::event::{GroupInfo, Loss};
use crate::frame::{CloseCode, Frame};
use crate::layer::Gap;
use crate::wire::Rendered;

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
    fn connect(cx: &mut Context<Self>, captures: Self::Captures) -> BoxFuture<'_, Result<Self, Reject>>;

    /// Makes the event of a message, or the frame, where the handler needs no `self`. Once per process and message.
    ///
    /// # Errors
    /// When the message is not what the payload of its event says.
    fn decode(envelope: &Envelope) -> Result<Decoded<Self::Event>, DecodeError>;

    /// Runs the `#[handler]` of the event.
    fn dispatch<'a>(
        &'a mut self,
        cx: &'a mut Context<Self>,
        event: &'a Delivered<Self::Event>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Makes the command of a client's frame.
    ///
    /// # Errors
    /// When the frame is none of the consumer's commands.
    fn decode_command(frame: Frame) -> Result<Self::Command, CommandError>;

    /// Runs the `#[receive]` of the command.
    fn receive<'a>(&'a mut self, cx: &'a mut Context<Self>, command: Self::Command) -> BoxFuture<'a, Result<()>>;

    /// Runs `#[receive(_)]`: answers a frame that is none of the consumer's commands. Without it the answer is that of
    /// [`Context::refuse`].
    fn refuse<'a>(&'a mut self, cx: &'a mut Context<Self>, error: CommandError) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.refuse(&error).await })
    }

    /// Runs `#[disconnect]`.
    fn disconnect<'a>(&'a mut self, cx: &'a mut Context<Self>, code: CloseCode) -> BoxFuture<'a, Result<()>>;

    /// Whether it has a `#[layer_lost]` or a `#[layer_restored]`. One that has neither is not woken for them.
    const HEARS_OF_GAPS: bool = false;

    /// Runs `#[layer_lost]` or `#[layer_restored]`.
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
    Event(E, Loss),
    /// What a handler without `self` rendered: one frame for every member, or nothing.
    Frame(Option<Rendered>, Loss),
    /// No handler has this name.
    Unhandled,
}

/// An event on its way to its handlers: decoded once, shared by every member of the group in this process.
#[derive(Debug)]
pub struct Delivered<E> {
    pub(crate) event: E,
    pub(crate) rendered: OnceCell<Option<Rendered>>,
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

/// A consumer as a fact to read at run time: [`Consumer::INFO`].
#[derive(Debug, Clone, Copy)]
pub struct ConsumerInfo {
    /// The type's name: `"ChatConsumer"`.
    pub name: &'static str,
    /// The events that it handles, in the order of the source.
    pub handlers: &'static [HandlerInfo],
    /// The method that gets every other event, if there is one: `#[handler(_)]`.
    pub fallback: Option<&'static str>,
    /// The commands that a client may say.
    pub commands: &'static [CommandInfo],
    /// The method that gets every other frame, if there is one: `#[receive]` without a name.
    pub raw: Option<&'static str>,
    /// What `#[consumer(groups(..))]` lists: the groups that it joins. Empty for a consumer that lists none.
    pub groups: &'static [GroupInfo],
    /// What `#[consumer(sends(..))]` lists: the paths of the Rust types.
    pub sends: &'static [fn() -> &'static str],
    /// The field of a command that holds its name.
    pub tag: &'static str,
    /// What gives way when an event comes for a full mailbox.
    pub mailbox: MailboxPolicy,
}

/// What gives way when an event comes and `capacity` of them wait for the consumer already: `mailbox` of `#[consumer]`.
///
/// Outdated and volatile events go first, whatever the policy (see [`Event`](crate::Event)). It is about events for handlers
/// with `&mut self`; a frame that is rendered without `self` waits for the client, not for the consumer, and counts as bytes
/// in its outbound queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MailboxPolicy {
    /// `"drop_newest"`, as in Django Channels: the new event is dropped, and its sender told where it can be.
    #[default]
    DropNewest,
    /// `"drop_oldest"`: the event that has waited longest is dropped. For a consumer that shows what is now.
    DropOldest,
    /// `"disconnect"`: the connection is closed with 1013, so that its client begins anew. For one that may miss nothing.
    Disconnect,
}

/// One row of the static dispatch table: a `#[handler]` method.
#[derive(Debug, Clone, Copy)]
pub struct HandlerInfo {
    /// The event's name: `"chat.message"`.
    pub event: &'static str,
    /// The variant of the consumer's event enum: `"ChatMessage"`.
    pub variant: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path of the payload's Rust type.
    pub payload: fn() -> &'static str,
    /// The payload's fields, by their names on the wire. Empty where serde does not know them beforehand, as for a
    /// flattened one.
    pub fields: fn() -> &'static [&'static str],
    /// Whether the handler has no `self`, so that its frame is rendered once and shared.
    pub shared: bool,
    /// The path of the Rust type that a handler without `self` returns, which is what the client is sent: `Json<ChatLine>`.
    /// `None` for one with `self`, and for a type that has no name (`impl IntoFrame`).
    pub returns: Option<fn() -> &'static str>,
    /// The line of the method in its source file.
    pub line: u32,
    /// Where the payload is defined: `Event::DEFINED`.
    #[doc(hidden)]
    pub defined: &'static str,
}

/// One command of a client: a `#[receive("name")]` method.
#[derive(Debug, Clone, Copy)]
pub struct CommandInfo {
    /// The command's name: `"send"`.
    pub name: &'static str,
    /// The variant of the consumer's command enum.
    pub variant: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path of the payload's Rust type.
    pub payload: fn() -> &'static str,
    /// The payload's fields, by their names in the JSON; see [`HandlerInfo::fields`].
    pub fields: fn() -> &'static [&'static str],
    /// The line of the method in its source file.
    pub line: u32,
}
