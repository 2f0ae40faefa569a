//! The arguments of the attributes. They are split at their commas first, so that one wrong argument does not hide
//! another.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token, Type, TypeReference};

use crate::diagnostics::Diagnostics;
use crate::event_name::{self, Unquoted};
use crate::suggest::did_you_mean;
use crate::tokens::text;

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

/// Returns the arguments one by one, without the commas.
pub(crate) fn split(arguments: TokenStream) -> Vec<TokenStream> {
    let mut pieces = vec![TokenStream::new()];
    for token in arguments {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => pieces.push(TokenStream::new()),
            token => pieces.last_mut().expect("the list starts with one piece").extend([token]),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Returns the arguments one by one, without the commas. Reports missing commas.
pub(crate) fn pieces(arguments: TokenStream, diagnostics: &mut Diagnostics) -> Vec<TokenStream> {
    let mut pieces = Vec::new();
    for piece in split(arguments) {
        let mut rest = TokenStream::new();
        let mut is_complete = false;
        for token in piece {
            // No argument has a word after a string or after brackets.
            if let TokenTree::Ident(word) = &token
                && is_complete
            {
                diagnostics.error(word, format!("a comma is missing before `{word}`"));
                pieces.push(std::mem::take(&mut rest));
            }
            is_complete = matches!(token, TokenTree::Literal(_) | TokenTree::Group(_));
            rest.extend([token]);
        }
        pieces.push(rest);
    }
    pieces
}

/// Removes the name, a string, from the front of the arguments and returns it.
pub(crate) fn name(
    pieces: &mut Vec<TokenStream>,
    named: &Named<'_>,
    known: &[(&str, &str)],
    diagnostics: &mut Diagnostics,
) -> Option<LitStr> {
    let Named { attribute, noun, shape, example } = named;
    let string = |piece: &TokenStream| syn::parse2::<LitStr>(piece.clone()).ok();
    if pieces.is_empty() {
        diagnostics.error_at(Span::call_site(), shape);
        return None;
    }
    if let Some(at) = pieces.iter().position(|piece| string(piece).is_some()) {
        let name = string(&pieces.remove(at));
        if at > 0 {
            diagnostics.error(&name, format!("the name comes first: {}", written(attribute, &name, pieces)));
        }
        return name;
    }
    let first = pieces[0].clone();
    let argument = syn::parse2::<Argument>(first.clone()).ok();
    if argument.as_ref().is_some_and(|argument| known.iter().any(|(known, _)| argument.name == known)) {
        diagnostics.error(first, shape);
        return None;
    }
    pieces.remove(0);
    if let Some(Argument { name, value: Value::Equals(value) }) = &argument
        && let Some(value) = string(value)
    {
        diagnostics.error(name, format!("the name has no key: {}", written(attribute, &value, pieces)));
        return Some(value);
    }
    let sentence = match event_name::unquoted(&first) {
        Unquoted::Meant(name) => {
            let name = LitStr::new(&name, Span::call_site());
            format!("the name of {noun} goes in quotes: {}", written(attribute, &name, pieces))
        }
        Unquoted::Elsewhere(word) => {
            format!("the name of {noun} is written out, in quotes, not as `{word}`: {example}")
        }
        Unquoted::Unknown => (*shape).to_owned(),
    };
    diagnostics.error(first, sentence);
    None
}

/// Returns the whole attribute for the user to copy: `#[event("chat.message", volatile)]`.
fn written(attribute: &str, name: &impl ToTokens, others: &[TokenStream]) -> String {
    format!("`#[{attribute}({})]`", text(quote!(#name #(, #others)*)))
}

/// Words for messages about an item whose name is a string: an event or a group.
pub(crate) struct Named<'a> {
    /// The attribute: `event`.
    pub(crate) attribute: &'a str,
    /// The item with its article: `an event`.
    pub(crate) noun: &'a str,
    /// The message if nothing more specific is known.
    pub(crate) shape: &'a str,
    /// The whole attribute for the user to copy.
    pub(crate) example: &'a str,
}

/// Parses the value of `crate = path`. The path may be in quotes.
pub(crate) fn crate_path(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<Path> {
    const SHAPE: &str = "`crate` is the path of `channels_runtime`: `crate = rt`";
    let Value::Equals(value) = value else {
        diagnostics.error(name, SHAPE);
        return None;
    };
    path(value).map_err(|_| diagnostics.error(value, SHAPE)).ok()
}

/// Parses a path, which may be in quotes.
pub(crate) fn path(value: &TokenStream) -> syn::Result<Path> {
    let unquoted = |input: ParseStream<'_>| match input.peek(LitStr) {
        true => input.parse::<LitStr>()?.parse_with(Path::parse_mod_style),
        false => input.call(Path::parse_mod_style),
    };
    unquoted.parse2(value.clone())
}

/// Parses `events(A, B)`. `example` is a valid list for messages.
pub(crate) fn types(value: &Value, name: &Ident, example: &str, diagnostics: &mut Diagnostics) -> Vec<Type> {
    let parser = Punctuated::<Type, Token![,]>::parse_terminated;
    let Value::List(list) = value else {
        // A list in the wrong brackets is reported and used.
        let meant = match value {
            Value::Equals(value) => syn::parse2::<Group>(value.clone()).map(|group| group.stream()),
            Value::None | Value::List(_) => Ok(TokenStream::new()),
        };
        let meant = meant.and_then(|list| parser.parse2(list)).unwrap_or_default();
        let example = if meant.is_empty() { example.to_owned() } else { text(&meant) };
        diagnostics.error(name, format!("`{name}` lists types in parentheses: `{name}({example})`"));
        return meant.into_iter().collect();
    };
    let mut plain = |(ty, comma): (Type, bool)| {
        if !comma {
            diagnostics.error(&ty, format!("a comma is missing before `{}`", text(&ty)));
        }
        let Type::Reference(TypeReference { elem, .. }) = ty else { return ty };
        diagnostics.error(&elem, format!("`{name}` lists types without `&`: `{name}({})`", text(&elem)));
        *elem
    };
    match spaced.parse2(list.clone()) {
        Ok(types) => types.into_iter().map(&mut plain).collect(),
        Err(_) => {
            diagnostics.error(
                list,
                format!("`{name}({})` is not a list of types; write it like `{name}({example})`", text(list)),
            );
            Vec::new()
        }
    }
}

/// Parses types. Each has a flag for a comma before it.
fn spaced(input: ParseStream<'_>) -> syn::Result<Vec<(Type, bool)>> {
    let (mut types, mut comma) = (Vec::new(), true);
    while !input.is_empty() {
        types.push((input.parse()?, comma));
        comma = input.parse::<Option<Token![,]>>()?.is_some();
    }
    Ok(types)
}

/// Returns each type of a list once. Reports duplicates.
pub(crate) fn distinct(
    types: impl IntoIterator<Item = Type>,
    list: &Ident,
    diagnostics: &mut Diagnostics,
) -> Vec<Type> {
    let mut distinct: Vec<Type> = Vec::new();
    for ty in types {
        if distinct.iter().any(|other| text(other) == text(&ty)) {
            diagnostics.error(&ty, format!("`{list}` lists `{}` twice", text(&ty)));
        } else {
            distinct.push(ty);
        }
    }
    distinct
}

/// Parses the value of `tag = "command"`.
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

/// Reports an argument that does not exist.
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
