//! The code that `#[group]` generates.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{ItemStruct, Type, parse_quote};

use super::model::{Group, Part};
use crate::tokens::{place, text};

/// Input: `#[group("chat_{room}", events(ChatMessage))] struct Room { room: String }`.
///
/// Output: `Group`, `Carries` for each event, and `JoinedBy` for every consumer that handles them all.
pub(super) fn emit(group: &Group, item: &ItemStruct) -> TokenStream {
    let Group { runtime, pattern, parts, events } = group;
    let private = runtime.private();
    let ident = &item.ident;

    let (mut format, mut fields, mut bounds) = (String::new(), Vec::new(), Vec::<syn::WherePredicate>::new());
    for part in parts {
        match part {
            Part::Literal(literal) => format.push_str(literal),
            Part::Field(name) => {
                let field = item.fields.iter().find(|field| field.ident.as_ref().is_some_and(|i| i.unraw() == name));
                // A missing field was reported.
                if let Some(field) = field {
                    let (mut name, ty) = (field.ident.clone().expect("the field was found by its name"), &field.ty);
                    name.set_span(place(name.span()));
                    format.push_str("{}");
                    fields.push(quote!(#private::part::<#ty>(&self.#name)));
                    if !item.generics.params.is_empty() {
                        bounds.push(parse_quote!(#ty: ::core::fmt::Display));
                    }
                }
            }
        }
    }
    let mut generics = item.generics.clone();
    if !generics.params.is_empty() {
        let predicates = &mut generics.make_where_clause().predicates;
        predicates.push(parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync));
        predicates.extend(bounds);
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();

    let mut listed: Vec<&Type> = Vec::new();
    for event in events {
        if !listed.iter().any(|other| text(other) == text(event)) {
            listed.push(event);
        }
    }
    let carries = listed.iter().map(|event| {
        quote! {
            #[automatically_derived]
            impl #impl_generics #private::Carries<#event> for #ident #type_generics #where_clause {}
        }
    });

    let mut joined = generics.clone();
    joined.params.push(parse_quote!(__C));
    let predicates = &mut joined.make_where_clause().predicates;
    predicates.push(parse_quote!(__C: #private::Joins<#ident #type_generics>));
    for event in &listed {
        let span = place(event.span());
        let bound = quote_spanned!(span=> #private::Handles<#event, #ident #type_generics>);
        predicates.push(parse_quote!(__C: #bound));
    }
    let (joined_generics, _, joined_where) = joined.split_for_impl();

    quote! {
        #item

        #[automatically_derived]
        impl #impl_generics #private::Group for #ident #type_generics #where_clause {
            type Itself = Self;
            const PATTERN: &'static str = #pattern;
            const EVENTS: &'static [#private::EventInfo] = &[#(#private::EventInfo::of::<#listed>()),*];

            fn name(&self) -> ::core::result::Result<#private::GroupName, #private::NameError> {
                #private::group_name(::core::format_args!(#format #(, #fields)*))
            }
        }

        #(#carries)*

        #[automatically_derived]
        impl #joined_generics #private::JoinedBy<__C> for #ident #type_generics #joined_where {}
    }
}
