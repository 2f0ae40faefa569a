//! The enums of events and commands.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Ident, Type};

use crate::consumer::model::{Consumer, Method, RAW, Raw};

/// Input: `#[handler("chat.message")] fn chat_message(event: &ChatMessage) -> ..`.
///
/// Output: `pub enum __ConsumerEvent { ChatMessage(ChatMessage) }`, and the same for commands.
pub(super) fn enums(consumer: &Consumer) -> TokenStream {
    let events: Vec<Variant<'_>> = consumer
        .handlers
        .iter()
        .map(|handler| Variant {
            ident: handler.variant.clone(),
            payload: &handler.payload,
            method: &handler.method,
            doc: format!(" `{}`", handler.event.value()),
        })
        .chain(raw_variants(&consumer.fallbacks, " Any other event, unchanged."))
        .collect();
    let commands: Vec<Variant<'_>> = consumer
        .commands
        .iter()
        .map(|command| Variant {
            ident: command.variant.clone(),
            payload: &command.payload,
            method: &command.method,
            doc: format!(" `{}`", command.name.value()),
        })
        .chain(raw_variants(&consumer.raw, " Any other frame."))
        .collect();
    let accepts_events = format!(" Events that `{}` accepts: one variant for each `#[handler]`.", consumer.name);
    let accepts_frames = format!(" Frames that `{}` accepts: one variant for each `#[receive]`.", consumer.name);
    let (events, commands) =
        (one_enum(&consumer.event, &accepts_events, &events), one_enum(&consumer.command, &accepts_frames, &commands));
    quote!(#events #commands)
}

fn raw_variants<'a>(raw: &'a [Raw], doc: &'static str) -> impl Iterator<Item = Variant<'a>> {
    raw.iter().map(move |Raw { method, payload }| Variant {
        ident: format_ident!("{RAW}"),
        payload,
        method,
        doc: doc.into(),
    })
}

struct Variant<'a> {
    ident: Ident,
    payload: &'a Type,
    method: &'a Method,
    /// The documentation if the method has none.
    doc: String,
}

fn one_enum(name: &Ident, doc: &str, variants: &[Variant<'_>]) -> TokenStream {
    let definitions = variants.iter().map(|Variant { ident, payload, method, doc }| {
        let Method { cfgs, carried, .. } = method;
        let documented = carried.iter().any(|attribute| attribute.path().is_ident("doc"));
        let doc = (!documented).then(|| quote!(#[doc = #doc]));
        quote!(#(#cfgs)* #doc #(#carried)* #ident(#payload))
    });
    let arms = variants.iter().map(|Variant { ident, method, .. }| {
        let (cfgs, name) = (&method.cfgs, ident.to_string());
        quote!(#(#cfgs)* Self::#ident(_) => #name)
    });
    // An enum without variants has nothing to print. If `#[cfg]`s remove all variants, the `match` is the same.
    let printed = if variants.is_empty() {
        quote!(match *self {})
    } else {
        quote!(formatter.write_str(match *self { #(#arms,)* }))
    };
    quote! {
        #[doc = #doc]
        #[allow(dead_code, non_camel_case_types, private_interfaces, unreachable_pub)]
        pub enum #name { #(#definitions,)* }

        #[automatically_derived]
        #[allow(unreachable_code, unused_variables)]
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #printed
            }
        }
    }
}
