//! The role of a method, read from its helper attribute.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, LitByteStr, LitStr, Meta, Signature, Token};

use super::blocking;
use super::signature::payload_text;
use crate::arguments::{self, Value};
use crate::consumer::method_attribute::{self, HELPERS_IN_WORDS};
use crate::consumer::model::GapKind;
use crate::consumer::parse;
use crate::diagnostics::Diagnostics;
use crate::event_name::{self, Unquoted};
use crate::tokens::{function_name, text};

/// The role of a method.
pub(super) enum Role {
    Connect,
    /// `#[receive("name")]`, or `None` for `#[receive]`.
    Receive(Option<LitStr>),
    /// `#[receive(_)]`: frames that are not commands.
    Refuse,
    /// `#[handler("name")]`. `None` if the name could not be read, which was reported.
    Handler(Option<LitStr>),
    /// `#[handler(_)]`: events without a handler of their own.
    Fallback,
    Disconnect,
    Gap(GapKind),
    Loss,
    /// A wrong helper attribute, which was reported.
    Unknown,
}

/// The role of a method according to its attributes.
pub(super) struct ReadRole {
    pub(super) role: Role,
    helper: &'static str,
    /// Whether the attribute is misspelt or not the only one. Further errors may then be wrong and are not reported.
    pub(super) guessed: bool,
    /// Whether the method may block its thread.
    pub(super) blocking: bool,
}

/// Reads the helper attributes of a method, and reports mistakes in them.
///
/// The role is the first attribute without a spelling mistake. Returns it with the indices of all helper attributes.
pub(super) fn read_role(method: &parse::Method, diagnostics: &mut Diagnostics) -> (Option<ReadRole>, Vec<usize>) {
    let parse::Method { attributes, signature, .. } = method;
    let method = &signature.ident;
    let (mut found, mut blocking, mut helpers): (Option<ReadRole>, _, _) = (None, false, Vec::new());
    for (at, attribute) in attributes.iter().enumerate() {
        if let Some(helper) = hidden(attribute) {
            helpers.push(at);
            diagnostics.error(
                attribute.path(),
                format!(
                    "`cfg_attr` hides `#[{helper}]` from `#[consumer]`: write it without `cfg_attr`, and `#[cfg(..)]` above \
                     it if the method is conditional"
                ),
            );
            found.get_or_insert(ReadRole { role: assumed_role(helper), helper, guessed: true, blocking: false });
            continue;
        }
        let Some((helper, exact)) = method_attribute::exact_or_near(attribute) else { continue };
        helpers.push(at);
        if attribute.path().get_ident().is_none() {
            diagnostics.error(
                attribute.path(),
                format!("`#[consumer]` recognises this attribute only by its bare name: `#[{helper}]`, without a path"),
            );
        } else if !exact {
            let word = text(attribute.path());
            diagnostics.error(
                attribute.path(),
                format!("there is no attribute `{word}` here; did you mean `{helper}`?\nthe attributes are {HELPERS_IN_WORDS}"),
            );
        }
        let mut discarded = Diagnostics::default();
        let diagnostics = if exact { &mut *diagnostics } else { &mut discarded };
        let (value, word) = blocking::read(attribute, helper, diagnostics);
        blocking |= word.is_some_and(|word| blocking::check(&word, helper, signature, diagnostics));
        let role = parse_role(helper, attribute, &value, signature, diagnostics);
        match &mut found {
            Some(first) if exact && !first.guessed => {
                diagnostics.error(
                    attribute.path(),
                    if first.helper == helper {
                        format!("method `{method}` has two `#[{helper}]`; write one method for each")
                    } else {
                        let first = first.helper;
                        format!("method `{method}` cannot be `#[{first}]` and `#[{helper}]`; write one method for each")
                    },
                );
                first.guessed = true;
            }
            Some(_) if !exact => {}
            found => *found = Some(ReadRole { role, helper, guessed: !exact, blocking: false }),
        }
    }
    (found.map(|found| ReadRole { blocking, ..found }), helpers)
}

/// Returns the helper attribute in a `cfg_attr`, which is expanded after `#[consumer]`.
fn hidden(attribute: &Attribute) -> Option<&'static str> {
    let Meta::List(list) = &attribute.meta else { return None };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let attributes = arguments::split(list.tokens.clone()).into_iter().skip(1);
    // The compiler reports invalid attributes.
    let mut metas = attributes.filter_map(|meta| Attribute::parse_outer.parse2(quote!(#[#meta])).ok());
    metas.find_map(|attributes| attributes.first().and_then(method_attribute::exact))
}

/// Returns the role that is assumed for a method with a hidden attribute.
fn assumed_role(helper: &str) -> Role {
    match helper {
        "connect" => Role::Connect,
        "handler" => Role::Handler(None),
        "history_lost" => Role::Loss,
        _ => Role::Unknown,
    }
}

/// Reports helper attributes above a member that is not a method. Returns their indices.
pub(super) fn check_other(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Vec<usize> {
    let mut helpers = Vec::new();
    for (at, attribute) in attributes.iter().enumerate() {
        if let Some(helper) = method_attribute::exact(attribute) {
            diagnostics.error(attribute.path(), format!("`#[{helper}]` goes above a method"));
            helpers.push(at);
        }
    }
    helpers
}

/// Reports that an invalid member is left out. Returns its helper attributes.
pub(super) fn check_unread(member: &TokenStream, diagnostics: &mut Diagnostics) -> Vec<&'static str> {
    diagnostics.error(function_name(member), "`#[consumer]` cannot parse this method and leaves it out");
    method_attribute::split(member.clone()).0
}

/// Returns the role for a helper attribute. `value` is its argument besides `blocking`.
fn parse_role(
    helper: &str,
    attribute: &Attribute,
    value: &Value,
    signature: &Signature,
    diagnostics: &mut Diagnostics,
) -> Role {
    match helper {
        "connect" | "disconnect" | "layer_lost" | "layer_restored" | "history_lost" => {
            if !matches!(value, Value::None) {
                diagnostics.error(&attribute.meta, format!("`#[{helper}]` takes no arguments"));
            }
            match helper {
                "connect" => Role::Connect,
                "disconnect" => Role::Disconnect,
                "layer_lost" => Role::Gap(GapKind::Lost),
                "history_lost" => Role::Loss,
                _ => Role::Gap(GapKind::Restored),
            }
        }
        "receive" if matches!(value, Value::None) => Role::Receive(None),
        "receive" if is_underscore(value) => Role::Refuse,
        _ if is_underscore(value) => Role::Fallback,
        _ if check_meant_underscore(helper, value, diagnostics) => Role::Unknown,
        "receive" => read_name(helper, attribute, value, signature, diagnostics)
            .map_or(Role::Unknown, |name| Role::Receive(Some(name))),
        _ => Role::Handler(read_name(helper, attribute, value, signature, diagnostics)),
    }
}

/// Returns whether the argument is `_`.
fn is_underscore(value: &Value) -> bool {
    matches!(value, Value::List(list) if syn::parse2::<Token![_]>(list.clone()).is_ok())
}

/// Reports words that a user may write instead of `_`. Returns whether there was one.
fn check_meant_underscore(helper: &str, value: &Value, diagnostics: &mut Diagnostics) -> bool {
    const MEANT: [&str; 8] = ["\"_\"", "*", "\"*\"", "..", "else", "default", "other", "fallback"];
    let Value::List(list) = value else { return false };
    let meant = MEANT.contains(&text(list).as_str());
    if meant {
        let rest =
            if helper == "handler" { "events without a handler of their own" } else { "frames that are not commands" };
        diagnostics.error(list, format!("the method for all {rest} is marked with a bare `_`: `#[{helper}(_)]`"));
    }
    meant
}

/// Reads the argument `"name"`.
fn read_name(
    helper: &str,
    attribute: &Attribute,
    value: &Value,
    signature: &Signature,
    diagnostics: &mut Diagnostics,
) -> Option<LitStr> {
    if let Value::List(list) = value
        && let Ok(name) = syn::parse2(list.clone())
    {
        return Some(name);
    }
    let (noun, example, otherwise) = match helper {
        "receive" => ("a command", "send".to_owned(), "; every frame is received with `#[receive]`"),
        _ => ("an event", event_name::of_type(&payload_text(signature, "")), ""),
    };
    let (at, sentence) = match value {
        Value::None => {
            let sentence = format!("a handler names its event: `#[{helper}(\"{example}\")]`");
            (attribute.path().to_token_stream(), sentence)
        }
        Value::Equals(value) => {
            let name = syn::parse2(value.clone()).map_or(example, |name: LitStr| name.value());
            let sentence = format!("the name of {noun} goes in parentheses: `#[{helper}(\"{name}\")]`");
            (attribute.meta.to_token_stream(), sentence)
        }
        Value::List(list) if list.is_empty() => {
            let sentence = if helper == "receive" {
                format!(
                    "every frame is received with `#[receive]`, without `()`; a command with `#[receive(\"{example}\")]`"
                )
            } else {
                format!("the name of {noun} goes in the parentheses: `#[{helper}(\"{example}\")]`")
            };
            (attribute.meta.to_token_stream(), sentence)
        }
        Value::List(list) => (list.clone(), unread_name(helper, noun, example, otherwise, list)),
    };
    diagnostics.error(at, sentence);
    None
}

/// Returns the message for tokens in the place of a name in quotes.
fn unread_name(helper: &str, noun: &str, example: String, otherwise: &str, tokens: &TokenStream) -> String {
    let several = Parser::parse2(|input: ParseStream<'_>| Ok((input.parse()?, input.parse()?)), tokens.clone());
    if let Ok::<(LitStr, LitStr), _>((_, second)) = several {
        let what = if helper == "receive" { "command" } else { "event" };
        return format!("a method is for one {what}: write another method with `#[{helper}({})]`", second.token());
    }
    if let Ok(bytes) = syn::parse2::<LitByteStr>(tokens.clone()) {
        let name = String::from_utf8_lossy(&bytes.value()).into_owned();
        return format!("the name of {noun} is text, without `b`: `#[{helper}({name:?})]`");
    }
    let (written, name) = match event_name::unquoted(tokens) {
        Unquoted::Meant(name) => (format!("the name of {noun} goes in quotes"), name),
        Unquoted::Elsewhere(word) => {
            let written = format!("the name of {noun} is written out, in quotes, not as `{word}`");
            let name = event_name::legal(&word).filter(|_| helper == "handler" && is_type(&word));
            (written, name.unwrap_or(example))
        }
        Unquoted::Unknown => (format!("the name of {noun} goes in quotes"), example),
    };
    format!("{written}: `#[{helper}(\"{name}\")]`{otherwise}")
}

/// Returns whether a word is a type: `ChatMessage`, but not `MESSAGE` or `ChatMessage::TYPE`.
fn is_type(word: &str) -> bool {
    word.contains(|letter: char| letter.is_ascii_lowercase())
        && word.chars().all(|letter| letter.is_ascii_alphanumeric())
}
