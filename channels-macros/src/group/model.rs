//! A group, the input of `check` and `emit`.

use proc_macro2::Span;
use syn::{LitStr, Type};

use crate::runtime_path::Runtime;

/// A part of a pattern: `chat_` or `{room}`.
pub(super) enum Part {
    Literal(String),
    Field(String),
}

/// The parsed arguments of `#[group]`.
pub(super) struct Group {
    pub(super) runtime: Runtime,
    pub(super) pattern: LitStr,
    pub(super) parts: Vec<Part>,
    pub(super) events: Vec<Type>,
    pub(super) history: Option<History>,
}

/// The checked argument `history(size = 100, ttl = "10m")`.
pub(super) struct History {
    /// The span of the word.
    pub(super) at: Span,
    pub(super) size: u16,
    pub(super) ttl_seconds: u32,
}
