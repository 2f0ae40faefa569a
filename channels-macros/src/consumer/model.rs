//! A checked consumer, the output of `check` and the input of `emit`. It contains only valid parts.

use proc_macro2::Span;
use syn::{Attribute, Generics, Ident, LitStr, Type};

use crate::runtime_path::Runtime;

/// The variant of events and frames without a name.
pub(super) const RAW: &str = "Raw";

/// The output of `check`.
pub(super) struct Checked {
    /// `None` if the block cannot be a consumer.
    pub(super) consumer: Option<Consumer>,
    /// The changes to the members of the block, in their order.
    pub(super) changes: Vec<Change>,
}

/// The changes that `emit` makes to a member of the block.
#[derive(Default)]
pub(super) struct Change {
    /// The indices of the member's helper attributes. They are left out.
    pub(super) helpers: Vec<usize>,
    /// The member is a method whose signature the macro prescribes.
    pub(super) is_prescribed: bool,
    /// The index of an argument `Context` without `<Self>`, which is added.
    pub(super) lacks_consumer: Option<usize>,
    /// The span of a `self` in the body of a method without a receiver, which is added.
    pub(super) lacks_self: Option<Span>,
    /// The last expression lacks an `.await`, which is added.
    pub(super) lacks_await: bool,
    /// The return type of a `#[connect]` whose `Result` lacks `Reject`, with it.
    pub(super) lacks_reject: Option<Type>,
}

/// `impl ChatConsumer { .. }`.
pub(super) struct Consumer {
    pub(super) runtime: Runtime,
    pub(super) self_ty: Type,
    /// Empty in a valid consumer, which cannot be generic.
    pub(super) generics: Generics,
    /// The `#[cfg]`s of the block, repeated on every generated item.
    pub(super) cfgs: Vec<Attribute>,
    /// The documentation of the block.
    pub(super) docs: String,
    /// `ChatConsumer`.
    pub(super) name: Ident,
    /// The name of the enum of events, which is visible only in the generated block.
    pub(super) event: Ident,
    /// The name of the enum of commands.
    pub(super) command: Ident,
    pub(super) tag: LitStr,
    pub(super) answer_fields: AnswerFields,
    /// `None` for a consumer without a list, which may join any group.
    pub(super) groups: Option<Vec<Type>>,
    pub(super) sends: Vec<Type>,
    /// Whether `sends(.., _)` says that there are other messages.
    pub(super) others: bool,
    /// A call that sends a message without a type, and the method with it: `send_json`, `connect`.
    pub(super) untyped: Option<(String, String)>,
    /// A variant of `MailboxPolicy`.
    pub(super) mailbox: Ident,
    pub(super) uncompressed: bool,
    pub(super) handlers: Vec<Handler>,
    pub(super) fallbacks: Vec<Raw>,
    pub(super) handles: Handles,
    pub(super) commands: Vec<Command>,
    pub(super) raw: Vec<Raw>,
    pub(super) refusals: Vec<Raw>,
    pub(super) connects: Vec<Connect>,
    pub(super) disconnects: Vec<Disconnect>,
    pub(super) gaps: Vec<Gap>,
    pub(super) losses: Vec<Raw>,
    /// Whether there is a `#[history_lost]` that is wrong, so that the method is not also reported as missing.
    pub(super) broken_loss: bool,
    /// Whether the block has no mistake that a check found.
    pub(super) complete: bool,
    /// The captures of an invalid `#[connect]`, so that the method is not also reported as missing.
    pub(super) broken_connect: Option<Vec<Type>>,
}

impl Consumer {
    /// Returns the methods that are useless without a client: those that receive from it, and those that send to it.
    pub(super) fn methods_with_client(&self) -> impl Iterator<Item = &Method> {
        let receive = self.commands.iter().map(|command| &command.method);
        let receive = receive.chain(self.raw.iter().chain(&self.refusals).map(|raw| &raw.method));
        let render = self.handlers.iter().filter(|handler| handler.shared).map(|handler| &handler.method);
        let others = self.handlers.iter().filter(|handler| !handler.shared).map(|handler| &handler.method);
        let others = others
            .chain(self.fallbacks.iter().map(|raw| &raw.method))
            .chain(self.connects.iter().map(|connect| &connect.method))
            .chain(self.disconnects.iter().map(|disconnect| &disconnect.method))
            .chain(self.gaps.iter().map(|gap| &gap.method))
            .chain(self.losses.iter().map(|loss| &loss.method));
        receive.chain(render).chain(others.filter(|method| method.sends_to_client))
    }
}

/// The events that the consumer handles.
pub(super) enum Handles {
    /// The events of its handlers.
    Listed(Vec<Handled>),
    /// Any event: the event of a wrong handler is unknown, and the handler was reported.
    Anything,
}

/// An event that a handler takes.
pub(super) struct Handled {
    /// The `#[cfg]`s of the handler.
    pub(super) cfgs: Vec<Attribute>,
    pub(super) payload: Type,
    /// Whether the handler also takes the position of the event.
    pub(super) with_position: bool,
}

/// The facts that `emit` needs to call a method.
pub(super) struct Method {
    pub(super) ident: Ident,
    /// The `#[cfg]`s of the method, repeated on all code that is generated for it.
    pub(super) cfgs: Vec<Attribute>,
    /// Docs and lint levels, repeated on its variant.
    pub(super) carried: Vec<Attribute>,
    pub(super) is_async: bool,
    /// Whether the method may block its thread. Such a method is not `async`.
    pub(super) blocking: bool,
    /// The type in `Context<..>`, if it is not `Self`.
    pub(super) context: Option<Type>,
    pub(super) output: Output,
    /// Whether the method sends to its client, as far as its tokens show.
    pub(super) sends_to_client: bool,
    pub(super) line: u32,
}

/// The type after `->`.
pub(super) enum Output {
    /// A type that can be repeated elsewhere.
    Named(Box<Type>),
    /// The span of a type that borrows or has no name.
    Inferred(Span),
}

/// `#[handler("chat.message")]`.
pub(super) struct Handler {
    pub(super) method: Method,
    pub(super) event: LitStr,
    pub(super) variant: Ident,
    pub(super) payload: Type,
    /// Whether the handler has no `self`: its return value is rendered once and shared.
    pub(super) shared: bool,
    /// Whether the last argument is the position of the event.
    pub(super) with_position: bool,
}

/// `#[receive("send")]`.
pub(super) struct Command {
    pub(super) method: Method,
    pub(super) name: LitStr,
    pub(super) variant: Ident,
    pub(super) payload: Type,
    /// `None` if the spelling of the return type shows no answer: the command does not answer, or the user has an alias.
    ///
    /// Messages and names need no more. Whether a command answers is decided by types: `Returns::<Output>::HOW` of the runtime.
    pub(super) answer: Option<Answer>,
}

/// The types of an answer: `Taken` and `Outbid` of `Result<Taken, Outbid>`, and of `Result<Result<Taken, Outbid>>`.
pub(super) struct Answer {
    pub(super) reply: Type,
    /// `None` for `Result<Taken>`, whose error the client does not receive.
    pub(super) refusal: Option<Type>,
}

/// The names of the fields of an answer.
pub(super) struct AnswerFields {
    pub(super) reference: LitStr,
    pub(super) ok: LitStr,
    pub(super) error: LitStr,
}

/// `#[receive]`, `#[receive(_)]`, `#[handler(_)]` or `#[history_lost]`.
pub(super) struct Raw {
    pub(super) method: Method,
    pub(super) payload: Type,
}

/// `#[connect]`.
pub(super) struct Connect {
    pub(super) method: Method,
    pub(super) captures: Vec<Type>,
    /// The names of its arguments after the context, as far as they are words.
    pub(super) names: Vec<String>,
}

/// `#[disconnect]`.
pub(super) struct Disconnect {
    pub(super) method: Method,
}

/// `#[layer_lost]` or `#[layer_restored]`.
pub(super) struct Gap {
    pub(super) method: Method,
    pub(super) kind: GapKind,
}

/// The kind of a [`Gap`].
#[derive(Clone, Copy, PartialEq)]
pub(super) enum GapKind {
    Lost,
    Restored,
}

impl GapKind {
    /// Returns the name of the helper attribute.
    pub(super) fn helper(self) -> &'static str {
        match self {
            Self::Lost => "layer_lost",
            Self::Restored => "layer_restored",
        }
    }

    /// Returns the variant of the runtime's `Gap`.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Self::Lost => "Lost",
            Self::Restored => "Restored",
        }
    }
}
