//! What `#[consumer]` writes down for a contract.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;
use syn::ext::IdentExt;

use super::call::{answers, condition, conditional, otherwise, statement};
use crate::consumer::model::{Answer, AnswerFields, Command, Consumer, Handler, Method, Output};
use crate::contract::type_facts;
use crate::tokens::docs;
use crate::types::{first_argument, ungrouped};

/// Output: `impl Described for ChatConsumer`, with the types of its commands and messages. A type without a schema is only reported
/// by a contract that lists the consumer.
pub(super) fn described(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, name, tag, docs: documentation, cfgs, others, answer_fields, .. } = consumer;
    let AnswerFields { reference, ok, error } = answer_fields;
    if !consumer.generics.params.is_empty() {
        return TokenStream::new();
    }
    let name = name.unraw().to_string();
    let commands = consumer.commands.iter().map(|command| command_facts(command, private));
    let sent = consumer.sends.iter().map(|ty| message_facts("sends", &[], ty, &quote!(true), private));
    let rendered = consumer.handlers.iter().filter(|handler| handler.shared).map(|handler| rendered(handler, private));
    let captures = consumer.connects.iter().map(|connect| {
        let (cfgs, names) = (&connect.method.cfgs, &connect.names);
        statement(cfgs, &quote!(&[#(#names),*]))
    });
    let no_captures =
        otherwise(consumer.connects.iter().map(|connect| &connect.method)).map(|cfg| conditional(&cfg, &quote!(&[])));
    let refuses = present(consumer.refusals.iter().map(|refusal| &refusal.method));
    let loses = present(consumer.losses.iter().map(|loss| &loss.method));
    let untyped = match &consumer.untyped {
        Some((call, method)) => quote!(::core::option::Option::Some((#call, #method))),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        #private::if_contract! {
            #(#cfgs)*
            #[automatically_derived]
            impl #private::Described for #self_ty {
                const FACTS: #private::facts::ConsumerFacts = {
                    #[allow(unused_imports)]
                    use #private::{NotDescribed as _, NotJson as _, Replies as _};
                    #private::facts::ConsumerFacts {
                        name: #name,
                        docs: #documentation,
                        tag: #tag,
                        answers: #private::facts::AnswerFields { reference: #reference, ok: #ok, error: #error },
                        captures: { #(#captures)* #no_captures },
                        commands: &[#(#commands),*],
                        messages: &[#(#sent,)* #(#rendered,)*],
                        others: #others,
                        untyped: #untyped,
                        refuses: !#refuses,
                        history_lost: #loses,
                    }
                };
            }
        }
    }
}

/// Returns whether one of the methods exists, as an expression.
fn present<'a>(methods: impl Iterator<Item = &'a Method>) -> TokenStream {
    let mut conditions = Vec::new();
    for method in methods {
        if method.cfgs.is_empty() {
            return quote!(true);
        }
        conditions.push(condition(method));
    }
    quote!(::core::cfg!(any(#(#conditions),*)))
}

fn command_facts(command: &Command, private: &TokenStream) -> TokenStream {
    let Command { method, name, payload, answer, .. } = command;
    let (cfgs, documentation, payload) = (&method.cfgs, docs(&method.carried), type_facts(payload, private));
    let (some, none) = (quote!(::core::option::Option::Some), quote!(::core::option::Option::None));
    let answers = answers(method, private);
    let answer = match answer {
        None => none,
        Some(Answer { reply, refusal }) => {
            let (ok, error) =
                (type_facts(reply, private), refusal.as_ref().map(|refusal| type_facts(refusal, private)));
            let error = error.map_or(none, |error| quote!(#some(#error)));
            quote!(#some(#private::facts::AnswerFacts { ok: #ok, error: #error }))
        }
    };
    quote! {
        #(#cfgs)*
        #private::facts::CommandFacts {
            name: #name,
            docs: #documentation,
            payload: #payload,
            answers: #answers,
            answer: #answer,
        }
    }
}

/// Returns the message of a handler without `self`.
fn rendered(handler: &Handler, private: &TokenStream) -> TokenStream {
    let Handler { method, .. } = handler;
    let place = method.ident.unraw().to_string();
    match &method.output {
        Output::Named(output) => {
            let is_json = quote!(#private::JsonOf::<#output>::IS_JSON);
            message_facts(&place, &method.cfgs, in_json(output).unwrap_or(output), &is_json, private)
        }
        Output::Inferred(_) => {
            let cfgs = &method.cfgs;
            quote! {
                #(#cfgs)*
                #private::facts::MessageFacts {
                    place: #place,
                    ty: #private::facts::TypeFacts { name: "type without a name", schema: ::core::option::Option::None },
                    is_json: false,
                }
            }
        }
    }
}

/// Returns the `T` of a `Json<T>`, which may be in an `Option` or a `Result`.
pub(super) fn in_json(output: &Type) -> Option<&Type> {
    let inner = first_argument(output, "Option").or_else(|| first_argument(output, "Result"));
    let json = inner.map_or_else(|| ungrouped(output), ungrouped);
    first_argument(json, "Json")
}

fn message_facts(
    place: &str,
    cfgs: &[syn::Attribute],
    ty: &Type,
    is_json: &TokenStream,
    private: &TokenStream,
) -> TokenStream {
    let facts = type_facts(ty, private);
    quote! {
        #(#cfgs)*
        #private::facts::MessageFacts { place: #place, ty: #facts, is_json: #is_json }
    }
}
