//! What the expansions of the macros call. Not part of the public API: it changes without notice.

use std::future::{Future, ready};

pub use serde;

use crate::consumer::{BoxFuture, Consumer, Decoded, Delivered};
use crate::context::Context;
use crate::envelope::{self, Envelope};
use crate::error::{CommandError, DecodeError, Error, Reject, Result};
use crate::event::Event;
use crate::frame::{Frame, FromFrame, IntoFrame};
use crate::wire::Rendered;

pub use crate::consumer::{CommandInfo, ConsumerInfo, HandlerInfo};
pub use crate::event::EventInfo;

/// What a handler with `&mut self` may return.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "return `Result<()>` or nothing",
    note = "a handler with `&mut self` sends with `cx.send_json(..)`; one without `self` returns what the client is sent"
)]
pub trait Outcome {
    fn into_result(self) -> Result<()>;
}

impl Outcome for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// What `#[connect]` may return.
#[diagnostic::on_unimplemented(
    message = "`#[connect]` of `{C}` cannot return `{Self}`",
    label = "return `Result<Self, Reject>` or `Self`"
)]
pub trait Accept<C> {
    fn into_accept(self) -> Result<C, Reject>;
}

impl<C: Consumer> Accept<C> for C {
    fn into_accept(self) -> Result<C, Reject> {
        Ok(self)
    }
}

impl<C: Consumer, E: Into<Reject>> Accept<C> for Result<C, E> {
    fn into_accept(self) -> Result<C, Reject> {
        self.map_err(Into::into)
    }
}

/// A consumer without `#[connect]` is made by `Default`.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has neither a `#[connect]` method nor a `Default`",
    label = "how is a `{Self}` made when a client connects?",
    note = "add `#[connect] async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject>`, or `#[derive(Default)]`"
)]
pub trait MadeByDefault: Default {}
impl<T: Default> MadeByDefault for T {}

/// An async method with `&mut self`.
pub fn run<'a, F>(future: F) -> BoxFuture<'a, Result<()>>
where
    F: Future + Send + 'a,
    F::Output: Outcome,
{
    Box::pin(async move { future.await.into_result() })
}

/// A plain method with `&mut self`, which has run already.
pub fn ran<'a>(outcome: impl Outcome) -> BoxFuture<'a, Result<()>> {
    Box::pin(ready(outcome.into_result()))
}

/// An async `#[connect]`.
pub fn connecting<'a, C, F>(future: F) -> BoxFuture<'a, Result<C, Reject>>
where
    C: Consumer,
    F: Future + Send + 'a,
    F::Output: Accept<C>,
{
    Box::pin(async move { future.await.into_accept() })
}

/// A plain `#[connect]`, which has run already.
pub fn connected<'a, C: Consumer>(outcome: impl Accept<C>) -> BoxFuture<'a, Result<C, Reject>> {
    Box::pin(ready(outcome.into_accept()))
}

/// No `#[connect]` at all.
pub fn connected_by_default<'a, C: Consumer + MadeByDefault>() -> BoxFuture<'a, Result<C, Reject>> {
    Box::pin(ready(Ok(C::default())))
}

/// The payload of a handler with `&mut self` (or an async one without).
pub fn decode<E: Event>(envelope: &Envelope) -> Result<E, DecodeError> {
    envelope.decode()
}

/// A plain handler without `self`: runs once for a message, however many members there are.
pub fn rendered<E, F, V>(envelope: &Envelope, render: impl FnOnce(&E) -> F) -> Result<Decoded<V>, DecodeError>
where
    E: Event,
    F: IntoFrame,
{
    let event = envelope.decode::<E>()?;
    let frame = render(&event).into_frame().map_err(|source| DecodeError::Render { event: E::TYPE.into(), source })?;
    Ok(Decoded::Frame(frame))
}

/// An async handler without `self`: the first member's task runs it, the others share what it made.
pub fn render_once<'a, C, V, F>(
    cx: &'a mut Context<C>,
    delivered: &'a Delivered<V>,
    future: F,
) -> BoxFuture<'a, Result<()>>
where
    C: Consumer,
    V: Sync,
    F: Future + Send + 'a,
    F::Output: IntoFrame + Send,
{
    Box::pin(async move {
        let render = async { future.await.into_frame().map(|frame| frame.map(|frame| Rendered::new(&frame))) };
        if let Some(frame) = delivered.rendered.get_or_try_init(|| render).await? {
            cx.send_rendered(frame.clone()).await?;
        }
        Ok(())
    })
}

/// A client's frame that may name a command: the JSON text, and the name in its tag.
#[derive(Debug)]
pub enum Named {
    /// A JSON object whose `tag` is this string.
    Command { name: String, text: String },
    /// Anything else: the frame for `#[receive]` without a name, and what is said if there is none.
    Other { frame: Frame, error: CommandError },
}

/// Looks for the name of a command in a client's frame.
pub fn named(frame: Frame, tag: &'static str) -> Named {
    envelope::named_command(frame, tag)
}

/// The payload of `#[receive("name")]`.
pub fn decode_command<T: serde::de::DeserializeOwned>(
    text: &str,
    tag: &'static str,
    name: &'static str,
) -> Result<T, CommandError> {
    envelope::decode_command(text, tag, name)
}

/// The argument of `#[receive]` without a name.
pub fn decode_frame<T: FromFrame>(frame: Frame) -> Result<T, CommandError> {
    T::from_frame(frame).map_err(CommandError::from)
}

/// The const assertion behind `#[handler("chat.message")]`: is this the name of its payload?
pub const fn same_name(handler: &str, event: &str) -> bool {
    let (handler, event) = (handler.as_bytes(), event.as_bytes());
    if handler.len() != event.len() {
        return false;
    }
    let mut at = 0;
    while at < handler.len() {
        if handler[at] != event[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The length of the parts of a message together.
pub const fn length(parts: &[&str]) -> usize {
    let (mut part, mut length) = (0, 0);
    while part < parts.len() {
        length += parts[part].len();
        part += 1;
    }
    length
}

/// The parts of a message in one array, so that a const panic can say them.
pub const fn concat<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut message = [0; N];
    let (mut part, mut to) = (0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            message[to] = bytes[at];
            (at, to) = (at + 1, to + 1);
        }
        part += 1;
    }
    message
}
