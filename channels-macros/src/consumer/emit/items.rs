//! The items that are generated for a consumer.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{LitStr, Type};

use super::contract::described;
use super::enums::enums;
use super::implementation::implementation;
use super::markers::{handles, handles_history_lost, joins, needs_no_client, only_sends, sends};
use super::testing::for_tests;
use crate::consumer::model::{Command, Consumer, Handler, Method, Output};
use crate::tokens::{place, placed, text};

/// Input: the model of `impl ChatConsumer { .. }`.
///
/// Output: the marker traits, and a block with its two enums, `Consumer`, and the checks of its handlers' and commands'
/// types. In the block, a name of the enums cannot clash with one of the user's.
pub(crate) fn emit(consumer: &Consumer) -> TokenStream {
    let private = consumer.runtime.private();
    let cfgs = &consumer.cfgs;
    let markers = [
        handles(consumer, &private),
        handles_history_lost(consumer, &private),
        joins(consumer, &private),
        sends(consumer, &private),
        only_sends(consumer, &private),
        needs_no_client(consumer, &private),
    ];
    let described = described(consumer, &private);
    let for_tests = for_tests(consumer, &private);
    let items = [enums(consumer), implementation(consumer, &private), type_checks(consumer, &private)];
    quote! {
        #(#markers)*

        #described

        #for_tests

        #(#cfgs)*
        const _: () = {
            #(#items)*
        };
    }
}

/// Output: `const _: () = check_name("chat_message", "chat.message", "ChatMessage", the event's name);` for each
/// handler, and `const _: () = check_command("send", "send", "SendCommand", the kind of the type);` and
/// `const _: () = check_silence("send", "Result<()>", whether its error can be sent);` for each command.
fn type_checks(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    if consumer.handlers.is_empty() && consumer.commands.is_empty() {
        return TokenStream::new();
    }
    let handlers = consumer.handlers.iter().map(|Handler { method, event, payload, .. }| {
        let Method { ident, cfgs, .. } = method;
        let (ident, payload_name) = (ident.unraw().to_string(), text(payload));
        let event = LitStr::new(&event.value(), place(event.span()));
        let private = consumer.runtime.private_at(event.span());
        let check = quote_spanned! {event.span()=>
            #private::check_name(#ident, #event, #payload_name, #private::NameOf::<#payload>::NAME)
        };
        quote!(#(#cfgs)* const _: () = #check;)
    });
    let commands = consumer.commands.iter().map(|command| {
        let Command { method, name, payload, .. } = command;
        let Method { ident, cfgs, .. } = method;
        let (ident, payload_name, name) = (ident.unraw().to_string(), text(payload), name.value());
        let span = place(payload.span());
        let private = consumer.runtime.private_at(span);
        let check = quote!(#private::check_command(#ident, #name, #payload_name, #private::KindOf::<#payload>::KIND));
        let check = placed(check, span);
        let silence = check_silence(consumer, command);
        quote!(#(#cfgs)* const _: () = #check; #silence)
    });
    quote! {
        #[allow(unused_imports)]
        use #private::{NeverSent as _, NotAnEvent as _, OtherKind as _, Replies as _};
        #(#handlers)*
        #(#commands)*
    }
}

/// Output: the check of the error of a command that does not answer, at its return type. Nothing for a command that certainly
/// answers or has no error.
fn check_silence(consumer: &Consumer, Command { method, answer, .. }: &Command) -> Option<TokenStream> {
    let Method { ident, cfgs, output: Output::Named(output), .. } = method else { return None };
    if answer.is_some() || has_no_error(output) {
        return None;
    }
    let (ident, span, output_name) = (ident.unraw().to_string(), place(output.span()), text(output));
    let private = consumer.runtime.private_at(span);
    let check = quote!(#private::check_silence(#ident, #output_name, #private::ErrorOf::<#output>::IS_SENDABLE));
    let check = placed(check, span);
    Some(quote!(#(#cfgs)* const _: () = #check;))
}

/// Returns whether a return type is `()` or `Result<()>`, whose error is the one of this crate.
fn has_no_error(output: &Type) -> bool {
    matches!(text(output).as_str(), "()" | "Result<()>")
}
