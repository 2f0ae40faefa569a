//! The arguments of `#[group]` and the pattern of its name.

use proc_macro2::{Span, TokenStream};
use syn::{ItemStruct, LitStr, Type};

use super::history;
use super::model::{Group, Part};
use crate::arguments::{self, Argument, Named};
use crate::diagnostics::Diagnostics;
use crate::runtime_path::Runtime;
use crate::suggest::near;
use crate::tokens::text;
use crate::types::last_word;

const ARGUMENTS: [(&str, &str); 3] =
    [("events", "events(ChatMessage, ..)"), ("history", history::EXAMPLE), ("crate", "crate = path")];

pub(super) const SHAPE: &str = "a group has a name and events: `#[group(\"chat_{room}\", events(ChatMessage))]`";

pub(super) fn parse(arguments: TokenStream, item: &ItemStruct, diagnostics: &mut Diagnostics) -> Group {
    let mut pieces = arguments::pieces(arguments, diagnostics);
    let events = pieces.iter().map(text).find(|piece| piece.starts_with("events("));
    let example = format!("`#[group(\"chat_{{room}}\", {})]`", events.as_deref().unwrap_or("events(ChatMessage)"));
    let named = Named { attribute: "group", noun: "a group", shape: SHAPE, example: &example };
    let pattern = arguments::name(&mut pieces, &named, &ARGUMENTS, diagnostics);
    let (mut events, mut path, mut listed, mut history) = (Vec::new(), None, false, None);
    for piece in pieces {
        match syn::parse2::<Argument>(piece.clone()) {
            Ok(Argument { name, value }) if name == "events" => {
                listed = true;
                let before = diagnostics.count();
                let types = arguments::types(&value, &name, "ChatMessage, ChatJoin", diagnostics);
                if types.is_empty() && diagnostics.count() == before {
                    diagnostics.error(
                        name,
                        format!(
                            "group `{}` carries no event, so nothing can be sent to it: `events(ChatMessage)`",
                            item.ident
                        ),
                    );
                }
                events.extend(types);
            }
            Ok(Argument { name, value }) if name == "history" => {
                if history.is_some() {
                    diagnostics.error(&name, format!("a group has one history: `{}`", history::EXAMPLE));
                }
                history = Some(history::parse(&value, &name, diagnostics));
            }
            Ok(Argument { name, value }) if name == "crate" => {
                path = arguments::crate_path(&value, &name, diagnostics).or(path);
            }
            _ if pattern.is_some() && is_type(&piece) => {
                let event = text(&piece);
                diagnostics.error(&piece, format!("the events of a group go in parentheses: `events({event})`"));
                listed = true;
                events.extend(syn::parse2::<Type>(piece));
            }
            Ok(Argument { name, value }) if pattern.is_some() => {
                // A misspelt argument is reported and used.
                match near(&name.to_string(), ["events", "history"]) {
                    Some("events") => {
                        listed = true;
                        events.extend(arguments::types(&value, &name, "ChatMessage, ChatJoin", diagnostics));
                    }
                    Some(_) => history = Some(history::parse(&value, &name, &mut Diagnostics::default())),
                    None => {}
                }
                arguments::unknown("#[group]", &name, &ARGUMENTS, diagnostics);
            }
            Err(_) if pattern.is_some() => {
                diagnostics.error(&piece, format!("`{}` is not an argument of `#[group]`: {SHAPE}", text(&piece)));
            }
            _ => {}
        }
    }
    if let Some(pattern) = &pattern
        && !listed
    {
        let names = format!("`#[group({}, events(ChatMessage))]`", pattern.token());
        diagnostics.error(pattern, format!("group `{}` does not list the events that it carries: {names}", item.ident));
    }
    let parts = pattern.as_ref().map_or_else(Vec::new, |pattern| parse_pattern(pattern, diagnostics));
    let pattern = pattern.unwrap_or_else(|| LitStr::new("", Span::call_site()));
    Group { runtime: Runtime::new(path), pattern, parts, events, history }
}

/// Returns whether an argument is a type: `ChatMessage`, or a path to it.
fn is_type(piece: &TokenStream) -> bool {
    let word = syn::parse2::<Type>(piece.clone()).ok().as_ref().and_then(last_word);
    word.is_some_and(|word| word.starts_with(|first: char| first.is_ascii_uppercase()))
}

fn parse_pattern(pattern: &LitStr, diagnostics: &mut Diagnostics) -> Vec<Part> {
    let value = pattern.value();
    if value.is_empty() {
        diagnostics.error(pattern, "the name of a group cannot be empty; write it like `\"chat_{room}\"`");
    }
    let (mut parts, mut rest) = (Vec::new(), value.as_str());
    while !rest.is_empty() {
        let at = rest.find(['{', '}']).unwrap_or(rest.len());
        if at > 0 {
            parts.push(Part::Literal(rest[..at].to_owned()));
            rest = &rest[at..];
            continue;
        }
        if rest.starts_with("{{") || rest.starts_with('}') {
            let brace = &rest[..1];
            diagnostics.error(
                pattern,
                format!("the name of a group cannot contain `{brace}`; a field is written `{{field}}`"),
            );
            return Vec::new();
        }
        let Some(end) = rest.find('}') else {
            diagnostics.error(pattern, format!("`{rest}` has no `}}` at its end; a field is written `{{field}}`"));
            return Vec::new();
        };
        parts.push(Part::Field(rest[1..end].to_owned()));
        rest = &rest[end + 1..];
    }
    parts
}
