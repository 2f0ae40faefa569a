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
