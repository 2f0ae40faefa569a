//! The attributes of methods where no `#[consumer]` took them away: it was forgotten.

use proc_macro2::TokenStream;
use quote::quote;

use crate::diagnostics::Diagnostics;
use crate::tokens::function_name;

/// Input: `#[handler("chat.message")] fn chat_message(..) -> .. { .. }`, with nothing around it that knows of handlers.
///
/// Output: what is missing, said at the name of the method, and the method as it was.
pub(crate) fn expand(helper: &str, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    diagnostics.error(
        function_name(item),
        format!("`#[{helper}]` needs `#[consumer]` above the `impl` block that its method stands in"),
    );
    quote!(#diagnostics #item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::tests::errors;

    #[test]
    fn the_method_stays_as_it_was() {
        let method = quote!(
            async fn chat_message(event: &ChatMessage) -> String {
                event.message.clone()
            }
        );
        let expansion = expand("handler", &method);
        assert!(expansion.to_string().ends_with(&method.to_string()));
        assert_eq!(
            errors(expansion),
            ["`#[handler]` needs `#[consumer]` above the `impl` block that its method stands in"]
        );
    }
}
