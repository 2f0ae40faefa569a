//! Parses, checks and emits a consumer.

use proc_macro2::TokenStream;
use quote::quote;

use super::{check, emit, parse};
use crate::diagnostics::Diagnostics;

/// Expands `#[consumer]` on an `impl` block.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let arguments = parse::arguments(arguments, &mut diagnostics);
    let block = match syn::parse2::<parse::Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            diagnostics.push(parse::explain(error, item));
            let item = emit::unread(item.clone());
            return quote!(#diagnostics #item);
        }
    };
    let checked = check::check(arguments, &block, item, &mut diagnostics);
    let block = emit::block(&block, &checked.changes);
    let expansion = checked.consumer.as_ref().map(emit::items);
    quote!(#diagnostics #block #expansion)
}
