//! The macros of `channels-runtime`: `#[consumer]` with the attributes of its methods, `#[event]` and `#[group]`.
//!
//! Depend on `channels-runtime`, which re-exports them with their documentation. This crate knows the runtime only as
//! a path, `::channels_runtime` unless `crate = path` names another.

mod arguments;
mod check_app;
mod consumer;
mod diagnostics;
mod enclosing_scope;
mod event;
mod event_name;
mod group;
mod runtime_path;
mod source_file;
mod stray_helper;
mod suggest;
mod tokens;
mod types;

use proc_macro::TokenStream;

/// Makes a consumer of an `impl` block: one instance for each connection.
///
/// Arguments, all optional: `tag = "command"` (the field of a client's message that names its command, `type` unless
/// said otherwise), `groups(Room, ..)` (the groups that it joins: no other can be, and each is checked here),
/// `sends(ChatLine, ..)` (what `cx.send(..)` may send), `mailbox = "drop_oldest"` (what gives way when an event comes
/// for a full mailbox: `"drop_newest"` unless said otherwise, `"drop_oldest"`, or `"disconnect"`), `crate = path`
/// (where `channels_runtime` is).
///
/// What its methods are for, each of them optional:
///
/// | above the method | what it takes behind `&mut self, cx: &mut Context<Self>` |
/// | --- | --- |
/// | `#[connect]` | no `self`; behind `cx` what the route's path captures. Makes the consumer, or refuses. Without it:
/// `Default` |
/// | `#[handler("chat.message")]` | `event: &ChatMessage`. Without `self` and `cx` it returns a frame that is rendered
/// once for all |
/// | `#[handler(_)]` | `event: &Envelope`: an event that no other handler is for, as it came |
/// | `#[receive("send")]` | `command: Send`: a client's command of that name, a struct with named fields (or with none)
/// |
/// | `#[receive]` | `frame: Frame`, `String`, `Json<T>`, ..: any other frame of the client |
/// | `#[receive(_)]` | `error: CommandError`: why a frame is no command. Without it the client is sent an error
/// (`Context::refuse`) |
/// | `#[disconnect]` | `code: CloseCode` |
/// | `#[layer_lost]` | nothing: the layer has lost its other end, so that events may be missed from now on |
/// | `#[layer_restored]` | nothing: it works again, and no event is missed from now on. The time to bring the client up
/// to date |
///
/// A plain `fn` that blocks its thread (files, a database without async, much to compute) says so behind the name:
/// `#[handler("report.build", blocking)]`, `#[receive("build", blocking)]`, `#[connect(blocking)]`. Then nobody else
/// waits for it: tokio moves the other connections of that thread to another one meanwhile
/// (`tokio::task::block_in_place`). For its own consumer nothing changes: it has `&mut self`, and the next event comes
/// when it is done. What is async it reaches through `cx.block_on(async |cx| ..)`. Each method that blocks takes a
/// thread while it does, of tokio's `max_blocking_threads`, 512 unless said otherwise; when more block, others wait
/// after all. A runtime with one thread (that of a plain `#[tokio::test]`) has no other to move to: there it runs in
/// place, and everybody waits. An `async fn`, and a handler without `self`, cannot be `blocking`.
///
/// `#[handler(_)]` stands for no event of a group: a consumer that joins it has a handler for each. Nor does it get an
/// event whose handler is there and whose fields do not fit: that is a mistake of its sender, which is logged and
/// counted in `LayerStats::undecodable`. What it does get is neither logged nor counted as `unhandled`. Without it an
/// unknown event is, and costs nothing else.
///
/// `#[layer_lost]` and `#[layer_restored]` take their turn among the events, in order: what came before the loss is
/// handled before it. However often the layer is lost while a consumer is busy, it is told of one beginning and one
/// end. A consumer that has neither pays nothing for them; with the layer in memory, and for the consumer of a worker,
/// they never run.
#[proc_macro_attribute]
pub fn consumer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    consumer::expand(arguments.into(), &item.into()).into()
}

/// Above the method of a `#[consumer]` that makes it when a client connects, or refuses the client.
///
/// `async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject>`: behind `cx` stands what the
/// route's path captures. [`consumer`](macro@consumer) has the whole of it.
#[proc_macro_attribute]
pub fn connect(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_helper::expand("connect", &item.into()).into()
}

/// Above the method of a `#[consumer]` for what the client says: `#[receive("send")]` for a command, `#[receive]` for
/// any other frame, `#[receive(_)]` for a frame that is no command.
///
/// `async fn send(&mut self, cx: &mut Context<Self>, command: Send) -> Result<()>`. [`consumer`](macro@consumer) has
/// the whole of it.
#[proc_macro_attribute]
pub fn receive(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_helper::expand("receive", &item.into()).into()
}

/// Above the method of a `#[consumer]` for an event of the layer: `#[handler("chat.message")]`, or `#[handler(_)]` for
/// those that no other handler is for.
///
/// `async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()>` runs for each
/// connection, `fn chat_message(event: &ChatMessage) -> String` once for all of them. [`consumer`](macro@consumer) has
/// the whole of it.
#[proc_macro_attribute]
pub fn handler(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_helper::expand("handler", &item.into()).into()
}

/// Above the method of a `#[consumer]` for the end of its connection, whichever way it ended.
///
/// `async fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()>`.
/// [`consumer`](macro@consumer) has the whole of it.
#[proc_macro_attribute]
pub fn disconnect(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_helper::expand("disconnect", &item.into()).into()
}

/// Above the method of a `#[consumer]` for the moment from which events may be missed, the layer having lost its other
/// end.
///
/// `async fn lost(&mut self, cx: &mut Context<Self>) -> Result<()>`. [`consumer`](macro@consumer) has the whole of it.
#[proc_macro_attribute]
pub fn layer_lost(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_helper::expand("layer_lost", &item.into()).into()
}

/// Above the method of a `#[consumer]` for the moment from which no event is missed any more.
///
/// `async fn restored(&mut self, cx: &mut Context<Self>) -> Result<()>`. [`consumer`](macro@consumer) has the whole of
/// it.
#[proc_macro_attribute]
pub fn layer_restored(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_helper::expand("layer_restored", &item.into()).into()
}

/// Makes an event of a struct: `#[event("chat.message")]`.
///
/// Arguments behind the name, all optional: `volatile` (goes first where there is no room), `coalesce = "field"` (of
/// those that wait, only the newest with the same value in this field is kept), `crate = path` (where
/// `channels_runtime` is).
///
/// serde's `Serialize` and `Deserialize` are derived where you do not derive them yourself. A `derive` of your own
/// stands below `#[event]`; one above it is not seen, and both would be there. With the derives of `#[event]`, a field
/// that holds events of its own type behind the name of an alias needs `#[serde(bound = "")]`; behind their own name it
/// needs nothing.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(arguments.into(), item.into()).into()
}

/// Makes a group of a struct: `#[group("chat_{room}", events(ChatMessage))]`.
#[proc_macro_attribute]
pub fn group(arguments: TokenStream, item: TokenStream) -> TokenStream {
    group::expand(arguments.into(), item.into()).into()
}

/// Checks, when the program is compiled, that the parts of an application fit together.
///
/// ```text
/// check_app! {
///     consumers: [ChatConsumer, AdminConsumer],
///     groups: [Room, Everyone],
///     direct: [ForceDisconnect],
/// }
/// ```
///
/// It stands beside the items, once for the application, usually in `main.rs`. `consumers` lists all of them, `groups`
/// what they join, `direct` the events that are sent to single channels (`layer.send(..)`) or come from elsewhere
/// without a group. What does not compile then:
///
/// - a group that carries an event which no consumer handles, and such an event in `direct`;
/// - a consumer with a handler for an event that neither a group carries nor `direct` lists: nothing would ever bring
///   it;
/// - two types that are one event by name.
///
/// `#[handler(_)]` counts for none of these: it is for what the application does not know. The last entry may be
/// `crate: path` (where `channels_runtime` is).
#[proc_macro]
pub fn check_app(input: TokenStream) -> TokenStream {
    check_app::expand(input.into()).into()
}
