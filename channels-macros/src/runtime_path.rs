//! The path to the runtime crate in an expansion.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Path;

use crate::manifest::renamed_runtime;
use crate::tokens::placed;

/// The path to the runtime: `::channels_runtime`, its name in the `Cargo.toml` of the user, or the path in `crate = path`.
pub(crate) struct Runtime(Option<Path>);

impl Runtime {
    /// `path` is the path in `crate = path`.
    pub(crate) fn new(path: Option<Path>) -> Self {
        let renamed = || syn::parse_str(&format!("::{}", renamed_runtime()?)).ok();
        Self(path.or_else(renamed))
    }

    /// Returns the path of the module that expansions use.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.0 {
            None => quote!(::channels_runtime::__private),
            Some(path) => quote!(#path::__private),
        }
    }

    /// Returns the path of the module that expansions use, with the user's span, so that an error covers the whole
    /// call.
    pub(crate) fn private_at(&self, place: Span) -> TokenStream {
        placed(self.private(), place)
    }
}
