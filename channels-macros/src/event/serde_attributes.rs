//! The arguments of `#[serde(..)]` attributes.

use proc_macro2::TokenStream;
use syn::{Attribute, Ident, LitStr, Meta};

use crate::arguments::{self, Argument, Value};

/// Calls `each` for every `key` and `key = "value"` in `#[serde(..)]`, including nested ones: `rename(serialize =
/// "..")`.
pub(super) fn for_each_serde(attributes: &[Attribute], each: &mut impl FnMut(&Ident, Option<&LitStr>)) {
    fn walk(list: TokenStream, each: &mut impl FnMut(&Ident, Option<&LitStr>)) {
        for piece in arguments::split(list) {
            // Serde reports other pieces.
            let Ok(Argument { name, value }) = syn::parse2::<Argument>(piece) else { continue };
            match value {
                Value::None => each(&name, None),
                Value::Equals(value) => each(&name, syn::parse2::<LitStr>(value).ok().as_ref()),
                Value::List(list) => walk(list, each),
            }
        }
    }
    for attribute in attributes {
        if let Meta::List(list) = &attribute.meta
            && list.path.is_ident("serde")
        {
            walk(list.tokens.clone(), each);
        }
    }
}
