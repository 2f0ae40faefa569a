//! Parses, checks and emits an event.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use super::{check, emit, parse};
use crate::diagnostics::Diagnostics;

/// Expands `#[event]` on a struct.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expansion = match syn::parse2::<Item>(item.clone()) {
        Ok(item) => {
            let arguments = parse::parse(arguments, &item, &mut diagnostics);
            let event = check::check(arguments, &item, &mut diagnostics);
            emit::emit(&event, item)
        }
        Err(error) => {
            diagnostics.push(error);
            item
        }
    };
    quote!(#diagnostics #expansion)
}
