//! The spans that the application's own records stand in: one for each connection, one for each call of its consumer.
//!
//! All have the target `channels_runtime::spans`, so that a filter can ask for them alone. Where nobody does, a call costs a
//! look at one number, and an idle connection nothing: only a connection that begins with an enabled span holds one. (The
//! look comes before the macro of the span: with tracing's feature `log`, which warp brings, and no subscriber, that one would
//! work its fields out for the crate `log`.)

use std::fmt::{self, Debug};

use futures_util::FutureExt;
use tracing::{Instrument, Level, Span, level_enabled};

use crate::codec::Envelope;
use crate::consumer::{BoxFuture, Consumer};
use crate::error::shown;
use crate::name::ChannelName;
use crate::scope::Scope;

/// What stands for a method that takes whatever comes, as in its attribute.
const ANY: &str = "_";

/// From `#[connect]` to `#[disconnect]`.
pub(crate) fn connection<C: Consumer>(scope: &Scope, channel: &ChannelName) -> Span {
    if !level_enabled!(Level::DEBUG) {
        return Span::none();
    }
    tracing::debug_span!(
        target: "channels_runtime::spans",
        "connection",
        consumer = C::INFO.name,
        channel = channel.as_str(),
        path = scope.path(),
        peer = scope.client().map(display),
    )
}

/// One consumer of a worker, and those that take its place.
pub(crate) fn worker<C: Consumer>(channel: &ChannelName) -> Span {
    if !level_enabled!(Level::DEBUG) {
        return Span::none();
    }
    tracing::debug_span!(
        target: "channels_runtime::spans",
        "worker",
        consumer = C::INFO.name,
        channel = channel.as_str(),
    )
}

/// A call of the method with this attribute.
pub(crate) fn call<C: Consumer>(at: &'static str) -> Span {
    if !level_enabled!(Level::TRACE) {
        return Span::none();
    }
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at,
    )
}

/// A call of the `#[handler]` of this event.
pub(crate) fn event<C: Consumer>(event: &C::Event) -> Span {
    if !level_enabled!(Level::TRACE) {
        return Span::none();
    }
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at = "handler",
        event = event_name::<C>(event),
    )
}

/// A call of the `#[receive]` of the command at this place.
pub(crate) fn command<C: Consumer>(place: u8) -> Span {
    if !level_enabled!(Level::TRACE) {
        return Span::none();
    }
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at = "receive",
        command = command_name::<C>(place),
    )
}

/// The name in the `#[handler]` of this event.
pub(crate) fn event_name<C: Consumer>(event: &C::Event) -> &'static str {
    let place = place_of(event, C::INFO.handlers.iter().map(|handler| handler.variant));
    place.map_or(ANY, |place| C::INFO.handlers[place].event)
}

/// The place of this command among those of its consumer; 255 for a method that takes whatever comes, and for what has no
/// number of one byte. It outlives the command, and costs no more than a comparison or two.
pub(crate) fn command_place<C: Consumer>(command: &C::Command) -> u8 {
    if C::INFO.commands.is_empty() {
        return u8::MAX;
    }
    let place = place_of(command, C::INFO.commands.iter().map(|command| command.variant));
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

/// The name in the `#[receive]` of the command at this place.
pub(crate) fn command_name<C: Consumer>(place: u8) -> &'static str {
    C::INFO.commands.get(usize::from(place)).map_or(ANY, |command| command.name)
}

/// A message is decoded for all consumers of a kind, and rendered where the handler has no `self`.
pub(crate) fn decode<C: Consumer>(envelope: &Envelope) -> Span {
    if !level_enabled!(Level::TRACE) {
        return Span::none();
    }
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "decode",
        consumer = C::INFO.name,
        event = shown(envelope.event_name()),
    )
}

/// Where the name of a variant stands among these. It is all that the `Debug` of these enums shows, in one piece.
fn place_of(variant: &impl Debug, names: impl Iterator<Item = &'static str>) -> Option<usize> {
    struct Find<I>(I, Option<usize>);

    impl<I: Iterator<Item = &'static str>> fmt::Write for Find<I> {
        fn write_str(&mut self, name: &str) -> fmt::Result {
            self.1 = self.0.position(|known| known == name);
            Ok(())
        }
    }

    let mut find = Find(names, None);
    fmt::write(&mut find, format_args!("{variant:?}")).ok()?;
    find.1
}

/// Calls the user's code in a span, and stays in it while the future of the call runs. A span that nobody asked for costs
/// nothing.
pub(crate) fn within<'a, T: Send + 'a>(span: Span, call: impl FnOnce() -> BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    if span.is_disabled() {
        return call();
    }
    // A method that is not `async` is done when its call returns.
    let call = span.in_scope(call);
    call.instrument(span).boxed()
}
