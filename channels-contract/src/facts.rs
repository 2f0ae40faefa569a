//! What the macros of `channels-runtime` know of an application. Plain data, which their expansions write into constants.

use schemars::{Schema, SchemaGenerator};

/// Makes the schema of a type. `None` for a type without `JsonSchema`.
pub type SchemaFn = Option<fn(&mut SchemaGenerator) -> Schema>;

/// A type, as the source writes it.
#[derive(Debug, Clone, Copy)]
pub struct TypeFacts {
    /// The tokens of the type: `InRoom`.
    pub name: &'static str,
    /// Its schema.
    pub schema: SchemaFn,
}

/// A `#[consumer]`.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerFacts {
    /// `ChatConsumer`.
    pub name: &'static str,
    /// The documentation of its block.
    pub docs: &'static str,
    /// The field of a command with its name.
    pub tag: &'static str,
    /// The fields of a command that is answered, and of its answer.
    pub answers: AnswerFields,
    /// The arguments of `#[connect]` after the context, by their names.
    pub captures: &'static [&'static str],
    /// The `#[receive("..")]` methods.
    pub commands: &'static [CommandFacts],
    /// The messages for the client: those of `sends(..)`, and those that handlers without `self` return.
    pub messages: &'static [MessageFacts],
    /// Whether `sends(.., _)` declares that the consumer also sends messages that are not in the contract.
    pub others: bool,
    /// A call that sends a message without a type, and the method with it: `send_json`, `connect`.
    pub untyped: Option<(&'static str, &'static str)>,
    /// Whether a wrong command is answered with the runtime's error. `false` with `#[receive(_)]`.
    pub refuses: bool,
    /// Whether there is a `#[history_lost]`.
    pub history_lost: bool,
}

/// The names of the fields around an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerFields {
    /// The field that a client chooses, and that its answer repeats: `ref`.
    pub reference: &'static str,
    /// The field of a reply: `ok`.
    pub ok: &'static str,
    /// The field of a refusal: `error`.
    pub error: &'static str,
}

/// A command of a client.
#[derive(Debug, Clone, Copy)]
pub struct CommandFacts {
    /// Its name: `join`.
    pub name: &'static str,
    /// The documentation of its method.
    pub docs: &'static str,
    /// Its fields.
    pub payload: TypeFacts,
    /// Whether it is answered.
    pub answers: bool,
    /// The types of its answer, as far as its method names them.
    pub answer: Option<AnswerFacts>,
}

/// The answer to a command.
#[derive(Debug, Clone, Copy)]
pub struct AnswerFacts {
    /// The reply.
    pub ok: TypeFacts,
    /// The refusal, if the command can be refused.
    pub error: Option<TypeFacts>,
}

/// A message for the client.
#[derive(Debug, Clone, Copy)]
pub struct MessageFacts {
    /// Where it stands: `sends(..)`, or the name of a handler's method.
    pub place: &'static str,
    /// Its type.
    pub ty: TypeFacts,
    /// Whether the message is JSON. `false` for a handler that returns text or bytes.
    pub is_json: bool,
}

/// An `#[event]`.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts {
    /// `chat.message`.
    pub name: &'static str,
    /// `ChatMessage`.
    pub ty: &'static str,
    /// The documentation of the struct.
    pub docs: &'static str,
    /// The fields.
    pub parts: &'static [PartFacts],
    /// The schema of the whole. `None` for a generic event.
    pub schema: SchemaFn,
}

/// A field of an event, or of a group.
#[derive(Debug, Clone, Copy)]
pub struct PartFacts {
    /// Its name.
    pub field: &'static str,
    /// Its type.
    pub ty: TypeFacts,
}

/// A `#[group]`.
#[derive(Debug, Clone, Copy)]
pub struct GroupFacts {
    /// `Room`.
    pub name: &'static str,
    /// `chat_{room}`.
    pub pattern: &'static str,
    /// The documentation of the struct.
    pub docs: &'static str,
    /// The fields of the name, in their order.
    pub fields: &'static [PartFacts],
    /// The index of the field that may contain the text around it. The name is taken apart from both of its ends.
    pub rest: usize,
    /// The events that it carries.
    pub events: &'static [EventFacts],
}
