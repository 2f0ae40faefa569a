//! The errors of a block.

use proc_macro2::TokenStream;
use quote::quote;

use crate::consumer::expand;
use crate::diagnostics::tests::errors;

/// The errors of `#[consumer]` above the block.
pub(super) fn says(block: &TokenStream) -> Vec<String> {
    errors(expand(TokenStream::new(), block))
}

/// The one error of a consumer that has this method.
pub(super) fn method(method: &TokenStream) -> String {
    let mut errors = says(&quote!(impl Chat { #method }));
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

pub(super) fn assert_says(cases: impl IntoIterator<Item = (TokenStream, &'static str)>) {
    for (tokens, sentence) in cases {
        let error = method(&tokens);
        assert!(error.contains(sentence), "{tokens}\nsays {error:?}\ninstead of {sentence:?}");
    }
}
