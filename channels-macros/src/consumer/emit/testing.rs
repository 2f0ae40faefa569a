//! What `#[consumer]` generates for test clients that know their consumer.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Type;
use syn::ext::IdentExt;

use super::call::condition;
use super::contract::in_json;
use crate::consumer::model::{Answer, Command, Consumer, Method, Output};
use crate::tokens::{place, text};
use crate::types::borrows;

/// Output: `impl ChatConsumer { pub const SEND: Command<Self, SendCommand> = Command::new("send"); }`, and
/// `impl SendsToClient<ChatLine> for ChatConsumer {}` for each message.
pub(super) fn for_tests(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, .. } = consumer;
    if !consumer.generics.params.is_empty() {
        return TokenStream::new();
    }
    let commands: Vec<_> = consumer.commands.iter().filter_map(|command| constant(command, private)).collect();
    let commands = (!commands.is_empty()).then(|| {
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            #[allow(dead_code, private_interfaces)]
            impl #self_ty {
                #(#commands)*
            }
        }
    });
    let messages = messages(consumer).into_iter().map(|Message { ty, cfg }| {
        quote! {
            #(#cfgs)* #cfg
            #[automatically_derived]
            impl #private::SendsToClient<#ty> for #self_ty {}
        }
    });
    let items = quote!(#commands #(#messages)*);
    if items.is_empty() { items } else { quote!(#private::if_testing! { #items }) }
}

fn constant(command: &Command, private: &TokenStream) -> Option<TokenStream> {
    let Command { method: Method { ident, cfgs, .. }, name, payload, answer, .. } = command;
    let answer = match answer {
        Some(Answer { reply, refusal }) if !borrows(reply) && !refusal.as_ref().is_some_and(borrows) => {
            let refusal = refusal.as_ref().map_or_else(|| quote!(#private::Value), |refusal| quote!(#refusal));
            quote!(#private::Answered<#reply, #refusal>)
        }
        _ => quote!(()),
    };
    if borrows(payload) {
        return None;
    }
    let constant = Ident::new(&ident.unraw().to_string().to_uppercase(), place(ident.span()));
    let docs = format!(" The command `{}`, for test clients.", name.value());
    Some(quote! {
        #[doc = #docs]
        #(#cfgs)*
        pub const #constant: #private::Command<Self, #payload, #answer> = #private::Command::new(#name);
    })
}

/// A message of the consumer, with the `#[cfg]` of the methods that send it.
struct Message<'a> {
    ty: &'a Type,
    cfg: TokenStream,
}

/// Returns each message once, although several handlers may send it.
fn messages(consumer: &Consumer) -> Vec<Message<'_>> {
    let mut messages: Vec<(&Type, String, Option<Vec<&Method>>)> = Vec::new();
    for ty in &consumer.sends {
        messages.push((ty, text(ty), None));
    }
    for handler in consumer.handlers.iter().filter(|handler| handler.shared) {
        let Output::Named(output) = &handler.method.output else { continue };
        let Some(ty) = in_json(output).filter(|ty| !borrows(ty)) else { continue };
        let name = text(ty);
        let known = messages.iter_mut().find(|(_, known, _)| *known == name);
        let is_conditional = !handler.method.cfgs.is_empty();
        match known {
            Some((_, _, methods)) if !is_conditional => *methods = None,
            Some((_, _, Some(methods))) => methods.push(&handler.method),
            Some(_) => {}
            None => messages.push((ty, name, is_conditional.then(|| vec![&handler.method]))),
        }
    }
    let one = |(ty, _, methods): (_, _, Option<Vec<&Method>>)| {
        let cfg = methods.map(|methods| {
            let conditions = methods.into_iter().map(condition);
            quote!(#[cfg(any(#(#conditions),*))])
        });
        Message { ty, cfg: cfg.unwrap_or_default() }
    };
    messages.into_iter().map(one).collect()
}
