//! Parses, checks and emits a consumer.

use proc_macro2::TokenStream;
use quote::quote;

use super::{check, emit, parse, surroundings, unread};
use crate::diagnostics::Diagnostics;

/// What `#[consumer]` makes of an `impl` block.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let arguments = parse::arguments(arguments, &mut diagnostics);
    let mut block = match syn::parse2::<parse::Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            diagnostics.push(parse::explain(error, item));
            let item = unread::without_helpers(item.clone());
            return quote!(#diagnostics #item);
        }
    };
    let mut model = check::check(arguments, &mut block, &mut diagnostics);
    if let Some(consumer) = &mut model
        && !surroundings::check(consumer, item, &mut diagnostics)
    {
        return quote!(#diagnostics #block);
    }
    let expansion = model.map(|model| emit::emit(&model));
    quote!(#diagnostics #block #expansion)
}
