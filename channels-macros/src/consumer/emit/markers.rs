//! The marker traits: the events that a consumer handles, the groups that it joins and the messages that it sends.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Attribute;
use syn::spanned::Spanned;

use super::call::otherwise;
use crate::consumer::model::{Consumer, Handled, Handles};
use crate::tokens::{place, placed};

/// Input: `#[handler("chat.message")] fn chat_message(event: &ChatMessage) -> ..`.
///
/// Output: `impl<G: ?Sized> Handles<ChatMessage, G> for ChatConsumer`, for events from any source. If the handler takes the
/// position of the event, also `impl<G: ?Sized> HandlesAt<ChatMessage, G, Kept> for ChatConsumer {}`.
pub(super) fn handles(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, .. } = consumer;
    match &consumer.handles {
        Handles::Listed(payloads) => {
            let implementations = payloads.iter().map(|handled| {
                let Handled { cfgs: method_cfgs, payload, with_position } = handled;
                // If two handlers take the same type, the compiler reports a conflict at both types.
                let span = place(payload.span());
                let (private, self_ty) = (consumer.runtime.private_at(span), placed(quote!(#self_ty), span));
                let implementation = quote_spanned! {span=>
                    impl<__G: ?::core::marker::Sized> #private::Handles<#payload, __G> for #self_ty {
                        type Itself = Self;
                    }
                };
                let takes_position = with_position.then(|| {
                    let implementation = quote_spanned! {span=>
                        impl<__G: ?::core::marker::Sized> #private::HandlesAt<#payload, __G, #private::Kept> for #self_ty {}
                    };
                    quote! {
                        #(#cfgs)* #(#method_cfgs)*
                        #[automatically_derived]
                        #implementation
                    }
                });
                quote! {
                    #(#cfgs)* #(#method_cfgs)*
                    #[automatically_derived]
                    #implementation
                    #takes_position
                }
            });
            quote! {
                #(#implementations)*
                #(#cfgs)*
                #[automatically_derived]
                impl #private::HandlesListed for #self_ty {}
            }
        }
        Handles::Anything => {
            let parameters = &consumer.generics.params;
            let parameters = if parameters.empty_or_trailing() { quote!(#parameters) } else { quote!(#parameters,) };
            let where_clause = &consumer.generics.where_clause;
            quote! {
                #(#cfgs)*
                #[automatically_derived]
                impl<#parameters __E, __G: ?::core::marker::Sized> #private::Handles<__E, __G> for #self_ty #where_clause {
                    type Itself = Self;
                }

                #(#cfgs)*
                #[automatically_derived]
                impl<#parameters __E, __G: ?::core::marker::Sized> #private::HandlesAt<__E, __G, #private::Kept> for #self_ty
                    #where_clause {}
            }
        }
    }
}

/// Input: `#[consumer(groups(Room))]`.
///
/// Output: `impl Joins<Room> for ChatConsumer {}`; without a list, for every group.
pub(super) fn joins(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, generics, .. } = consumer;
    match &consumer.groups {
        Some(groups) => {
            let implementations = groups.iter().map(|group| {
                quote! {
                    #(#cfgs)*
                    #[automatically_derived]
                    impl #private::Joins<#group> for #self_ty {}
                }
            });
            quote! {
                #(#implementations)*
                #(#cfgs)*
                #[automatically_derived]
                impl #private::JoinsListed for #self_ty {}
            }
        }
        None => {
            let parameters = &generics.params;
            let parameters = if parameters.empty_or_trailing() { quote!(#parameters) } else { quote!(#parameters,) };
            let where_clause = &generics.where_clause;
            quote! {
                #(#cfgs)*
                #[automatically_derived]
                impl<#parameters __G: ?::core::marker::Sized> #private::Joins<__G> for #self_ty #where_clause {}
            }
        }
    }
}

/// Input: `#[consumer(sends(ChatLine))]`.
///
/// Output: `impl Sends<ChatLine> for ChatConsumer {}`.
pub(super) fn sends(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, sends, generics, .. } = consumer;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let implementations = sends.iter().map(|sent| {
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #impl_generics #private::Sends<#sent> for #self_ty #where_clause {}
        }
    });
    quote!(#(#implementations)*)
}

/// Output: `impl HandlesHistoryLost for ChatConsumer {}` if there is a `#[history_lost]`.
pub(super) fn handles_history_lost(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, losses, broken_loss, generics, .. } = consumer;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let one = |method_cfgs: &[Attribute]| {
        quote! {
            #(#cfgs)* #(#method_cfgs)*
            #[automatically_derived]
            impl #impl_generics #private::HandlesHistoryLost for #self_ty #where_clause {}
        }
    };
    if *broken_loss {
        return one(&[]);
    }
    losses.iter().map(|loss| one(&loss.method.cfgs)).collect()
}

/// Output: `impl OnlySends for NewsConsumer {}` if there is no `#[receive]`.
pub(super) fn only_sends(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, commands, raw, refusals, generics, .. } = consumer;
    let receives = commands.iter().map(|command| &command.method);
    let Some(cfg) = otherwise(receives.chain(raw.iter().chain(refusals).map(|raw| &raw.method))) else {
        return TokenStream::new();
    };
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #(#cfgs)* #cfg
        #[automatically_derived]
        impl #impl_generics #private::OnlySends for #self_ty #where_clause {}
    }
}

/// Output: `impl NeedsNoClient for ThumbnailConsumer {}` if nothing in the block sends to a client or receives from one.
pub(super) fn needs_no_client(consumer: &Consumer, private: &TokenStream) -> TokenStream {
    let Consumer { self_ty, cfgs, generics, .. } = consumer;
    let Some(cfg) = otherwise(consumer.methods_with_client()) else { return TokenStream::new() };
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #(#cfgs)* #cfg
        #[automatically_derived]
        impl #impl_generics #private::NeedsNoClient for #self_ty #where_clause {}
    }
}
