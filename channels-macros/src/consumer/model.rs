//! A consumer as `check` understood it and `emit` writes it: only what is right.

use proc_macro2::Span;
use syn::{Attribute, Generics, Ident, LitStr, Type};

use crate::runtime_path::Runtime;

/// The variant of what has no name.
pub(super) const RAW: &str = "Raw";

/// What `check` found.
pub(super) struct Checked {
    /// `None` if no consumer can be made of the block.
    pub(super) consumer: Option<Consumer>,
    /// What changes in each member of the block, in their order.
    pub(super) changes: Vec<Change>,
}

/// What `emit` changes in a member of the block.
#[derive(Default)]
pub(super) struct Change {
    /// The places of the helper attributes among the member's attributes. They are left out.
    pub(super) helpers: Vec<usize>,
    /// A method of a consumer, whose signature the macro prescribes.
    pub(super) is_prescribed: bool,
    /// The place of a `Context` without its `<Self>` among the arguments. It is given one.
    pub(super) lacks_consumer: Option<usize>,
    /// The place of a `self` in the body of a method that takes none. The method is given one.
    pub(super) lacks_self: Option<Span>,
}

/// `impl ChatConsumer { .. }`.
pub(super) struct Consumer {
    pub(super) runtime: Runtime,
    pub(super) self_ty: Type,
    /// Empty, unless the consumer is wrong: a consumer has no generics.
    pub(super) generics: Generics,
    /// The `#[cfg]`s of the block, which every item made of it carries.
    pub(super) cfgs: Vec<Attribute>,
    /// `ChatConsumer`.
    pub(super) name: Ident,
    /// `ChatConsumerEvent`.
    pub(super) event: Ident,
    /// `ChatConsumerCommand`.
    pub(super) command: Ident,
    pub(super) tag: LitStr,
    /// `None` for a consumer that lists no groups, and joins any.
    pub(super) groups: Option<Vec<Type>>,
    pub(super) sends: Vec<Type>,
    /// A variant of `MailboxPolicy`.
    pub(super) mailbox: Ident,
    pub(super) handlers: Vec<Handler>,
    pub(super) fallbacks: Vec<Raw>,
    pub(super) handles: Handles,
    pub(super) commands: Vec<Command>,
    pub(super) raw: Vec<Raw>,
    pub(super) refusals: Vec<Raw>,
    pub(super) connects: Vec<Connect>,
    pub(super) disconnects: Vec<Disconnect>,
    pub(super) gaps: Vec<Gap>,
    /// What a `#[connect]` captures that is there but wrong, so that its lack is not reported too.
    pub(super) broken_connect: Option<Vec<Type>>,
}

/// Which events the consumer says that it handles.
pub(super) enum Handles {
    /// Those of its handlers.
    Listed(Vec<(Vec<Attribute>, Type)>),
    /// Any: a handler is so wrong that its event is not known, and was reported for that.
    Anything,
}

/// A method, as it is called.
pub(super) struct Method {
    pub(super) ident: Ident,
    /// The `#[cfg]`s, which everything that stands for the method carries too.
    pub(super) cfgs: Vec<Attribute>,
    /// Docs and lint levels, for its variant.
    pub(super) carried: Vec<Attribute>,
    pub(super) is_async: bool,
    /// It may block its thread, and is not `async`.
    pub(super) blocking: bool,
    /// The type in `Context<..>`, where it is not `Self`.
    pub(super) context: Option<Type>,
    pub(super) output: Output,
    pub(super) line: u32,
}

/// The type behind `->`.
pub(super) enum Output {
    /// One that can be written elsewhere again.
    Named(Box<Type>),
    /// One that borrows or that has no name, and its place.
    Inferred(Span),
}

/// `#[handler("chat.message")]`.
pub(super) struct Handler {
    pub(super) method: Method,
    pub(super) event: LitStr,
    pub(super) variant: Ident,
    pub(super) payload: Type,
    /// No `self`: what it returns is rendered once and shared.
    pub(super) shared: bool,
}

/// `#[receive("send")]`.
pub(super) struct Command {
    pub(super) method: Method,
    pub(super) name: LitStr,
    pub(super) variant: Ident,
    pub(super) payload: Type,
}

/// `#[receive]`, `#[receive(_)]` or `#[handler(_)]`.
pub(super) struct Raw {
    pub(super) method: Method,
    pub(super) payload: Type,
}

/// `#[connect]`.
pub(super) struct Connect {
    pub(super) method: Method,
    pub(super) captures: Vec<Type>,
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

/// Which of the two.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum GapKind {
    Lost,
    Restored,
}

impl GapKind {
    pub(super) fn helper(self) -> &'static str {
        match self {
            Self::Lost => "layer_lost",
            Self::Restored => "layer_restored",
        }
    }

    /// The variant of the runtime's `Gap`.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Self::Lost => "Lost",
            Self::Restored => "Restored",
        }
    }
}
