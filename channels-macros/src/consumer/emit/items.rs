//! The items that are generated for a consumer.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;

use super::enums::enums;
use super::implementation::implementation;
use super::markers::{handles, joins, only_sends, sends};
use crate::consumer::model::{Consumer, Handler, Method};
use crate::tokens::{place, text};

/// Input: the model of `impl ChatConsumer { .. }`.
///
/// Output: its two enums, the marker traits, `Consumer`, and the check of its handlers' names.
pub(crate) fn emit(consumer: &Consumer) -> TokenStream {
    let private = consumer.runtime.private();
    let items = [
        enums(consumer),
        handles(consumer, &private),
        joins(consumer, &private),
        sends(consumer, &private),
        only_sends(consumer, &private),
        implementation(consumer, &private),
        name_checks(consumer, &private),
    ];
    quote!(#(#items)*)
}

/// Output: `const _: () = check_name("chat_message", "chat.message", "ChatMessage", the event's name);` for each
/// handler.
fn name_checks(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    if consumer.handlers.is_empty() {
        return TokenStream::new();
    }
    let Consumer { cfgs, .. } = consumer;
    let checks = consumer.handlers.iter().map(|Handler { method, event, payload, .. }| {
        let Method { ident, cfgs, .. } = method;
        let (ident, payload_name) = (ident.unraw().to_string(), text(payload));
        let event = LitStr::new(&event.value(), place(event.span()));
        let private = consumer.runtime.private_at(event.span());
        let check = quote_spanned! {event.span()=>
            #private::check_name(#ident, #event, #payload_name, #private::NameOf::<#payload>::NAME)
        };
        quote!(#(#cfgs)* const _: () = #check;)
    });
    quote! {
        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports)]
            use #private::NotAnEvent as _;
            #(#checks)*
        };
    }
}
