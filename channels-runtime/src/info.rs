//! Facts about consumers, events and groups, readable at run time.
//!
//! The macros write them: [`Consumer::INFO`](crate::Consumer::INFO) is a [`ConsumerInfo`] with the consumer's handlers, commands
//! and groups. [`EventInfo`] and [`GroupInfo`] describe an event and a group. [`MailboxPolicy`] and [`DropHint`] determine which
//! event is dropped when a mailbox is full.

pub use crate::consumer::{AnswerFields, CommandInfo, ConsumerInfo, HandlerInfo};
pub use crate::event::{DropHint, EventInfo, GroupInfo, MailboxPolicy};
