//! The errors of one expansion, collected until its end: a user who made three mistakes reads of three.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors found so far, in the order of the source.
#[derive(Default)]
pub(crate) struct Diagnostics {
    errors: Vec<syn::Error>,
}

impl Diagnostics {
    /// An error under these tokens of the user's.
    pub(crate) fn error(&mut self, at: impl ToTokens, message: impl Display) {
        self.errors.push(syn::Error::new_spanned(at, message));
    }

    /// An error under one place.
    pub(crate) fn error_at(&mut self, at: Span, message: impl Display) {
        self.errors.push(syn::Error::new(at, message));
    }

    /// What the parser says.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// How many there are, to see whether a check added one.
    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }
}

impl ToTokens for Diagnostics {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for error in &self.errors {
            tokens.extend(error.to_compile_error());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An expansion as a file of source.
    pub(crate) fn formatted(expansion: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expansion).expect("an expansion parses"))
    }

    /// The sentences of the errors in an expansion.
    pub(crate) fn errors(expansion: TokenStream) -> Vec<String> {
        let file: syn::File = syn::parse2(expansion).expect("an expansion parses");
        let mut errors = Vec::new();
        for item in file.items {
            if let syn::Item::Macro(item) = item
                && item.mac.path.segments.last().is_some_and(|last| last.ident == "compile_error")
            {
                errors.push(item.mac.parse_body::<syn::LitStr>().expect("an error is a sentence").value());
            }
        }
        errors
    }

    #[test]
    fn every_error_is_kept_in_its_order() {
        let mut diagnostics = Diagnostics::default();
        diagnostics.error_at(Span::call_site(), "one");
        diagnostics.error_at(Span::call_site(), "two");
        assert_eq!(errors(quote::quote!(#diagnostics)), ["one", "two"]);
    }
}
