//! The static description of a consumer.

use std::fmt::Debug;

use crate::codec::{CommandFields, Envelope};
use crate::error::DecodeError;
use crate::event::{GroupInfo, MailboxPolicy};

/// The static description of a consumer: [`Consumer::INFO`](crate::Consumer::INFO).
#[derive(Debug, Clone, Copy)]
pub struct ConsumerInfo {
    /// The type's name: `"ChatConsumer"`.
    pub name: &'static str,
    /// The events that the consumer handles, in the order of the source.
    pub handlers: &'static [HandlerInfo],
    /// The method for all other events, if there is one: `#[handler(_)]`.
    pub fallback: Option<&'static str>,
    /// The commands that a client can send.
    pub commands: &'static [CommandInfo],
    /// The method for all other frames, if there is one: `#[receive]` without a name.
    pub raw: Option<&'static str>,
    /// The groups that `#[consumer(groups(..))]` lists. Empty without that argument.
    pub groups: &'static [GroupInfo],
    /// The messages that `#[consumer(sends(..))]` lists, as paths of their Rust types.
    pub sends: &'static [fn() -> &'static str],
    /// The field of a command that holds its name.
    pub tag: &'static str,
    /// The fields of an answer.
    pub answer: AnswerFields,
    /// The event that is dropped when the mailbox is full.
    pub mailbox: MailboxPolicy,
    /// Whether the messages of its connections are never compressed: `#[consumer(uncompressed)]`.
    pub uncompressed: bool,
    /// Whether the macro understood the whole block. `false` only in a program that does not compile.
    #[doc(hidden)]
    pub complete: bool,
}

/// One handled event: a `#[handler]` method.
#[derive(Debug, Clone, Copy)]
pub struct HandlerInfo {
    /// The event's name: `"chat.message"`.
    pub event: &'static str,
    /// The variant of the consumer's event enum: `"ChatMessage"`.
    pub variant: &'static str,
    /// The method's name.
    pub method: &'static str,
    /// The path of the payload's Rust type.
    pub payload: fn() -> &'static str,
    /// The payload's fields, by their encoded names. Empty if serde does not know them in advance, for example with a flattened
    /// field.
    pub fields: fn() -> &'static [&'static str],
    /// Whether the handler has no `self`, so that its frame is rendered once for all members.
    pub shared: bool,
    /// Whether the event is never compressed: `#[event(.., uncompressed)]`.
    pub uncompressed: bool,
    /// The path of the Rust type that a handler without `self` returns and the client receives: `Json<ChatLine>`. `None` for a
    /// handler with `self`, and for a type without a name (`impl IntoFrame`).
    pub returns: Option<fn() -> &'static str>,
    /// The line of the method in its source file.
    pub line: u32,
    /// Checks whether a message fits the payload.
    #[doc(hidden)]
    pub decodes: fn(&Envelope) -> Result<(), DecodeError>,
    /// The path of the payload's definition: `Event::DEFINED`.
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
    /// The method's name.
    pub method: &'static str,
    /// The path of the payload's Rust type.
    pub payload: fn() -> &'static str,
    /// The payload's fields, by their names in the JSON; see [`HandlerInfo::fields`].
    pub fields: fn() -> &'static [&'static str],
    /// Whether the command answers: whether a client that sends a reference receives the result of the method.
    pub answers: bool,
    /// The line of the method in its source file.
    pub line: u32,
    /// Returns the reason why no client can send the command, for its tag and its name.
    #[doc(hidden)]
    pub unsendable: fn(&'static str, &'static str) -> Option<String>,
}

/// The names of the fields of an answer: `{"ref": 7, "ok": ..}`, or `{"ref": 7, "error": ..}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerFields {
    /// The field of a command and of its answer that holds the reference: `"ref"`.
    pub reference: &'static str,
    /// The field that holds the reply: `"ok"`.
    pub ok: &'static str,
    /// The field that holds the refusal, and the reason why a frame is not a command: `"error"`.
    pub error: &'static str,
}

impl ConsumerInfo {
    /// Returns whether an event of the consumer is never compressed.
    pub(crate) const fn has_uncompressed_event(&self) -> bool {
        let mut index = 0;
        while index < self.handlers.len() {
            if self.handlers[index].uncompressed {
                return true;
            }
            index += 1;
        }
        false
    }

    /// Returns the fields of a command that are not part of its payload.
    pub(crate) const fn command_fields(&self) -> CommandFields {
        let mut at = 0;
        while at < self.commands.len() {
            if self.commands[at].answers {
                return CommandFields { tag: self.tag, reference: Some(self.answer.reference) };
            }
            at += 1;
        }
        CommandFields { tag: self.tag, reference: None }
    }

    /// Checks that a client can send each command, and that the payload of a command that answers has no field for the reference.
    ///
    /// # Panics
    /// If no client can send one of them, or if the payload has such a field.
    #[track_caller]
    pub(crate) fn check_commands(&self) {
        for command in self.commands {
            if let Some(reason) = (command.unsendable)(self.tag, command.name) {
                panic!(
                    "no client can send the command {:?} of consumer `{}`: {reason}; or receive its JSON with `#[receive]` and \
                     `Json<T>`, without a name",
                    command.name, self.name
                );
            }
            let reference = self.answer.reference;
            if command.answers && (command.fields)().contains(&reference) {
                panic!(
                    "the command {:?} of consumer `{}` answers, so its field {reference:?} is the reference of the answer, but \
                     `{}` has a field of that name: give one of them another name, for example with \
                     `#[consumer(ref = \"request\")]`",
                    command.name,
                    self.name,
                    (command.payload)()
                );
            }
        }
    }
}
