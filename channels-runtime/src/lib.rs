//! Django Channels in Rust: consumers, groups and a channel layer. The compiler checks the name and the fields of every event.
//!
//! A *consumer* handles one WebSocket connection. It joins *groups*. An *event* that is sent to a group reaches every consumer in
//! it, in this process or, with a Redis layer, in any other, including Python processes. An event's name is written twice, at its
//! definition and at its handler, and the compiler checks that the two match.
//!
//! ```no_run
//! use channels_runtime::prelude::*;
//!
//! /// An event: a struct and its name on the wire.
//! #[event("chat.message")]
//! struct ChatMessage { message: String }
//!
//! /// A group: its name, and the events that it carries.
//! #[group("chat_{room}", events(ChatMessage))]
//! struct Room { room: String }
//!
//! /// One instance per connection.
//! struct ChatConsumer { room: Room }
//!
//! #[consumer]
//! impl ChatConsumer {
//!     #[connect]
//!     async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
//!         let room = Room { room };
//!         cx.group_add(&room).await?;
//!         Ok(Self { room })
//!     }
//!
//!     #[receive]
//!     async fn receive(&mut self, cx: &mut Context<Self>, message: String) -> Result<()> {
//!         cx.group_send(&self.room, &ChatMessage { message }).await
//!     }
//!
//!     #[handler("chat.message")]
//!     fn chat_message(event: &ChatMessage) -> String {
//!         event.message.clone()
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let channels = Channels::builder().build()?;
//!     let chat = channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String));
//!     channels.serve(chat, "127.0.0.1:8000").await
//! }
//! ```
//!
//! # Compiler errors
//!
//! Without the handler above, `cx.group_add(&room)` does not compile:
//!
//! ```text
//! error[E0277]: consumer `ChatConsumer` has no handler for `ChatMessage`, which reaches it through `Room`
//! ```
//!
//! These do not compile either: a handler with another name than its event, an event that the group does not carry, a command
//! that no client can send, and a route whose captures are not the arguments of `connect`.
//!
//! # Sending
//!
//! A consumer sends with its `cx`. Other code (an HTTP handler, a job, another program) sends with a [`ChannelLayer`].
//! [`Context`] and [`ChannelLayer`] list which method sends to a client, a channel or a group.
//!
//! ```
//! # use channels_runtime::prelude::*;
//! # #[event("chat.message")] struct ChatMessage { message: String }
//! # #[group("chat_{room}", events(ChatMessage))] struct Room { room: String }
//! async fn announce(layer: &ChannelLayer, message: &str) -> Result<()> {
//!     layer.group_send(&Room { room: "lobby".into() }, &ChatMessage { message: message.into() }).await?;
//!     Ok(())
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let channels = Channels::builder().build()?;
//! announce(&channels.channel_layer(), "Back in five minutes").await?;
//! # Ok::<(), Error>(()) }).unwrap();
//! ```
//!
//! The default layer is in memory. `Channels::builder().layer(ChannelLayer::from_env().await?)` reads Django's setting
//! `CHANNEL_LAYERS` as JSON from the environment. Then the sender and the members of a group may be in any process on the same
//! Redis.
//!
//! # Failures
//!
//! A handler that fails or panics closes only its own connection, with 1011. However a connection ends, the consumer leaves its
//! groups and `#[disconnect]` runs. Errors are logged with `tracing`: start `main` with `tracing_subscriber::fmt::init()` to see
//! them. [`Channels::stats`] counts dropped events and rejected handshakes, and [`Channels::inspect`] shows the connections and
//! groups.
//!
//! # Testing
//!
//! With the feature `testing`, a client without a socket uses the routes as a real one does:
//!
//! ```
//! # use channels_runtime::prelude::*;
//! # struct ChatConsumer;
//! # #[consumer] impl ChatConsumer {
//! #     #[connect] async fn connect(_: &mut Context<Self>, _: String) -> Result<Self, Reject> { Ok(Self) }
//! #     #[receive] async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> { cx.send_text(text).await }
//! # }
//! # #[cfg(feature = "testing")]
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
//! # let channels = Channels::builder().build().unwrap();
//! # let chat = channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String));
//! let mut client = WebsocketCommunicator::new(chat, "/ws/chat/lobby");
//! client.connect().await?;
//! client.send_to("hello").await?;
//! assert_eq!(client.receive_text_from().await?, "hello");
//! # Ok::<_, CommunicatorError>(())
//! # }).unwrap();
//! ```
//!
//! # Layout
//!
//! - [`consumer`], [`event`](macro@event) and [`group`]: the macros. Inside a consumer, on its methods: [`connect`],
//!   [`receive`], [`handler`], [`disconnect`], [`layer_lost`], [`layer_restored`], [`history_lost`].
//! - [`Channels`]: the application, its routes ([`Channels::route`], [`Channels::sse`]) and its server.
//! - [`Context`] and [`Scope`]: a consumer's handle and the facts of its connection. [`Context::after`] and [`Context::every`]
//!   are its timers, and [`Context::spawn`] runs a task concurrently.
//! - [`ChannelLayer`]: groups and channels, also from outside of consumers. [`ChannelLayer::request`] sends a request to one
//!   channel and waits for the reply.
//! - [`Worker`]: a consumer without a client, on a named channel.
//! - [`Frame`], [`Json`], [`CloseCode`]: a client's messages.
//! - [`layer`], [`auth`], [`web`]: the layer's settings and channels, logins, addresses and routes.
//! - [`stats`] and [`info`]: counters, inspection, and facts about consumers at run time.
//! - [`error`](mod@error): the errors. `testing`: test clients and test layers.
//!
//! # Feature flags
//!
//! - `redis` (on by default): the Redis channel layers, with which several processes share groups.
//! - `axum`: consumers as routes of an axum application ([`web::axum`]), and axum applications on [`Channels::serve`].
//! - `backend`: users from a backend over HTTP ([`auth`]), and calls of it (`backend::Backend`). `backend-tls`: the same over `https://`.
//! - `contract`: `contract!`, a TypeScript client, Python types and AsyncAPI from the same macros.
//! - `https`: `https://` and `wss://` without a proxy, with rustls.
//! - `django`: Django sessions as logins, verified without Python.
//! - `jwt`: JSON Web Tokens as logins, and tickets for groups (`auth::TicketKeys`).
//! - `metrics`: metrics for the `metrics` facade (`Channels::record_metrics`).
//! - `prometheus`: the page `/metrics` for Prometheus (`Channels::metrics`).
//! - `publish`: a backend sends events with an HTTP request ([`Channels::publish`]).
//! - `tls`: Redis over TLS (`rediss://`).
//! - `testing`: `testing::WebsocketCommunicator`, a test client without a socket, and `testing::LayerProbe`, layers that record
//!   what was sent.
#![deny(clippy::print_stdout, clippy::unwrap_used)]

// The layers, from the ground up: each names only layers above it, and `tests/architecture.rs` checks that. The blank lines
// keep rustfmt from sorting them.

// Utilities without a domain: locks, buffers, counters, metrics, signals.
mod support;

// Checked names of channels and groups.
mod name;

// The errors, one enum for each boundary.
pub mod error;

// The user of a connection, whose type only the application knows.
mod user;

// The facts of a connection, fixed at connect.
mod scope;

// Events and groups, and the traits by which the compiler checks them.
mod event;

// WebSocket frames (RFC 6455): encoding, decoding, close codes.
mod websocket;

// The encoding of events in the layer, and of client commands.
mod codec;

// Requests to a backend that speaks HTTP.
#[cfg(feature = "backend")]
pub mod backend;

// Logins: JSON Web Tokens, Django sessions, and users that a backend knows.
pub mod auth;

// Admission control: who may connect.
mod admission;

// The channel layer: in memory, or over Redis.
pub mod layer;

// One connection: its inbox, its outbound queue, and the write queue of all connections.
mod connection;

// Consumers: the trait that `#[consumer]` implements, and the context.
mod consumer;

// The messages of an application for other languages.
#[cfg(feature = "contract")]
pub mod contract;

// The loop that runs one consumer for one connection.
mod session;

// All open connections: registry, heartbeat, login expiry, drain.
mod server;

// The application and its settings.
mod app;

// Consumers on named channels, without a client.
mod worker;

// Routes for warp and axum, and an HTTP server for them.
pub mod web;

// Public faces: they may name all layers.

// Facts about consumers, events and groups, readable at run time.
pub mod info;

// Histories of groups, and positions in them.
pub mod history;

// Counters, rates and the inspection of an application.
pub mod stats;

// Test clients and test layers.
#[cfg(feature = "testing")]
pub mod testing;

// The targets of the macros' expansions.
#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

// Entry points for the fuzzers.
#[cfg(all(feature = "redis", any(test, fuzzing)))]
#[doc(hidden)]
pub mod fuzzing;

// The names that a first program needs. Everything else is in the public modules.
pub use app::{Channels, ChannelsBuilder};
pub use codec::Envelope;
pub use consumer::{Background, Consumer, Context, ReplyTo, SendJson};
#[doc(inline)]
pub use error::{CommandError, Error, Reject, Result};
pub use event::{Event, Group, HistoryLost, Position, Sends};
#[doc(inline)]
pub use layer::{ChannelLayer, channel_layer};
pub use name::ChannelName;
pub use scope::Scope;
pub use support::Unawaited;
#[doc(inline)]
pub use web::Routes;
pub use websocket::{CloseCode, Frame, FromFrame, FromJson, IntoFrame, Json, Text, ToJson};
pub use worker::{NoCaptures, Worker};

pub use channels_macros::{check_app, consumer, contract, event, group};
// `#[consumer]` removes these before the compiler resolves them. If `#[consumer]` is missing, they report that.
pub use channels_macros::{connect, disconnect, handler, history_lost, layer_lost, layer_restored, receive};

/// The names that most programs with consumers need.
pub mod prelude {
    pub use crate::event::Cause;
    pub use crate::{
        ChannelLayer, ChannelName, Channels, CloseCode, CommandError, Context, Envelope, Error, Event, Frame, Group,
        HistoryLost, Json, Position, Reject, Result, Routes, Scope, channel_layer, check_app, connect, consumer,
        disconnect, event, group, handler, history_lost, layer_lost, layer_restored, receive,
    };
    pub use channels_macros::contract;
    /// Makes the message of [`ChannelLayer::group_send_raw`] and the value of [`Context::send_json`].
    #[doc(no_inline)]
    pub use serde_json::json;
}
