//! The code that `history(..)` adds to a group.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, Ident, ItemStruct, Type, WherePredicate, parse_quote};

use super::model::History;
use crate::runtime_path::Runtime;
use crate::tokens::place;
use crate::types::mentions;

/// Output: `const HISTORY: Option<History> = Some(History::checked(100, 600));`
pub(super) fn constant(history: &History, private: &TokenStream) -> TokenStream {
    let History { size, ttl_seconds, .. } = history;
    let (size, ttl) = (Literal::u16_unsuffixed(*size), Literal::u32_unsuffixed(*ttl_seconds));
    quote! {
        const HISTORY: ::core::option::Option<#private::History> =
            ::core::option::Option::Some(#private::History::checked(#size, #ttl));
    }
}

/// Output: `Plain` and `ReachesOthers` for any event, or `Recoverable` and `ReachesOthers` for volatile events.
pub(super) fn retention(recoverable: bool, generics: &Generics, ident: &Ident, private: &TokenStream) -> TokenStream {
    let mut others = generics.clone();
    let (name, retention) = if recoverable {
        (quote!(Recoverable), quote!(#private::Volatile))
    } else {
        others.params.push(parse_quote!(__R));
        (quote!(Plain), quote!(__R))
    };
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let (others, ..) = others.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #private::#name for #ident #type_generics #where_clause {
            type Joinable = Self;
        }

        #[automatically_derived]
        impl #others #private::ReachesOthers<#retention> for #ident #type_generics #where_clause {}
    }
}

/// Returns the conditions under which a consumer joins a group with a history.
///
/// Output: `<__C as Handles<ChatMessage, Room>>::Itself: HandlesAt<ChatMessage, Room, Kept>` for each event, and
/// `__C: HandlesHistoryLost`.
pub(super) fn joined(events: &[&Type], item: &ItemStruct, private: &TokenStream) -> Vec<WherePredicate> {
    let ident = &item.ident;
    let (_, type_generics, _) = item.generics.split_for_impl();
    let takes_position = events.iter().map(|event| {
        let span = place(event.span());
        // The bound is not checked if the first part fails, so that a missing handler is the only error.
        let handler = quote_spanned!(span=> <__C as #private::Handles<#event, #ident #type_generics>>::Itself);
        let retention = if is_generic(event, item) {
            quote_spanned!(span=> <#event as #private::Event>::Retention)
        } else {
            // The same, but not a second error for a type that is not an event.
            quote_spanned! {span=>
                <#private::IsVolatile<{ #private::NameOf::<#event>::VOLATILE }> as #private::Retained>::Retention
            }
        };
        parse_quote!(#handler: #private::HandlesAt<#event, #ident #type_generics, #retention>)
    });
    takes_position.chain([parse_quote!(__C: #private::HandlesHistoryLost)]).collect()
}

/// Input: `impl JoinedBy<__C> for Room where ..`.
///
/// Output: the same in a block that checks that an event is kept.
pub(super) fn checked(
    joined: &TokenStream,
    history: &History,
    events: &[&Type],
    item: &ItemStruct,
    runtime: &Runtime,
) -> TokenStream {
    let name = item.ident.to_string();
    // A constant cannot name the parameters of a group.
    let private = runtime.private();
    let check = (!events.iter().any(|event| is_generic(event, item))).then(|| {
        let private = runtime.private_at(history.at);
        quote_spanned! {history.at=>
            #private::check_history(
                #name,
                &[#((#private::NameOf::<#events>::NAME, #private::NameOf::<#events>::VOLATILE)),*],
            )
        }
    });
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #private::NotAnEvent as _;

            #joined

            #check
        };
    }
}

/// Returns whether the type of an event has a parameter of the group.
fn is_generic(event: &Type, item: &ItemStruct) -> bool {
    let is_mentioned = |parameter: &Ident| mentions(event, parameter);
    item.generics.type_params().any(|parameter| is_mentioned(&parameter.ident))
        || item.generics.const_params().any(|parameter| is_mentioned(&parameter.ident))
}
