//! A checked event, the input of `emit`.

use proc_macro2::Ident;
use syn::LitStr;

use crate::runtime_path::Runtime;

/// The derives of an event.
pub(super) const SERDE: [&str; 2] = ["Serialize", "Deserialize"];

/// `#[event("chat.message")] struct ChatMessage { .. }`.
pub(super) struct Event {
    /// Empty if it is missing.
    pub(super) name: LitStr,
    pub(super) runtime: Runtime,
    pub(super) volatile: bool,
    pub(super) uncompressed: bool,
    /// The field that `coalesce` names.
    pub(super) key: Option<Ident>,
    /// Those of [`SERDE`] that are derived above `#[event]`.
    pub(super) derived_above: Vec<String>,
    /// The indices of further `#[event]` attributes on the struct. They are left out.
    pub(super) second_names: Vec<usize>,
}
