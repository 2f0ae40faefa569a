//! Test tools: clients without sockets, and layers that record all messages.
//!
//! [`WebsocketCommunicator`] is a client. A test may have any number of them for one application. [`LayerProbe`] makes channel
//! layers for one process or for several, and lists the messages that were sent through them. It can also lose messages, and
//! keeps the histories of groups, from which a client [comes back](WebsocketCommunicator::reconnect).
//!
//! ```
//! use channels_runtime::prelude::*;
//! use channels_runtime::testing::{LayerProbe, WebsocketCommunicator};
//!
//! #[event("chat.message")]
//! #[derive(Debug, PartialEq)]
//! struct ChatMessage { message: String }
//!
//! #[group("chat_{room}", events(ChatMessage))]
//! struct Room { room: String }
//!
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
//! // In your crate: #[tokio::test(start_paused = true)]
//! # #[tokio::main(flavor = "current_thread")]
//! async fn message_reaches_other_client() -> Result<()> {
//!     let probe = LayerProbe::new();
//!     let channels = Channels::builder().layer(probe.process()).build()?;
//!     let route = channels.route::<ChatConsumer>(warp::path!("ws" / String));
//!
//!     let mut ann = WebsocketCommunicator::new(route.clone(), "/ws/lobby").named("ann");
//!     let mut bob = WebsocketCommunicator::new(route, "/ws/lobby").named("bob");
//!     ann.connect().await?;
//!     bob.connect().await?;
//!     ann.send_to("hi").await?;
//!     assert_eq!(bob.receive_text_from().await?, "hi");
//!
//!     let sent = probe.assert_sent::<ChatMessage>(&Room { room: "lobby".into() }).await;
//!     assert_eq!(sent, ChatMessage { message: "hi".into() });
//!     probe.assert_nothing_more().await;
//!     Ok(())
//! }
//! # message_reaches_other_client().unwrap();
//! ```
//!
//! # A client that knows its consumer
//!
//! `send_json_to` sends any JSON, also what a broken client would send. [`WebsocketCommunicator::of`] makes a client that knows its
//! consumer: the compiler refuses commands that the consumer does not take, and messages that it never sends.
//!
//! # Time
//!
//! No test needs to sleep. With `#[tokio::test(start_paused = true)]` (tokio's feature `test-util`) the clock stops while any
//! task can run, and jumps to the next deadline when all tasks wait. So [`WebsocketCommunicator::receive_nothing`] and
//! [`LayerProbe::assert_nothing_more`] return immediately, and with certainty. The paused clock does not recognise waits for
//! something outside of the runtime (Redis, a database, a thread of your own). Do not pause it in such a test.
//!
//! # Order
//!
//! - A consumer's events arrive in order, and so do a client's frames.
//! - A message reaches the members of a group in one process in the order in which they joined, if none has left.
//! - Tokio chooses which of two consumers runs first. On the one thread of `#[tokio::test]` it is the one that was woken first.
//! - When `group_send` returns, the message has reached all processes of the probe. Over Redis it has not: each process gets the
//!   messages in order, but at its own time. [`LayerProbe::with_seed`] simulates that, in a different order for each seed.

mod command;
mod communicator;
mod communicator_commands;
mod communicator_requests;
mod deadlines;
mod error;
mod positions;
mod probe;
mod probe_bus;
mod probe_histories;
mod probe_jobs;
mod probe_node;
mod requests;
mod sent;
mod transcript;

pub use command::{Answered, Command, SendsToClient};
pub use communicator::{AnyConsumer, Connected, WebsocketCommunicator};
pub use error::{Call, CommunicatorError};
pub use probe::LayerProbe;
pub use sent::{Sent, Target};
pub use transcript::Transcript;
