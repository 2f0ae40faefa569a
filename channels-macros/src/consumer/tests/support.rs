//! Helpers for tests of error messages.

use proc_macro2::TokenStream;
use quote::quote;

use crate::consumer::expand;
use crate::diagnostics::tests::errors;

/// Returns the errors of `#[consumer]` above a block.
pub(super) fn block_errors(block: &TokenStream) -> Vec<String> {
    errors(expand(TokenStream::new(), block))
}

/// Returns the single error of a consumer with this method.
pub(super) fn method_error(method: &TokenStream) -> String {
    let mut errors = block_errors(&quote!(impl Chat { #method }));
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

/// Asserts that each method causes a single error with the message.
pub(super) fn assert_errors(cases: impl IntoIterator<Item = (TokenStream, &'static str)>) {
    for (tokens, sentence) in cases {
        let error = method_error(&tokens);
        assert!(error.contains(sentence), "{tokens}\nsays {error:?}\ninstead of {sentence:?}");
    }
}
