//! Parses, checks and emits a group.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ItemStruct;

use super::{check, emit, parse};
use crate::diagnostics::Diagnostics;

/// Expands `#[group]` on a struct.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expansion = match syn::parse2::<ItemStruct>(item.clone()) {
        Ok(parsed) => {
            let group = parse::parse(arguments, &parsed, &mut diagnostics);
            check::check(&group, &parsed, &mut diagnostics);
            emit::emit(&group, &parsed)
        }
        Err(_) => {
            diagnostics.error(
                syn::parse2::<syn::Item>(item.clone()).map_or_else(|_| item.clone(), head),
                "`#[group]` goes above a struct, whose fields make the name: `struct Room { id: u64 }`",
            );
            item
        }
    };
    quote!(#diagnostics #expansion)
}

/// Returns the tokens of an item at which an error is shown.
fn head(item: syn::Item) -> TokenStream {
    match item {
        syn::Item::Enum(item) => item.ident.into_token_stream(),
        syn::Item::Impl(item) => item.self_ty.into_token_stream(),
        syn::Item::Fn(item) => item.sig.ident.into_token_stream(),
        other => other.into_token_stream(),
    }
}
