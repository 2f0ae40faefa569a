//! A group, the input of `check` and `emit`.

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
}
