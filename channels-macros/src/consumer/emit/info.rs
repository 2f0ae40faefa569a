//! `ConsumerInfo`: the static description of a consumer.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::call::{answers, conditional, otherwise, statement};
use crate::consumer::model::{AnswerFields, Command, Consumer, Handler, Method, Output, Raw};

/// Output: `const INFO: ConsumerInfo = ..`.
pub(super) fn info(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { name, tag, sends, mailbox, uncompressed, complete, answer_fields, .. } = consumer;
    let AnswerFields { reference, ok, error } = answer_fields;
    let name = name.unraw().to_string();
    let handlers = consumer.handlers.iter().map(|Handler { method, variant, payload, shared, .. }| {
        let Method { ident, cfgs, line, .. } = method;
        let (variant, ident) = (variant.to_string(), ident.unraw().to_string());
        let returns = match &method.output {
            Output::Named(output) if *shared => quote!(::core::option::Option::Some(::core::any::type_name::<#output>)),
            Output::Named(_) | Output::Inferred(_) => quote!(::core::option::Option::None),
        };
        quote! {
            #(#cfgs)*
            #private::HandlerInfo {
                event: #private::NameOf::<#payload>::NAME,
                variant: #variant,
                method: #ident,
                payload: ::core::any::type_name::<#payload>,
                fields: #private::NameOf::<#payload>::FIELDS,
                shared: #shared,
                uncompressed: #private::NameOf::<#payload>::UNCOMPRESSED,
                returns: #returns,
                line: #line,
                decodes: #private::NameOf::<#payload>::DECODES,
                defined: #private::NameOf::<#payload>::DEFINED,
            }
        }
    });
    let commands = consumer.commands.iter().map(|Command { method, name, variant, payload, .. }| {
        let answers = answers(method, private);
        let Method { ident, cfgs, line, .. } = method;
        let (variant, ident) = (variant.to_string(), ident.unraw().to_string());
        quote! {
            #(#cfgs)*
            #private::CommandInfo {
                name: #name,
                variant: #variant,
                method: #ident,
                payload: ::core::any::type_name::<#payload>,
                fields: #private::CommandOf::<#payload>::FIELDS,
                answers: #answers,
                line: #line,
                unsendable: #private::CommandOf::<#payload>::UNSENDABLE,
            }
        }
    });
    let (fallback, raw) = (method_name(&consumer.fallbacks), method_name(&consumer.raw));
    let self_ty = &consumer.self_ty;
    let groups = consumer.groups.iter().flatten();
    quote! {
        const INFO: #private::ConsumerInfo = {
            #[allow(unused_imports)]
            use #private::{NotACommand as _, NotAnEvent as _, Replies as _};
            #private::ConsumerInfo {
                name: #name,
                handlers: &[#(#handlers),*],
                fallback: #fallback,
                commands: &[#(#commands),*],
                raw: #raw,
                groups: &[#(#private::joined::<#self_ty, #groups>()),*],
                sends: &[#(#private::sent::<#sends>()),*],
                tag: #tag,
                answer: #private::AnswerFields { reference: #reference, ok: #ok, error: #error },
                mailbox: #private::MailboxPolicy::#mailbox,
                uncompressed: #uncompressed,
                complete: #complete,
            }
        };
    }
}

/// Output: `Some("unknown")`, or `None` if there is no method or a `#[cfg]` removes it.
fn method_name(methods: &[Raw]) -> TokenStream {
    let some = methods.iter().map(|Raw { method, .. }| {
        let name = method.ident.unraw().to_string();
        statement(&method.cfgs, &quote!(::core::option::Option::Some(#name)))
    });
    let none = otherwise(methods.iter().map(|raw| &raw.method))
        .map(|cfg| conditional(&cfg, &quote!(::core::option::Option::None)));
    let conditions = methods.iter().any(|raw| !raw.method.cfgs.is_empty());
    if conditions { quote!({ #(#some)* #none }) } else { quote!(#(#some)* #none) }
}
