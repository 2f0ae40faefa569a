//! The arguments of `#[serde(..)]` attributes.

use proc_macro2::TokenStream;
use syn::{Attribute, Ident, LitStr, Meta};

use crate::arguments::{self, Argument, Value};

/// Every `key` or `key = "value"` of `#[serde(..)]`, those of `rename(serialize = "..")` too.
pub(super) fn for_each_serde(attributes: &[Attribute], each: &mut impl FnMut(&Ident, Option<&LitStr>)) {
    fn walk(list: TokenStream, each: &mut impl FnMut(&Ident, Option<&LitStr>)) {
        for piece in arguments::split(list) {
            // What is no such piece is serde's to complain about.
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
