//! What `#[event]` writes down for a contract.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Ident, ItemStruct, Path, Token, Type};

use super::model::Event;
use super::serde_attributes::for_each_serde;
use crate::arguments::{self, Argument, Value};
use crate::contract::schema_of;
use crate::runtime_path::Runtime;
use crate::tokens::{docs, text};
use crate::types::option_of;

/// Arguments of `#[serde(..)]` that do not change the fields on the wire, or that need the types of the user's fields.
const LEFT_OUT: [&str; 8] =
    ["bound", "borrow", "crate", "deserialize_with", "expecting", "remote", "serialize_with", "with"];

/// Arguments with which serde reads or writes a field in its own way.
const CUSTOM: [&str; 3] = ["deserialize_with", "serialize_with", "with"];

/// Arguments with which serde reads or writes the struct as another type.
const REPLACED: [&str; 3] = ["from", "into", "try_from"];

/// Input: `#[event("chat.message")] struct ChatMessage { message: String, place: Place }`, before the derives.
///
/// Output: `impl DescribedEvent for ChatMessage`, with the schema of a mirror of the struct. In the mirror, a type without a schema
/// counts as unknown, and only a contract that lists the event reports it.
pub(super) fn described(event: &Event, item: &ItemStruct) -> TokenStream {
    let private = event.runtime.private();
    let mut replaced = false;
    for_each_serde(&item.attrs, &mut |key, _| replaced |= REPLACED.iter().any(|known| key == known));
    if replaced || !item.generics.params.is_empty() {
        return TokenStream::new();
    }
    let (ident, name) = (&item.ident, &event.name);
    let (mut wrappers, mut fields, mut parts) = (TokenStream::new(), TokenStream::new(), Vec::new());
    for (at, field) in item.fields.iter().enumerate() {
        let Some(field_name) = &field.ident else { return TokenStream::new() };
        let mirrored = mirror(field, at, &event.runtime);
        let (attributes, ty) = (mirrored.attributes, mirrored.ty);
        wrappers.extend(mirrored.wrapper);
        fields.extend(quote!(#(#attributes)* #field_name: #ty,));
        let (shown, ty, schema) = (field_name.unraw().to_string(), text(&field.ty), mirrored.schema);
        let cfgs = field.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        if !mirrored.skipped {
            parts.push(quote! {
                #(#cfgs)*
                #private::facts::PartFacts {
                    field: #shown,
                    ty: #private::facts::TypeFacts { name: #ty, schema: #schema },
                }
            });
        }
    }
    let attributes = kept(&item.attrs);
    let (ty, documentation) = (ident.unraw().to_string(), docs(&item.attrs));
    let schemars = text(quote!(#private::schemars));
    quote! {
        #private::if_contract! {
            const _: () = {
                // The derive of schemars needs the prelude.
                #[allow(unused_imports)]
                use {#private::NotDescribed as _, ::std::prelude::rust_2021::*};

                #[allow(dead_code)]
                fn __skip<T: ?::core::marker::Sized>(_: &T) -> ::core::primitive::bool {
                    true
                }

                #wrappers

                #[allow(dead_code)]
                #[derive(::core::default::Default, #private::schemars::JsonSchema)]
                #[schemars(crate = #schemars)]
                #(#attributes)*
                struct __Mirror { #fields }

                #[automatically_derived]
                impl #private::DescribedEvent for #ident {
                    const FACTS: #private::facts::EventFacts = #private::facts::EventFacts {
                        name: #name,
                        ty: #ty,
                        docs: #documentation,
                        parts: &[#(#parts),*],
                        schema: ::core::option::Option::Some(
                            |generator| <__Mirror as #private::schemars::JsonSchema>::json_schema(generator)
                        ),
                    };
                }
            };
        }
    }
}

/// A field of the mirror.
struct Mirrored {
    attributes: Vec<TokenStream>,
    ty: TokenStream,
    /// The definition of the type that replaces the user's type in the mirror.
    wrapper: TokenStream,
    /// The schema of the user's type, as an expression.
    schema: TokenStream,
    /// Whether the field does not travel.
    skipped: bool,
}

fn mirror(field: &Field, at: usize, runtime: &Runtime) -> Mirrored {
    let private = runtime.private();
    let attributes = kept(&field.attrs);
    let (mut custom, mut skipped) = (false, false);
    for_each_serde(&field.attrs, &mut |key, _| {
        custom |= CUSTOM.iter().any(|known| key == known);
        skipped |= key == "skip";
    });
    if skipped {
        return Mirrored {
            attributes,
            ty: quote!(()),
            wrapper: TokenStream::new(),
            schema: quote!(::core::option::Option::None),
            skipped,
        };
    }
    let wrapper = format_ident!("__Field{at}");
    let given = with(&field.attrs);
    let (inner, optional) = option_of(&field.ty).map_or((&field.ty, false), |inner| (inner, true));
    let known = match &given {
        // The user says which type describes the field.
        Some(given) => schema_of(given, &private),
        None if custom => quote!(::core::option::Option::None),
        None => schema_of(inner, &private),
    };
    Mirrored {
        attributes,
        // serde accepts a missing field whose type is an `Option`. A field with a format of its own must be there.
        ty: if optional && !custom && given.is_none() {
            quote!(::core::option::Option<#wrapper>)
        } else {
            quote!(#wrapper)
        },
        wrapper: wrapped(&wrapper, &known, &private),
        schema: known,
        skipped,
    }
}

/// Returns the definition of a type with that schema.
fn wrapped(name: &Ident, schema: &TokenStream, private: &TokenStream) -> TokenStream {
    quote!(#private::field_schema!(#name, #schema);)
}

/// Returns the attributes that the mirror keeps: those of serde as far as they change the names and the presence of fields, those
/// of schemars, and the docs.
fn kept(attributes: &[Attribute]) -> Vec<TokenStream> {
    let mut kept = Vec::new();
    for attribute in attributes {
        let path = attribute.path();
        if path.is_ident("doc") || path.is_ident("cfg") {
            kept.push(attribute.to_token_stream());
        } else if (path.is_ident("serde") || path.is_ident("schemars"))
            && let Ok(list) = attribute.meta.require_list()
        {
            let arguments: Vec<TokenStream> =
                arguments::split(list.tokens.clone()).into_iter().filter_map(mirrored_argument).collect();
            if !arguments.is_empty() {
                kept.push(quote!(#[#path(#(#arguments),*)]));
            }
        }
    }
    kept
}

/// Returns the argument for the mirror. Functions of the user's take the user's types, so the mirror has its own.
fn mirrored_argument(argument: TokenStream) -> Option<TokenStream> {
    let Ok(Argument { name, value }) = syn::parse2::<Argument>(argument.clone()) else { return Some(argument) };
    if LEFT_OUT.iter().any(|known| name == known) {
        return None;
    }
    match value {
        Value::Equals(_) if name == "default" => Some(quote!(default)),
        Value::Equals(_) if name == "skip_serializing_if" => Some(quote!(skip_serializing_if = "__skip")),
        _ => Some(argument),
    }
}

/// Returns the type in `#[schemars(with = "..")]`.
fn with(attributes: &[Attribute]) -> Option<Type> {
    let lists = attributes.iter().filter(|attribute| attribute.path().is_ident("schemars"));
    let lists = lists.filter_map(|attribute| attribute.meta.require_list().ok());
    lists.flat_map(|list| arguments::split(list.tokens.clone())).find_map(|argument| {
        match syn::parse2::<Argument>(argument).ok()? {
            Argument { name, value: Value::Equals(value) } if name == "with" => {
                syn::parse2::<syn::LitStr>(value).ok()?.parse().ok()
            }
            _ => None,
        }
    })
}

/// Removes `#[schemars(..)]` from the struct, unless it derives `JsonSchema` itself.
pub(super) fn without_schemars(item: &mut ItemStruct) {
    let derives = item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let paths = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        paths.is_ok_and(|paths| {
            paths.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == "JsonSchema"))
        })
    });
    if derives {
        return;
    }
    item.attrs.retain(|attribute| !attribute.path().is_ident("schemars"));
    for field in &mut item.fields {
        field.attrs.retain(|attribute| !attribute.path().is_ident("schemars"));
    }
}
