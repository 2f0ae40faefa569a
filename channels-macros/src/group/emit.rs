//! The code that `#[group]` generates.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Field, ItemStruct, Type, parse_quote};

use super::check::field;
use super::model::{Group, Part};
use super::{emit_by_name, emit_contract, emit_history};
use crate::tokens::{place, text};
use crate::types::last_word;

/// Input: `#[group("chat_{room}", events(ChatMessage))] struct Room { room: String }`.
///
/// Output: `Group`, `Carries` for each event, `JoinedBy` for every consumer that handles them all, and `ByName`. A group with a
/// history is `Recoverable`, and its consumers also take the positions of kept events; any other group is `Plain`.
pub(super) fn emit(group: &Group, item: &ItemStruct) -> TokenStream {
    let Group { runtime, pattern, parts, events, history } = group;
    let private = runtime.private();
    let ident = &item.ident;

    let bounds = parts.iter().filter_map(|part| match part {
        Part::Field(name) => field(item, name).map(|Field { ty, .. }| parse_quote!(#ty: ::core::fmt::Display)),
        Part::Literal(_) => None,
    });
    let bounds: Vec<syn::WherePredicate> = bounds.collect();
    let (name, shape) = (name(parts, item, &private), shape(parts, item));
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
            impl #impl_generics #private::Carries<#event> for #ident #type_generics #where_clause {
                type Carrier = Self;
            }
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
    if history.is_some() {
        predicates.extend(emit_history::joined(&listed, item, &private));
    }
    let (joined_generics, _, joined_where) = joined.split_for_impl();
    let joined = quote! {
        #[automatically_derived]
        impl #joined_generics #private::JoinedBy<__C> for #ident #type_generics #joined_where {}
    };
    let joined = match history {
        Some(history) => emit_history::checked(&joined, history, &listed, item, runtime),
        None => joined,
    };
    let constant = history.as_ref().map(|history| emit_history::constant(history, &private));
    let by_name = emit_by_name::by_name(group, item, &listed, &generics, &private);
    let described = emit_contract::described(group, item, &listed, &private);
    let retention = emit_history::retention(history.is_some(), &generics, ident, &private);

    quote! {
        #item

        #[automatically_derived]
        impl #impl_generics #private::Group for #ident #type_generics #where_clause {
            type Itself = Self;
            const PATTERN: &'static str = #pattern;
            const SHAPE: &'static str = #shape;
            const EVENTS: &'static [#private::EventInfo] = &[#(#private::EventInfo::of::<#listed>()),*];
            #constant

            fn name(&self) -> ::core::result::Result<#private::GroupName, #private::NameError> {
                #name
            }
        }

        #(#carries)*

        #retention

        #joined

        #by_name

        #described
    }
}

/// Output: `group_name(format_args!("chat_{}", part::<u64>(&self.room)))`, or `joined_group_name(..)` for several fields.
fn name(parts: &[Part], item: &ItemStruct, private: &TokenStream) -> TokenStream {
    // A missing field was reported.
    let fields = parts.iter().enumerate().filter_map(|(at, part)| match part {
        Part::Field(name) => field(item, name).map(|field| (at, name, field)),
        Part::Literal(_) => None,
    });
    let fields: Vec<(usize, &String, &Field)> = fields.collect();
    let value = |field: &Field| {
        let (mut name, ty) = (field.ident.clone().expect("the field was found by its name"), &field.ty);
        name.set_span(place(name.span()));
        quote!(#private::part::<#ty>(&self.#name))
    };
    let literal = |at: usize| match parts.get(at) {
        Some(Part::Literal(literal)) => literal.as_str(),
        _ => "",
    };
    if let [] | [_] = fields[..] {
        let format = parts.iter().map(|part| match part {
            Part::Literal(literal) => literal,
            Part::Field(name) => field(item, name).map_or("", |_| "{}"),
        });
        let format: String = format.collect();
        let fields = fields.iter().map(|(.., field)| value(field));
        return quote!(#private::group_name(::core::format_args!(#format #(, #fields)*)));
    }
    let prefix = literal(0);
    let rest = rest(parts, item);
    let fields = fields.iter().map(|(at, name, field)| {
        let (value, separator) = (value(field), literal(at + 1));
        quote!(#private::NameField { name: #name, value: #value, separator: #separator })
    });
    quote!(#private::joined_group_name(#prefix, &[#(#fields),*], #rest))
}

/// Returns the index of the field that may contain the text around it. Numbers do not contain separators, so it is the last field of
/// another type.
pub(super) fn rest(parts: &[Part], item: &ItemStruct) -> usize {
    let fields = parts.iter().filter_map(|part| match part {
        Part::Field(name) => field(item, name),
        Part::Literal(_) => None,
    });
    let fields: Vec<&Field> = fields.collect();
    fields.iter().rposition(|field| !is_number(field)).unwrap_or_default()
}

/// Returns the pattern with a character for each field; see `Group::SHAPE`.
fn shape(parts: &[Part], item: &ItemStruct) -> String {
    let of_field = |field: &Field| match last_word(&field.ty).as_deref() {
        _ if is_number(field) => "\u{2}",
        // `&str` has no last word.
        None | Some("String" | "str" | "Cow" | "Box" | "Arc" | "Rc" | "char") => "\u{1}",
        Some(_) => "\u{3}",
    };
    let parts = parts.iter().map(|part| match part {
        Part::Literal(literal) => literal,
        Part::Field(name) => field(item, name).map_or("", of_field),
    });
    parts.collect()
}

/// Returns whether a field is a number, by the last word of its type.
fn is_number(field: &Field) -> bool {
    const NUMBERS: [&str; 22] = [
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "NonZeroU8",
        "NonZeroU16",
        "NonZeroU32",
        "NonZeroU64",
        "NonZeroU128",
        "NonZeroUsize",
        "NonZeroI32",
        "NonZeroI64",
        "NonZero",
        "Wrapping",
    ];
    last_word(&field.ty).is_some_and(|word| NUMBERS.contains(&word.as_str()))
}
