//! What a method is for: its helper attribute, read and taken away.

use quote::ToTokens;
use syn::{Attribute, ImplItem, LitStr, Meta, Token};

use super::model::GapKind;
use super::{blocking, parse};
use crate::diagnostics::Diagnostics;
use crate::event_name::{self, Unquoted};
use crate::source::text;
use crate::suggest::near;

/// The attributes that `#[consumer]` understands on a method, and takes away.
const HELPERS: [&str; 6] = ["connect", "receive", "handler", "disconnect", "layer_lost", "layer_restored"];

pub(super) const HELPERS_IN_WORDS: &str = "`#[connect]`, `#[receive(\"name\")]`, `#[handler(\"event.name\")]`, `#[disconnect]`, \
                                `#[layer_lost]` and `#[layer_restored]`";

/// What a method is for.
pub(super) enum Role {
    Connect,
    /// `None` for every frame.
    Receive(Option<LitStr>),
    /// `#[receive(_)]`: for the frames that are no command.
    Refuse,
    /// `None` if the name could not be read, which was reported.
    Handler(Option<LitStr>),
    /// `#[handler(_)]`: for the events that no other handler is for.
    Fallback,
    Disconnect,
    Gap(GapKind),
    /// Something of these, and wrong.
    Unknown,
}

/// Takes the helper attributes away. The first of them is the role.
pub(super) fn take_role(method: &mut parse::Method, diagnostics: &mut Diagnostics) -> Option<Role> {
    let parse::Method { attributes, signature, blocking, .. } = method;
    let method = &signature.ident;
    let mut role: Option<(Role, String)> = None;
    attributes.retain_mut(|attribute| {
        let Some((helper, exact)) = helper(attribute) else { return true };
        if attribute.path().get_ident().is_none() {
            diagnostics.error(
                attribute.path(),
                format!("`#[consumer]` knows this attribute by its bare name: `#[{helper}]`, without a path"),
            );
        } else if !exact {
            let word = text(attribute.path());
            diagnostics.error(
                attribute.path(),
                format!("there is no attribute `{word}` here; did you mean `{helper}`?\nthe attributes are {HELPERS_IN_WORDS}"),
            );
        }
        let word = blocking::take(attribute, helper, diagnostics);
        *blocking |= word.is_some_and(|word| blocking::check(&word, helper, signature, diagnostics));
        let parsed = parse_role(helper, attribute, diagnostics);
        if let Some((_, first)) = &role {
            diagnostics.error(
                attribute.path(),
                if first == helper {
                    format!("method `{method}` has two `#[{helper}]`; write one method for each")
                } else {
                    format!("method `{method}` cannot be `#[{first}]` and `#[{helper}]`; write one method for each")
                },
            );
        } else {
            role = Some((parsed, helper.to_owned()));
        }
        false
    });
    role.map(|(role, _)| role)
}

pub(super) fn take_from_other(item: &mut ImplItem, diagnostics: &mut Diagnostics) {
    let attributes = match item {
        ImplItem::Const(item) => &mut item.attrs,
        ImplItem::Type(item) => &mut item.attrs,
        ImplItem::Macro(item) => &mut item.attrs,
        _ => return,
    };
    attributes.retain(|attribute| match helper(attribute) {
        Some((helper, true)) => {
            diagnostics.error(attribute.path(), format!("`#[{helper}]` stands above a method"));
            false
        }
        _ => true,
    });
}

/// The helper attribute that this is.
pub(super) fn exact_helper(attribute: &Attribute) -> Option<&'static str> {
    let word = &attribute.path().segments.last()?.ident;
    HELPERS.into_iter().find(|helper| word == helper)
}

/// The helper attribute that this is, or that it was meant to be.
fn helper(attribute: &Attribute) -> Option<(&'static str, bool)> {
    if let Some(helper) = exact_helper(attribute) {
        return Some((helper, true));
    }
    let word = attribute.path().get_ident()?.to_string();
    // `#[event(..)]` exists, but it makes events, and of structs.
    if word == "event" {
        return Some(("handler", false));
    }
    near(&word, HELPERS).map(|helper| (helper, false))
}

fn parse_role(helper: &str, attribute: &Attribute, diagnostics: &mut Diagnostics) -> Role {
    match helper {
        "connect" | "disconnect" | "layer_lost" | "layer_restored" => {
            if !matches!(attribute.meta, Meta::Path(_)) {
                diagnostics.error(&attribute.meta, format!("`#[{helper}]` takes no arguments"));
            }
            match helper {
                "connect" => Role::Connect,
                "disconnect" => Role::Disconnect,
                "layer_lost" => Role::Gap(GapKind::Lost),
                _ => Role::Gap(GapKind::Restored),
            }
        }
        "receive" if matches!(attribute.meta, Meta::Path(_)) => Role::Receive(None),
        "receive" if is_underscore(attribute) => Role::Refuse,
        _ if is_underscore(attribute) => Role::Fallback,
        _ if check_meant_underscore(helper, attribute, diagnostics) => Role::Unknown,
        "receive" => read_name(helper, attribute, diagnostics).map_or(Role::Unknown, |name| Role::Receive(Some(name))),
        _ => Role::Handler(read_name(helper, attribute, diagnostics)),
    }
}

/// `(_)`: whatever no other method is for.
fn is_underscore(attribute: &Attribute) -> bool {
    attribute.parse_args::<Token![_]>().is_ok()
}

/// What others write for `(_)`.
fn check_meant_underscore(helper: &str, attribute: &Attribute, diagnostics: &mut Diagnostics) -> bool {
    const MEANT: [&str; 8] = ["\"_\"", "*", "\"*\"", "..", "else", "default", "other", "fallback"];
    let Meta::List(list) = &attribute.meta else { return false };
    let meant = MEANT.contains(&text(&list.tokens).as_str());
    if meant {
        let rest =
            if helper == "handler" { "events that no other handler is for" } else { "frames that are no command" };
        diagnostics
            .error(&list.tokens, format!("the method for all {rest} is marked with a bare `_`: `#[{helper}(_)]`"));
    }
    meant
}

/// `("name")`.
fn read_name(helper: &str, attribute: &Attribute, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    if let Ok(name) = attribute.parse_args::<LitStr>() {
        return Some(name);
    }
    let (noun, example, otherwise) = match helper {
        "receive" => ("a command", "send", "; every frame is received with `#[receive]`"),
        _ => ("an event", "chat.message", ""),
    };
    let unquoted = match &attribute.meta {
        Meta::List(list) => event_name::unquoted(&list.tokens),
        Meta::NameValue(pair) => syn::parse2::<LitStr>(pair.value.to_token_stream())
            .map_or(Unquoted::Unknown, |name| Unquoted::Meant(name.value())),
        Meta::Path(_) => Unquoted::Unknown,
    };
    let written = match (&attribute.meta, &unquoted) {
        (Meta::Path(_), _) => "a handler names its event".to_owned(),
        (_, Unquoted::Elsewhere(word)) => {
            format!("the name of {noun} is written out, in quotes, and not as `{word}`")
        }
        _ => format!("the name of {noun} stands in quotes"),
    };
    let name = match unquoted {
        Unquoted::Meant(name) => name,
        Unquoted::Elsewhere(word) if helper == "handler" && is_type(&word) => {
            event_name::legal(&word).unwrap_or_else(|| example.into())
        }
        Unquoted::Elsewhere(_) | Unquoted::Unknown => example.into(),
    };
    let sentence = format!("{written}: `#[{helper}(\"{name}\")]`{otherwise}");
    match &attribute.meta {
        Meta::List(list) if !list.tokens.is_empty() => diagnostics.error(&list.tokens, sentence),
        meta => diagnostics.error(meta, sentence),
    }
    None
}

/// `ChatMessage`, and neither `MESSAGE` nor `ChatMessage::TYPE`.
fn is_type(word: &str) -> bool {
    word.contains(|letter: char| letter.is_ascii_lowercase())
        && word.chars().all(|letter| letter.is_ascii_alphanumeric())
}
