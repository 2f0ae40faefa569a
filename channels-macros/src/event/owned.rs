//! The owned type that corresponds to a borrowed one.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;

/// Returns the owned type: `String` for `&str`, `Option<Vec<u8>>` for `Option<&[u8]>`.
pub(super) fn owned(borrowed: TokenStream) -> TokenStream {
    let mut owned = TokenStream::new();
    let mut tokens = borrowed.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(and) if and.as_char() == '&' => {
                let is_lifetime = |next: &TokenTree| matches!(next, TokenTree::Punct(tick) if tick.as_char() == '\'');
                if tokens.next_if(is_lifetime).is_some() {
                    tokens.next();
                }
                match tokens.next_if(|next| matches!(next, TokenTree::Group(_))) {
                    Some(TokenTree::Group(slice)) if slice.delimiter() == Delimiter::Bracket => {
                        let inner = slice.stream();
                        owned.extend(quote!(::std::vec::Vec<#inner>));
                    }
                    other => owned.extend(other),
                }
            }
            TokenTree::Ident(word) if word == "str" => owned.extend(quote!(::std::string::String)),
            token => owned.extend([token]),
        }
    }
    owned
}
