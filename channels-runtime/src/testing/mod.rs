//! What a consumer's tests need: clients without sockets, and layers that remember what was sent.
//!
//! [`WebsocketCommunicator`] is a client. As many as you like speak to one application. [`LayerProbe`] makes channel layers
//! for one process or for several, and tells what was sent through them.
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
//! async fn what_one_says_the_other_hears() -> Result<()> {
//!     let probe = LayerProbe::new();
//!     let channels = Channels::builder().layer(probe.process()).build()?;
//!     let route = channels.route::<ChatConsumer>(warp::path!("ws" / String));
//!
//!     let mut ann = WebsocketCommunicator::new(route.clone(), "/ws/lobby");
//!     let mut bob = WebsocketCommunicator::new(route, "/ws/lobby");
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
//! # what_one_says_the_other_hears().unwrap();
//! ```
//!
//! # Time
//!
//! No test needs to sleep. With `#[tokio::test(start_paused = true)]` (tokio's feature `test-util`) the clock stands still while
//! anything can run, and jumps to the next deadline when everything waits. So [`WebsocketCommunicator::receive_nothing`] and
//! [`LayerProbe::assert_nothing_more`] answer at once, and with certainty: whatever was to come is there. What waits for
//! something outside of the runtime (Redis, a database, a thread of your own) is not seen by that clock; leave it running there.
//!
//! # Order
//!
//! - A consumer's messages come in their order, and so do a client's frames.
//! - A message reaches the members of a group in one process in the order in which they joined, as long as none has left.
//! - Which of two consumers runs first is tokio's choice; on the one thread of `#[tokio::test]` it is the one that was woken
//!   first.
//! - Of several processes, a message has reached all when `group_send` returns. Over Redis it has not: then each process
//!   gets the messages in their order, but at a time of its own. [`LayerProbe::with_seed`] plays that, in another order for
//!   each seed and in the same one for the same seed.

mod communicator;
mod deadlines;
mod probe;
mod transcript;
pub use communicator::{CommunicatorError, Connected, WebsocketCommunicator};
pub use probe::{LayerProbe, Sent, Target};
pub use transcript::Transcript;
