//! The static dispatch table of a consumer.

use std::fmt::Debug;

use crate::event::{GroupInfo, MailboxPolicy};

/// A consumer as a fact to read at run time: [`Consumer::INFO`](crate::Consumer::INFO).
#[derive(Debug, Clone, Copy)]
pub struct ConsumerInfo {
    /// The type's name: `"ChatConsumer"`.
    pub name: &'static str,
    /// The events that it handles, in the order of the source.
    pub handlers: &'static [HandlerInfo],
    /// The method that gets every other event, if there is one: `#[handler(_)]`.
    pub fallback: Option<&'static str>,
    /// The commands that a client may say.
    pub commands: &'static [CommandInfo],
    /// The method that gets every other frame, if there is one: `#[receive]` without a name.
    pub raw: Option<&'static str>,
    /// What `#[consumer(groups(..))]` lists: the groups that it joins. Empty for a consumer that lists none.
    pub groups: &'static [GroupInfo],
    /// What `#[consumer(sends(..))]` lists: the paths of the Rust types.
    pub sends: &'static [fn() -> &'static str],
    /// The field of a command that holds its name.
    pub tag: &'static str,
    /// What gives way when an event comes for a full mailbox.
    pub mailbox: MailboxPolicy,
}

/// One row of the static dispatch table: a `#[handler]` method.
#[derive(Debug, Clone, Copy)]
pub struct HandlerInfo {
    /// The event's name: `"chat.message"`.
    pub event: &'static str,
    /// The variant of the consumer's event enum: `"ChatMessage"`.
    pub variant: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path of the payload's Rust type.
    pub payload: fn() -> &'static str,
    /// The payload's fields, by their names on the wire. Empty where serde does not know them beforehand, as for a
    /// flattened one.
    pub fields: fn() -> &'static [&'static str],
    /// Whether the handler has no `self`, so that its frame is rendered once and shared.
    pub shared: bool,
    /// The path of the Rust type that a handler without `self` returns, which is what the client is sent: `Json<ChatLine>`.
    /// `None` for one with `self`, and for a type that has no name (`impl IntoFrame`).
    pub returns: Option<fn() -> &'static str>,
    /// The line of the method in its source file.
    pub line: u32,
    /// Where the payload is defined: `Event::DEFINED`.
    #[doc(hidden)]
    pub defined: &'static str,
}

/// One command of a client: a `#[receive("name")]` method.
#[derive(Debug, Clone, Copy)]
pub struct CommandInfo {
    /// The command's name: `"send"`.
    pub name: &'static str,
    /// The variant of the consumer's command enum.
    pub variant: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path of the payload's Rust type.
    pub payload: fn() -> &'static str,
    /// The payload's fields, by their names in the JSON; see [`HandlerInfo::fields`].
    pub fields: fn() -> &'static [&'static str],
    /// The line of the method in its source file.
    pub line: u32,
}
