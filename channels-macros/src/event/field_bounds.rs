//! Serde bounds for fields of unknown types, so that a type without serde is reported once, at the type.
//!
//! Known types are recognised by the last word of their path. If a type of the user's has such a name and no serde,
//! then the compiler still reports it, but several times.

use proc_macro2::{Ident, Span, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{
    Attribute, Field, Fields, GenericArgument, Generics, LitStr, PathArguments, Type, WherePredicate, parse_quote,
};

use super::serde_attributes::for_each_serde;
use crate::runtime_path::Runtime;
use crate::tokens::{place, scan, text};
use crate::types::{last_word, mentions};

/// Types that have serde if their arguments have it.
const KNOWN: [&str; 26] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
    "f64", "String", "Option", "Vec", "VecDeque", "Box", "HashMap", "HashSet", "BTreeMap", "BTreeSet", "Duration",
];

/// Arguments of `#[serde(..)]` that replace the serde bound of a field.
const OTHERWISE: [&str; 10] = [
    "with",
    "serialize_with",
    "deserialize_with",
    "getter",
    "flatten",
    "skip",
    "skip_serializing",
    "skip_deserializing",
    "borrow",
    "bound",
];

/// Input: `user: User`.
///
/// Output: `#[serde(bound(..), serialize_with = ..)] user: User`, so that the derived code requires only `User:
/// Travels` instead of serde in four places. The implementation of `Event` then requires serde. Returns the span for
/// that error: the type, if there is exactly one.
pub(super) fn defer_serde_bounds(runtime: &Runtime, event: &Ident, fields: &mut Fields) -> Option<Span> {
    let asked =
        |field: &&mut Field| !is_known(&field.ty) && !is_otherwise(&field.attrs) && !is_recursive(&field.ty, event);
    let mut places = Vec::new();
    for field in fields.iter_mut().filter(asked) {
        // A single word keeps its own span, so that the compiler reports an unknown type once instead of each time.
        let unknown = unknown(&field.ty);
        let word = match unknown {
            Type::Path(path) => path.path.get_ident(),
            _ => None,
        };
        let span = word.map_or_else(|| place(unknown.span()), Ident::span);
        let private = text(runtime.private());
        let ty = field.ty.to_token_stream();
        // A bound with a used lifetime is not checked immediately. The name is unlikely to be one of the user's.
        let bound = LitStr::new(&format!("for<'field> {ty}: {private}::Travels<'field>"), span);
        let write = LitStr::new(&format!("{private}::write_field"), span);
        field
            .attrs
            .push(parse_quote!(#[serde(bound(serialize = #bound, deserialize = #bound), serialize_with = #write)]));
        places.push(span);
    }
    if let [only] = places[..] { Some(only) } else { None }
}

fn is_otherwise(attributes: &[Attribute]) -> bool {
    let mut otherwise = false;
    for_each_serde(attributes, &mut |key, _| otherwise |= OTHERWISE.iter().any(|other| key == other));
    otherwise
}

/// Input: `struct Wrapped<T> { inner: T }`.
///
/// Output: `T: Whole`, so that an argument without serde is reported once, where the event is used with it. If serde
/// may require other bounds, the bounds are on `Self`.
pub(super) fn parameter_bounds(
    runtime: &Runtime,
    generics: &Generics,
    attributes: &[Attribute],
    fields: &Fields,
) -> Vec<WherePredicate> {
    let private = runtime.private();
    let parameters = || generics.type_params().map(|parameter| &parameter.ident);
    let is_plain = |field: &Field| !is_otherwise(&field.attrs) && !parameters().any(|name| is_path_of(&field.ty, name));
    // A lifetime was reported. Without the `'static` bound the compiler would report it again.
    let is_wrong = generics.lifetimes().next().is_some();
    if is_wrong || is_otherwise(attributes) || !fields.iter().all(is_plain) {
        return vec![parse_quote! {
            Self: #private::serde::Serialize + #private::serde::de::DeserializeOwned
                + ::core::marker::Send + ::core::marker::Sync + 'static
        }];
    }
    let is_held = |name: &Ident| {
        let is_phantom = |ty: &Type| last_word(ty).as_deref() == Some("PhantomData");
        fields.iter().any(|field| !is_phantom(&field.ty) && mentions(&field.ty, name))
    };
    let asked = |name: &Ident| match is_held(name) {
        true => parse_quote!(#name: #private::Whole),
        false => parse_quote!(#name: ::core::marker::Send + ::core::marker::Sync + 'static),
    };
    parameters().map(asked).collect()
}

/// Returns whether a type contains a path of the parameter, such as `T::Item`.
fn is_path_of(ty: &Type, parameter: &Ident) -> bool {
    scan(ty.to_token_stream(), &mut |token, next| {
        matches!(token, TokenTree::Ident(word) if word == parameter)
            && matches!(next, Some(TokenTree::Punct(colon)) if colon.as_char() == ':')
    })
}

/// Returns whether a bound on the field is impossible: it would be circular in an event that contains its own type, and
/// `$crate` cannot be written in a string.
fn is_recursive(ty: &Type, event: &Ident) -> bool {
    mentions(ty, event) || mentions(ty, "Self") || mentions(ty, "$crate")
}

/// Returns the first type that may lack serde: `Place` for `Option<Vec<Place>>`.
fn unknown(ty: &Type) -> &Type {
    let inner = match ty {
        Type::Path(path) => path.path.segments.last().and_then(|last| match &last.arguments {
            PathArguments::AngleBracketed(arguments) if KNOWN.iter().any(|known| last.ident == known) => {
                arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) if !is_known(ty) => Some(ty),
                    _ => None,
                })
            }
            _ => None,
        }),
        Type::Tuple(tuple) => tuple.elems.iter().find(|ty| !is_known(ty)),
        Type::Group(group) => Some(&*group.elem),
        Type::Paren(paren) => Some(&*paren.elem),
        _ => None,
    };
    inner.map_or(ty, unknown)
}

fn is_known(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            KNOWN.iter().any(|known| last.ident == known)
                && match &last.arguments {
                    PathArguments::None => true,
                    PathArguments::AngleBracketed(arguments) => arguments
                        .args
                        .iter()
                        .all(|argument| matches!(argument, GenericArgument::Type(ty) if is_known(ty))),
                    PathArguments::Parenthesized(_) => false,
                }
        }),
        Type::Tuple(tuple) => tuple.elems.iter().all(is_known),
        Type::Group(group) => is_known(&group.elem),
        Type::Paren(paren) => is_known(&paren.elem),
        _ => false,
    }
}
