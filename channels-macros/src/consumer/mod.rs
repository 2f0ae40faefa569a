//! `#[consumer]`: parse -> check -> emit over a model.

mod blocking;
mod check;
mod earlier;
mod emit;
mod model;
mod names;
mod parse;
mod role;
mod signature;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use crate::diagnostics::Diagnostics;
use crate::source::text;

/// What `#[consumer]` makes of an `impl` block.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let arguments = parse::arguments(arguments, &mut diagnostics);
    let mut block = match syn::parse2::<parse::Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            diagnostics.push(parse::explain(error, item));
            return quote!(#diagnostics #item);
        }
    };
    let model = check::check(arguments, &mut block, &mut diagnostics);
    if block.of.is_none() && earlier::exists(&block.self_ty, item) {
        let consumer = text(&block.self_ty);
        diagnostics.error(
            &block.self_ty,
            format!(
                "`{consumer}` has a `#[consumer]` block above; a consumer is one block: move these methods into it"
            ),
        );
        return quote!(#diagnostics #block);
    }
    let expansion = model.map(|model| emit::emit(&model));
    quote!(#diagnostics #block #expansion)
}
