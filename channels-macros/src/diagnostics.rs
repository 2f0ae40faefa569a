//! The errors of one expansion, collected until its end: three mistakes cause three errors.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors found so far, in the order of the source.
#[derive(Default)]
pub(crate) struct Diagnostics {
    errors: Vec<syn::Error>,
}

impl Diagnostics {
    /// Adds an error at these tokens of the user's.
    pub(crate) fn error(&mut self, at: impl ToTokens, message: impl Display) {
        self.errors.push(syn::Error::new_spanned(at, message));
    }

    /// Adds an error at a span.
    pub(crate) fn error_at(&mut self, at: Span, message: impl Display) {
        self.errors.push(syn::Error::new(at, message));
    }

    /// Adds an error of the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Returns the number of errors. A caller compares it to see whether a check added one.
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

    /// Returns an expansion as formatted source.
    pub(crate) fn formatted(expansion: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expansion).expect("an expansion parses"))
    }

    /// Returns the messages of the errors in an expansion.
    pub(crate) fn errors(expansion: TokenStream) -> Vec<String> {
        let file: syn::File = syn::parse2(expansion).expect("an expansion parses");
        let mut errors = Vec::new();
        for item in file.items {
            if let syn::Item::Macro(item) = item
                && item.mac.path.segments.last().is_some_and(|last| last.ident == "compile_error")
            {
                errors.push(item.mac.parse_body::<syn::LitStr>().expect("an error has a message").value());
            }
        }
        errors
    }

    #[test]
    fn errors_keep_their_order() {
        let mut diagnostics = Diagnostics::default();
        diagnostics.error_at(Span::call_site(), "one");
        diagnostics.error_at(Span::call_site(), "two");
        assert_eq!(errors(quote::quote!(#diagnostics)), ["one", "two"]);
    }
}
