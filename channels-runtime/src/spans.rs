//! The spans that the application's own records stand in: one for each connection, one for each call of its consumer.
//!
//! All have the target `channels_runtime::spans`, so that a filter can ask for them alone. Where nobody does, a call costs a
//! look at one number, and an idle connection nothing: only a connection that begins with an enabled span holds one.

use std::fmt::Debug;

use futures_util::FutureExt;
use tracing::{Instrument, Span};

use crate::consumer::{BoxFuture, Consumer};
use crate::envelope::Envelope;
use crate::error::shown;
use crate::name::ChannelName;
use crate::scope::Scope;

/// What stands for a method that takes whatever comes, as in its attribute.
const ANY: &str = "_";

/// From `#[connect]` to `#[disconnect]`.
pub(crate) fn connection<C: Consumer>(scope: &Scope, channel: &ChannelName) -> Span {
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
    tracing::debug_span!(
        target: "channels_runtime::spans",
        "worker",
        consumer = C::INFO.name,
        channel = channel.as_str(),
    )
}

/// A call of the method with this attribute.
pub(crate) fn call<C: Consumer>(at: &'static str) -> Span {
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at,
    )
}

/// A call of the `#[handler]` of this event.
pub(crate) fn event<C: Consumer>(event: &C::Event) -> Span {
    let named = || C::INFO.handlers.iter().map(|handler| (handler.variant, handler.event));
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at = "handler",
        event = name_of(event, named()),
    )
}

/// A call of the `#[receive]` of this command.
pub(crate) fn command<C: Consumer>(command: &C::Command) -> Span {
    let named = || C::INFO.commands.iter().map(|command| (command.variant, command.name));
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "call",
        consumer = C::INFO.name,
        at = "receive",
        command = name_of(command, named()),
    )
}

/// A message is decoded for all consumers of a kind, and rendered where the handler has no `self`.
pub(crate) fn decode<C: Consumer>(envelope: &Envelope) -> Span {
    tracing::trace_span!(
        target: "channels_runtime::spans",
        "decode",
        consumer = C::INFO.name,
        event = shown(envelope.event_name()),
    )
}

/// The name that belongs to a variant, which is all that the `Debug` of these enums shows.
fn name_of(variant: &impl Debug, mut named: impl Iterator<Item = (&'static str, &'static str)>) -> &'static str {
    let variant = format!("{variant:?}");
    named.find(|(known, _)| *known == variant).map_or(ANY, |(_, name)| name)
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
