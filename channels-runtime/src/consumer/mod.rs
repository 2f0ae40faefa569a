//! Consumers: the trait that `#[consumer]` implements, and the context with its timers, tasks and requests.

mod answer;
mod background;
pub(crate) mod blocking;
mod const_check;
mod consumer;
mod context;
mod context_tasks;
mod info;
mod request;
mod tasks;
#[cfg(feature = "jwt")]
mod tickets;
mod timer_driver;
mod timers;

pub use answer::Asked;
pub use background::Background;
#[cfg(feature = "contract")]
pub(crate) use const_check::Message;
pub use const_check::{check_command, check_consumer, check_direct, check_group};
pub use const_check::{check_history, check_name, check_pattern, check_silence};
pub use consumer::{BoxFuture, Consumer, Decoded, Delivered, NeedsNoClient, OnlySends};
pub use context::{Context, SendJson};
pub use info::{AnswerFields, CommandInfo, ConsumerInfo, HandlerInfo};
pub use request::ReplyTo;
