//! The macros of `channels-runtime`: `#[consumer]`, `#[event]` and `#[group]`.
//!
//! Depend on `channels-runtime`, which re-exports them with their documentation. This crate knows the runtime only as
//! a path, `::channels_runtime` unless `crate = path` names another.

mod application;
mod arguments;
mod consumer;
mod diagnostics;
mod event;
mod event_name;
mod group;
mod source;
mod suggest;

use proc_macro::TokenStream;

/// Makes a consumer of an `impl` block: one instance for each connection.
///
/// Arguments, all optional: `tag = "command"` (the field of a client's message that names its command, `type` unless
/// said otherwise), `sends(ChatLine, ..)` (what `cx.send(..)` may send), `mailbox = "drop_oldest"` (what gives way when an
/// event comes for a full mailbox: `"drop_newest"` unless said otherwise, `"drop_oldest"`, or `"disconnect"`), `crate = path`
/// (where `channels_runtime` is).
///
/// The attributes of its methods, all optional:
///
/// | | runs |
/// |---|---|
/// | `#[connect]` | before the handshake is answered; `Ok` accepts |
/// | `#[receive("send")]` | for the client's command `send`; `#[receive]` for every other frame |
/// | `#[handler("chat.message")]` | for an event of the layer |
/// | `#[disconnect]` | once, whatever ended the connection |
/// | `#[layer_lost]` | when the layer has lost its other end, so that events may be missed from now on |
/// | `#[layer_restored]` | when it works again, and no event is missed from now on: the time to bring the client up to date |
///
/// The last two are `async fn lost(&mut self, cx: &mut Context<Self>) -> Result<()>`, with or without `async`. They take
/// their turn among the events, in order: what came before the loss is handled before it. However often the layer is lost
/// while a consumer is busy, it is told of one beginning and one end. A consumer that has neither pays nothing for them;
/// with the layer in memory, and for the consumer of a worker, they never run.
#[proc_macro_attribute]
pub fn consumer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    consumer::expand(arguments.into(), &item.into()).into()
}

/// Makes an event of a struct: `#[event("chat.message")]`.
///
/// Arguments behind the name, all optional: `volatile` (goes first where there is no room), `coalesce = "field"` (of those
/// that wait, only the newest with the same value in this field is kept), `crate = path` (where `channels_runtime` is).
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(arguments.into(), item.into()).into()
}

/// Makes a group of a struct: `#[group("chat_{room}", events(ChatMessage))]`.
#[proc_macro_attribute]
pub fn group(arguments: TokenStream, item: TokenStream) -> TokenStream {
    group::expand(arguments.into(), item.into()).into()
}

/// Checks that the parts of an application fit together: `check_app! { consumers: [ChatConsumer], groups: [Room] }`.
#[proc_macro]
pub fn check_app(input: TokenStream) -> TokenStream {
    application::expand(input.into()).into()
}
