//! The arguments of the attributes: split at their commas, so that one that is wrong hides no other.

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token, Type};

use crate::diagnostics::Diagnostics;
use crate::source::text;
use crate::suggest::did_you_mean;

/// `name`, `name = value` or `name(values)`.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    None,
    Equals(TokenStream),
    List(TokenStream),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        let value = if input.is_empty() {
            Value::None
        } else if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Equals(input.parse()?)
        } else {
            let list;
            syn::parenthesized!(list in input);
            Value::List(list.parse()?)
        };
        Ok(Self { name, value })
    }
}

/// The arguments one by one, without the commas.
pub(crate) fn split(arguments: TokenStream) -> Vec<TokenStream> {
    let mut pieces = vec![TokenStream::new()];
    for token in arguments {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => pieces.push(TokenStream::new()),
            token => pieces.last_mut().expect("there is always one").extend([token]),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// `crate = path`, where the path may stand in quotes.
pub(crate) fn crate_path(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<Path> {
    const SHAPE: &str = "`crate` names where `channels_runtime` is: `crate = rt`";
    let Value::Equals(value) = value else {
        diagnostics.error(name, SHAPE);
        return None;
    };
    let unquoted = |input: ParseStream<'_>| match input.peek(LitStr) {
        true => input.parse::<LitStr>()?.parse_with(Path::parse_mod_style),
        false => input.call(Path::parse_mod_style),
    };
    unquoted.parse2(value.clone()).map_err(|_| diagnostics.error(value, SHAPE)).ok()
}

/// `events(A, B)`: types behind commas. `example` is what could stand there.
pub(crate) fn types(value: &Value, name: &Ident, example: &str, diagnostics: &mut Diagnostics) -> Vec<Type> {
    let parser = Punctuated::<Type, Token![,]>::parse_terminated;
    let Value::List(list) = value else {
        // What is listed in brackets is listed all the same.
        let meant = match value {
            Value::Equals(value) => syn::parse2::<Group>(value.clone()).map(|group| group.stream()),
            Value::None | Value::List(_) => Ok(TokenStream::new()),
        };
        let meant = meant.and_then(|list| parser.parse2(list)).unwrap_or_default();
        let example = if meant.is_empty() { example.to_owned() } else { text(&meant) };
        diagnostics.error(name, format!("`{name}` lists types in parentheses: `{name}({example})`"));
        return meant.into_iter().collect();
    };
    match parser.parse2(list.clone()) {
        Ok(types) => types.into_iter().collect(),
        Err(_) => {
            diagnostics.error(
                list,
                format!("`{name}({})` is no list of types; write it like `{name}({example})`", text(list)),
            );
            Vec::new()
        }
    }
}

/// `tag = "command"`.
pub(crate) fn string(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    let shape = || format!("`{name}` takes a string: `{name} = \"command\"`");
    match value {
        Value::Equals(value) => {
            syn::parse2::<LitStr>(value.clone()).map_err(|_| diagnostics.error(value, shape())).ok()
        }
        Value::None | Value::List(_) => {
            diagnostics.error(name, shape());
            None
        }
    }
}

/// The sentence for an argument that does not exist.
pub(crate) fn unknown(attribute: &str, name: &Ident, legal: &[(&str, &str)], diagnostics: &mut Diagnostics) {
    let shapes: Vec<String> = legal.iter().map(|(_, shape)| format!("`{shape}`")).collect();
    diagnostics.error(
        name,
        format!(
            "`{attribute}` has no argument `{name}`{}\nthe arguments are {}",
            did_you_mean(&name.to_string(), legal.iter().map(|(name, _)| *name)),
            shapes.join(", ")
        ),
    );
}
