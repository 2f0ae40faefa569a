//! The spans for the application's log records: one for each connection, and one for each call of its consumer.
//!
//! All have the target `channels_runtime::spans`, so that a filter can select them. If no filter does, a call costs one
//! comparison, and an idle connection costs nothing: it holds a span only if the span was enabled when the connection began.
//! (The comparison comes before tracing's macro. With tracing's feature `log`, which warp enables, and without a subscriber, the
//! macro would compute its fields for the crate `log`.)

use futures_util::FutureExt;
use tracing::{Instrument, Level, Span, level_enabled};

use crate::codec::Envelope;
use crate::consumer::{BoxFuture, Consumer};
use crate::error::shown;
use crate::name::ChannelName;
use crate::scope::Scope;

/// The name of an event or a command without a row in [`Consumer::INFO`], as in the attribute of its method.
const ANY: &str = "_";

/// Returns the span of a connection, from `#[connect]` to `#[disconnect]`.
pub(crate) fn connection<C: Consumer>(scope: &Scope, channel: &ChannelName) -> Span {
    if !level_enabled!(Level::DEBUG) {
        return Span::none();
    }
    tracing::debug_span!(
        target: "channels_runtime::spans",
        "connection",
        consumer = C::INFO.name,
        channel = channel.as_str(),
        path = shown(scope.path()),
        peer = scope.client().map(display),
    )
}

/// Returns the span of one consumer of a worker and of the consumers that replace it.
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

/// Returns the span of a call of the method with this attribute.
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

/// Returns the span of a call of the `#[handler]` for this event.
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

/// Returns the span of a call of the `#[receive]` for the command with this index.
pub(crate) fn command<C: Consumer>(index: u8) -> Span {
    if !level_enabled!(Level::TRACE) {
        return Span::none();
    }
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at = "receive",
        command = command_name::<C>(index),
    )
}

/// Returns the name in the `#[handler]` for this event.
pub(crate) fn event_name<C: Consumer>(event: &C::Event) -> &'static str {
    C::INFO.handlers.get(C::event_index(event)).map_or(ANY, |handler| handler.event)
}

/// Returns the index of a command, which outlives the command. 255 if the index needs more than one byte.
pub(crate) fn command_index<C: Consumer>(command: &C::Command) -> u8 {
    u8::try_from(C::command_index(command)).unwrap_or(u8::MAX)
}

/// Returns the name in the `#[receive]` for the command with this index.
pub(crate) fn command_name<C: Consumer>(index: u8) -> &'static str {
    C::INFO.commands.get(usize::from(index)).map_or(ANY, |command| command.name)
}

/// Returns the span of decoding a message, once for all consumers of a type. It includes rendering if the handler has no
/// `self`.
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

/// Calls user code in a span, which also covers the future of the call. A disabled span costs nothing.
pub(crate) fn within<'a, T: Send + 'a>(span: Span, call: impl FnOnce() -> BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    if span.is_disabled() {
        return call();
    }
    // A method that is not `async` runs in this call.
    let call = span.in_scope(call);
    call.instrument(span).boxed()
}
