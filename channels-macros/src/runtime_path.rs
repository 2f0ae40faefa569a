//! The path to the runtime in an expansion.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Path;

use crate::tokens::placed;

/// Where the runtime is: `::channels_runtime`, or what `crate = path` says.
pub(crate) struct Runtime(Option<Path>);

impl Runtime {
    pub(crate) fn new(path: Option<Path>) -> Self {
        Self(path)
    }

    /// What expansions call.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.0 {
            None => quote!(::channels_runtime::__private),
            Some(path) => quote!(#path::__private),
        }
    }

    /// The same, in the user's place: what is wrong with a call is shown under all of its tokens.
    pub(crate) fn private_at(&self, place: Span) -> TokenStream {
        placed(self.private(), place)
    }
}
