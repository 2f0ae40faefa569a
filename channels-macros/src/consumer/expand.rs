//! Parses, checks and emits a consumer.

use proc_macro2::TokenStream;
use quote::quote;

use super::{block, check, emit, parse};
use crate::diagnostics::Diagnostics;

/// What `#[consumer]` makes of an `impl` block.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let arguments = parse::arguments(arguments, &mut diagnostics);
    let block = match syn::parse2::<parse::Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            diagnostics.push(parse::explain(error, item));
            let item = block::emit_unread(item.clone());
            return quote!(#diagnostics #item);
        }
    };
    let checked = check::check(arguments, &block, item, &mut diagnostics);
    let block = block::emit(&block, &checked.changes);
    let expansion = checked.consumer.as_ref().map(emit::emit);
    quote!(#diagnostics #block #expansion)
}
