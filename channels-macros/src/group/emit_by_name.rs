//! The code that finds a group by its name.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Field, Generics, ItemStruct, Type, parse_quote};

use super::check::field;
use super::emit::rest;
use super::model::{Group, Part};
use crate::tokens::place;

/// Input: `#[group("chat_{room}", events(ChatMessage))] struct Room { room: String }`.
///
/// Output: `impl<__N> ByName<__N> for Room where String: ReadPart<__N>, ChatMessage: ListedEvent<__N>`. The parameter defers the
/// bounds, so that a field without `FromStr` is only an error where the group must be found by its name.
pub(super) fn by_name(
    group: &Group,
    item: &ItemStruct,
    events: &[&Type],
    generics: &Generics,
    private: &TokenStream,
) -> TokenStream {
    let ident = &item.ident;
    let (_, type_generics, _) = item.generics.split_for_impl();
    let literal = |at: usize| match group.parts.get(at) {
        Some(Part::Literal(literal)) => literal.as_str(),
        _ => "",
    };
    // A missing field was reported.
    let fields: Vec<(usize, &String, &Field)> = group
        .parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| match part {
            Part::Field(name) => field(item, name).map(|field| (at, name, field)),
            Part::Literal(_) => None,
        })
        .collect();

    let mut by_name = generics.clone();
    by_name.params.push(parse_quote!(__N));
    let predicates = &mut by_name.make_where_clause().predicates;
    for (.., Field { ty, .. }) in &fields {
        predicates.push(parse_quote!(#ty: #private::ReadPart<__N>));
    }
    for event in events {
        predicates.push(parse_quote!(#event: #private::ListedEvent<__N>));
    }
    let (impl_generics, _, where_clause) = by_name.split_for_impl();

    let (prefix, rest) = (literal(0), rest(&group.parts, item));
    let separators = fields.iter().map(|(at, ..)| literal(at + 1));
    // A field may be in the pattern twice. The caller compares the name of the result with the given one.
    let is_first = |index: usize, name: &String| !fields[..index].iter().any(|(_, earlier, _)| *earlier == name);
    let read: Vec<TokenStream> = fields
        .iter()
        .enumerate()
        .filter(|(index, (_, name, _))| is_first(*index, name))
        .map(|(index, (_, name, Field { ident, ty, .. }))| {
            let mut ident = ident.clone().expect("the field was found by its name");
            ident.set_span(place(ident.span()));
            quote!(#ident: #private::read_part::<#ty, __N>(#name, parts[#index])?)
        })
        .collect();
    let from_name = if read.len() == item.fields.len() {
        let parts = if read.is_empty() { quote!(_) } else { quote!(parts) };
        quote! {
            let #parts = #private::name_parts(name, #prefix, [#(#separators),*], #rest)?;
            ::core::result::Result::Ok(Self { #(#read),* })
        }
    } else {
        // A field that is not in the pattern was reported.
        quote!(::core::result::Result::Err(#private::NameMismatch::Pattern))
    };
    quote! {
        #[automatically_derived]
        #[allow(private_bounds)]
        impl #impl_generics #private::ByName<__N> for #ident #type_generics #where_clause {
            fn from_name(name: &::core::primitive::str) -> ::core::result::Result<Self, #private::NameMismatch> {
                #from_name
            }

            fn with_event<__V: #private::EventVisitor>(
                name: &::core::primitive::str,
                visitor: __V,
            ) -> ::core::option::Option<__V::Output> {
                #(
                    if name == <#events as #private::ListedEvent<__N>>::TYPE {
                        return ::core::option::Option::Some(
                            <#events as #private::ListedEvent<__N>>::visit(visitor),
                        );
                    }
                )*
                ::core::option::Option::None
            }
        }
    }
}
