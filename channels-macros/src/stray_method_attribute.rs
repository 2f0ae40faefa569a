//! A helper attribute outside of `#[consumer]`, which removes those of its own methods.

use proc_macro2::TokenStream;
use quote::quote;

use crate::diagnostics::Diagnostics;
use crate::tokens::function_name;

/// Input: `#[handler("chat.message")] fn chat_message(..) -> .. { .. }`, in a block without `#[consumer]`.
///
/// Output: an error at the name of the method, and the method unchanged.
pub(crate) fn expand(helper: &str, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    diagnostics
        .error(function_name(item), format!("`#[{helper}]` needs `#[consumer]` above the `impl` block of its method"));
    quote!(#diagnostics #item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::tests::errors;

    #[test]
    fn method_without_consumer_is_unchanged() {
        let method = quote!(
            async fn chat_message(event: &ChatMessage) -> String {
                event.message.clone()
            }
        );
        let expansion = expand("handler", &method);
        assert!(expansion.to_string().ends_with(&method.to_string()));
        assert_eq!(errors(expansion), ["`#[handler]` needs `#[consumer]` above the `impl` block of its method"]);
    }
}
