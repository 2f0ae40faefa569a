//! The macros of `channels-runtime`: `#[consumer]` with the attributes of its methods, `#[event]`, `#[group]` and
//! `check_app!`.
//!
//! Depend on `channels-runtime`, which re-exports them with their documentation. This crate knows the runtime only as a
//! path: `crate = path`, or the name of the dependency in the user's `Cargo.toml`, or `::channels_runtime`.

mod arguments;
mod check_app;
mod consumer;
mod contract;
mod diagnostics;
mod enclosing_scope;
mod event;
mod event_name;
mod group;
mod manifest;
mod runtime_path;
mod source_file;
mod stray_method_attribute;
mod suggest;
mod tokens;
mod types;

use proc_macro::TokenStream;

/// Turns an `impl` block into a consumer. Each connection has its own instance.
///
/// Arguments, all optional:
///
/// - `tag = "command"`: the field of a client's message that names its command. Default: `type`.
/// - `ref = "id"`, `ok = "result"`, `error = "failure"`: the fields of a command that answers: the reference in the command
///   and in its answer, the reply, and the refusal. Default: `ref`, `ok` and `error`.
/// - `groups(Room, ..)`: the groups that the consumer may join. The consumer cannot join other groups. An error about a
///   listed group is shown at this list.
/// - `sends(ChatLine, ..)`: the types that `cx.send(..)` may send.
/// - `mailbox = "drop_oldest"`: the policy when an event arrives and the mailbox is full: `"drop_newest"`,
///   `"drop_oldest"` or `"disconnect"`. Default: `"drop_newest"`.
/// - `uncompressed`: the messages of its connections are never compressed (`Channels::builder().compression(..)`).
/// - `crate = path`: the path of `channels_runtime`. Default: the name of the dependency in your `Cargo.toml`.
///
/// Its methods, all optional:
///
/// | attribute | arguments after `&mut self, cx: &mut Context<Self>` |
/// | --- | --- |
/// | `#[connect]` | without `self`; after `cx` the captures of the route's path. Creates the consumer, or rejects the
/// client. Default: `Default` |
/// | `#[handler("chat.message")]` | `event: &ChatMessage`, and if wanted `at: &Position`. Without `self` and `cx` it
/// returns a frame that is rendered once for all connections |
/// | `#[handler(_)]` | `event: &Envelope`: an event without a handler of its own, unchanged, with its `position()` |
/// | `#[receive("send")]` | `command: Send`: a client's command of that name, a struct with named fields or without
/// fields. If it returns `Result<Reply, Refused>`, it answers a client that sends a `ref` |
/// | `#[receive]` | `frame: Frame`, `String`, `Json<T>`, ..: any other frame of the client |
/// | `#[receive(_)]` | `error: CommandError`: the reason why a frame is not a command. Default: the client receives an
/// error (`Context::refuse`) |
/// | `#[disconnect]` | `code: CloseCode` |
/// | `#[layer_lost]` | none: the layer has lost its connection, and events may be missed from now on |
/// | `#[layer_restored]` | none: the layer is connected again, and no event is missed from now on. The consumer can
/// update its client |
/// | `#[history_lost]` | `lost: &HistoryLost`: the client has missed events of a group with a history, and the layer
/// cannot send them again. The consumer tells the client to load the current state |
///
/// A plain `fn` that blocks its thread (files, a database without async, long computations) is marked with `blocking`:
/// `#[handler("report.build", blocking)]`, `#[receive("build", blocking)]`, `#[connect(blocking)]`. Then no other
/// connection waits for it: tokio moves the other connections of that thread to another thread
/// (`tokio::task::block_in_place`). The consumer itself has `&mut self` as usual, and its next event comes after the
/// method has returned. The method calls async code with `cx.block_on(async |cx| ..)`. While a method blocks, it takes
/// one of tokio's `max_blocking_threads`. Default: 512. If more methods block, other connections wait. In a runtime
/// with one thread (that of a plain `#[tokio::test]`) the method runs in place, and all connections wait. An
/// `async fn`, and a handler without `self`, cannot be `blocking`.
///
/// `#[handler(_)]` does not count for `group_add`: a consumer that joins a group needs a handler for each event of the
/// group. An event that has a handler, but whose fields do not fit, does not reach `#[handler(_)]` either. It is a
/// mistake of the sender, and is logged and counted in `LayerStats::undecodable`. An event that reaches `#[handler(_)]`
/// is neither logged nor counted as `unhandled`. Without `#[handler(_)]`, an unknown event is logged and counted, and
/// has no other cost.
///
/// A consumer that joins a group with a history (`#[group(.., history(..))]`) has a `#[history_lost]`, and its handlers take
/// the position of each event of the group that is not volatile, as their last argument: `at: &Position`. They send it to
/// the client with the event, and the client sends the newest one when it connects again. All members receive the same
/// position, so a handler without `self` is still rendered once. An event that is not kept has no position: it is `null`
/// in JSON. The compiler checks that a handler takes the position, not that the client receives it.
///
/// `#[layer_lost]` and `#[layer_restored]` run in order with the events: events that arrived before the loss are
/// handled before it. If the layer is lost several times while a consumer is busy, the consumer is notified of one
/// beginning and one end. A consumer without these methods has no cost for them. With the in-memory layer, and for the
/// consumer of a worker, they never run.
#[proc_macro_attribute]
pub fn consumer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    consumer::expand(arguments.into(), &item.into()).into()
}

/// Marks the method of a `#[consumer]` that creates the consumer when a client connects, or rejects the client.
///
/// `async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject>`: after `cx` follow the captures of
/// the route's path. See [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn connect(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("connect", &item.into()).into()
}

/// Marks a method of a `#[consumer]` for frames of the client: `#[receive("send")]` for a command, `#[receive]` for any
/// other frame, `#[receive(_)]` for a frame that is not a command.
///
/// `async fn send(&mut self, cx: &mut Context<Self>, command: Send) -> Result<()>`, or `-> Result<Reply, Refused>` for a
/// command that answers. See [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn receive(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("receive", &item.into()).into()
}

/// Marks a method of a `#[consumer]` for an event of the layer: `#[handler("chat.message")]`, or `#[handler(_)]` for
/// events without a handler of their own.
///
/// `async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()>` runs for each
/// connection, `fn chat_message(event: &ChatMessage) -> String` once for all of them. A last argument `at: &Position` is the
/// position of the event in the history of its group. See [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn handler(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("handler", &item.into()).into()
}

/// Marks the method of a `#[consumer]` that runs when its connection ends, however it ends.
///
/// `async fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()>`. See
/// [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn disconnect(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("disconnect", &item.into()).into()
}

/// Marks the method of a `#[consumer]` that runs when the layer has lost its connection. Events may be missed from then
/// on.
///
/// `async fn lost(&mut self, cx: &mut Context<Self>) -> Result<()>`. See [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn layer_lost(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("layer_lost", &item.into()).into()
}

/// Marks the method of a `#[consumer]` that runs when the layer is connected again. No event is missed from then on.
///
/// `async fn restored(&mut self, cx: &mut Context<Self>) -> Result<()>`. See [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn layer_restored(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("layer_restored", &item.into()).into()
}

/// Marks the method of a `#[consumer]` that runs when its client has missed events of a group with a history, and the layer
/// cannot send them again. A consumer that joins such a group must have it.
///
/// `async fn lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()>`: it tells the client to load the
/// current state. See [`consumer`](macro@consumer).
#[proc_macro_attribute]
pub fn history_lost(_: TokenStream, item: TokenStream) -> TokenStream {
    stray_method_attribute::expand("history_lost", &item.into()).into()
}

/// Turns a struct into an event: `#[event("chat.message")]`.
///
/// Arguments after the name, all optional:
///
/// - `volatile`: the event is dropped first if there is no space.
/// - `coalesce = "field"`: of the waiting events with the same value in this field, only the newest is kept.
/// - `uncompressed`: messages with the event are never compressed (`Channels::builder().compression(..)`). For an event with a
///   secret and text of a user. A handler with `&mut self` sends plain messages while it handles the event.
/// - `crate = path`: the path of `channels_runtime`. Default: the name of the dependency in your `Cargo.toml`.
///
/// serde's `Serialize` and `Deserialize` are derived unless you derive them yourself. Write your own `derive` below
/// `#[event]`: the macro does not see a `derive` above it and would derive a second time. With the derives of
/// `#[event]`, a field that holds events of its own type through an alias needs `#[serde(bound = "")]`; a field that
/// names the type needs nothing.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(arguments.into(), item.into()).into()
}

/// Turns a struct into a group: `#[group("chat_{room}", events(ChatMessage))]`.
///
/// A group is a named set of channels. A consumer joins it with `cx.group_add(&room)`, and any code with a layer sends to
/// it with `layer.group_send(&room, &event)`.
///
/// ```text
/// #[group("chat_{room}_{topic}", events(ChatMessage, ChatJoin))]
/// struct Room {
///     room: u64,
///     topic: String,
/// }
///
/// cx.group_add(&Room { room: 7, topic: "rust".into() }).await?;       // joins `chat_7_rust`
/// ```
///
/// Arguments:
///
/// - The name, which each value of the struct completes: `{room}` is replaced by the field `room`, which implements
///   `Display`. A group without fields has a fixed name.
/// - `events(ChatMessage, ..)`: the events that the group carries. The compiler checks two things: only these events can be
///   sent to the group, and only a consumer with a handler for each of them can join it.
/// - `history(size = 100, ttl = "10m")`, optional: the group keeps its newest events, at most `size` of them (1 to 1,000), until
///   `ttl` after the newest one (`"1s"` to `"24h"`, in seconds, minutes or hours). A client that comes back receives the
///   events that it has missed. Volatile events are not kept.
/// - `crate = path`, optional: the path of `channels_runtime`. Default: the name of the dependency in your `Cargo.toml`.
///
/// # History
///
/// A group with a history is joined with `cx.group_add_since(&room, &cx.resume())`. The consumer handles what may happen then,
/// and the compiler checks that: its handlers take the positions of the kept events, and `#[history_lost]` handles missed
/// events that are no longer kept. A kept event cannot be sent with `group_send_others`, because its sender would receive it
/// after a reconnect.
///
/// ```text
/// #[group("chat_{room}", events(ChatMessage, ChatTyping), history(size = 100, ttl = "10m"))]
/// struct Room {
///     room: String,
/// }
///
/// #[consumer]
/// impl ChatConsumer {
///     #[connect]
///     async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
///         let joined = cx.group_add_since(&Room { room }, &cx.resume()).await?;
///         cx.send_json(&Hello { at: joined.at }).await?;
///         Ok(Self)
///     }
///
///     #[handler("chat.message")]
///     fn chat_message(event: &ChatMessage, at: &Position) -> Json<Line> {
///         Json(Line { message: event.message.clone(), at: *at })
///     }
///
///     #[handler("chat.typing")]                                        // volatile: has no position
///     fn chat_typing(event: &ChatTyping) -> Json<Typing> {
///         Json(Typing { user: event.user.clone() })
///     }
///
///     #[history_lost]
///     async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
///         cx.send_json(&Reload { at: lost.at }).await
///     }
/// }
/// ```
///
/// # Names
///
/// A name has at most 99 characters of `A-Z a-z 0-9 - _ .`, as in Django Channels. The macro checks the fixed parts. If a
/// field breaks this rule at run time, `group_add` and `group_send` return an error. They also return an error if a name has
/// several fields, and one contains the text that separates it from the next one: `chat_{org}_{room}` would be the same name
/// for `a_b` and `c` as for `a` and `b_c`. The last field that is not a number may contain the separator. `Group::name` returns
/// the name, and `Group::EVENTS` lists the events.
#[proc_macro_attribute]
pub fn group(arguments: TokenStream, item: TokenStream) -> TokenStream {
    group::expand(arguments.into(), item.into()).into()
}

/// Checks at compile time that the parts of an application fit together.
///
/// ```text
/// check_app! {
///     consumers: [ChatConsumer, AdminConsumer],
///     groups: [Room, Everyone],
///     direct: [ForceDisconnect],
/// }
/// ```
///
/// Write it next to the items, once for each application, usually in `main.rs`. `consumers` lists all consumers,
/// `groups` the groups that they join, `direct` the events that are sent to single channels (`layer.send(..)`) or
/// arrive from elsewhere without a group. These mistakes do not compile:
///
/// - a group that carries an event without a handler in any consumer, and such an event in `direct`;
/// - a consumer with a handler for an event that no group carries and `direct` does not list: the handler would never
///   run;
/// - two types of events with the same name;
/// - two groups that can have the same name, such as `chat_{user}` and `chat_{room}`: their members would receive the
///   events of both.
///
/// `#[handler(_)]` does not count for these checks: it handles events that the application does not know. The last
/// entry may be `crate: path` (the path of `channels_runtime`).
#[proc_macro]
pub fn check_app(input: TokenStream) -> TokenStream {
    check_app::expand(input.into()).into()
}

/// Describes the messages of an application for other languages. Needs the feature `contract`.
///
/// ```text
/// contract! {
///     name: "chat",
///     routes: [ChatConsumer at "/ws/chat/{room}/"],
///     groups: [Room],
///     direct: [],
/// }
/// ```
///
/// It makes `pub fn contract() -> Contract`, whose files a test writes and compares:
///
/// ```text
/// #[test]
/// fn the_contract_is_kept() {
///     contract().lock("channels.lock").typescript("web/channels.ts").assert_kept();
/// }
/// ```
///
/// `routes` lists the consumers with their addresses. A capture is the name of an argument of `#[connect]`, in braces. `groups` and
/// `direct` list what Python needs: groups with their events, and events for single channels. Both may be left out. The last
/// entry may be `crate: path` (the path of `channels_runtime`).
///
/// These mistakes do not compile: a command, a message, an answer or a field of an event without a schema; a handler without `self`
/// that returns text or bytes; `cx.send_json(..)` and its siblings without `sends(.., _)`; a capture that is not an argument of
/// `#[connect]`; an address that two consumers have; a group with an event that no listed consumer handles.
#[proc_macro]
pub fn contract(input: TokenStream) -> TokenStream {
    contract::expand(input.into()).into()
}
