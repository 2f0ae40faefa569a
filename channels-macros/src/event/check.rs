//! The checks of an event. Every mistake is reported.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Field, Fields, Ident, Item, ItemStruct, LitStr, Type};

use super::model::{Event, SERDE};
use super::owned::owned;
use super::parse::Arguments;
use super::serde_attributes::for_each_serde;
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::source_file;
use crate::suggest::{did_you_mean, in_words};
use crate::tokens::text;
use crate::types::refers;

/// Checks an event and reports every mistake.
pub(super) fn check(arguments: Arguments, item: &Item, diagnostics: &mut Diagnostics) -> Event {
    let Arguments { name, runtime, volatile, coalesce, uncompressed } = arguments;
    if let Some(name) = &name
        && let Err(sentence) = event_name::check_event(&name.value())
    {
        diagnostics.error(name, sentence);
    }
    // Without a usable name the expansion continues with an empty one, which no other check reads.
    let name = name.unwrap_or_else(|| LitStr::new("", Span::call_site()));
    let second_names = match item {
        Item::Struct(item) => check_second_names(item, diagnostics),
        _ => Vec::new(),
    };
    check_item(item, diagnostics);
    let key = coalesce.and_then(|field| check_key(&field, item, diagnostics));
    let derived_above = derived_above(&name, diagnostics);
    Event { name, runtime, volatile, uncompressed, key, derived_above, second_names }
}

/// Reports further `#[event]` attributes, which would generate everything twice. Returns their indices.
fn check_second_names(item: &ItemStruct, diagnostics: &mut Diagnostics) -> Vec<usize> {
    let mut second_names = Vec::new();
    for (at, attribute) in item.attrs.iter().enumerate() {
        if attribute.path().segments.last().is_some_and(|last| last.ident == "event") {
            let ident = &item.ident;
            let sentence =
                format!("event `{ident}` already has a name; an event with another name needs a struct of its own");
            diagnostics.error(&attribute.meta, sentence);
            second_names.push(at);
        }
    }
    second_names
}

/// Returns the field that `coalesce` names.
fn check_key(key: &LitStr, item: &Item, diagnostics: &mut Diagnostics) -> Option<Ident> {
    // Other items were reported.
    let Item::Struct(item) = item else { return None };
    if let Fields::Unnamed(_) = item.fields {
        return None;
    }
    let (event, wanted) = (&item.ident, key.value());
    let fields: Vec<(&Ident, &Field)> =
        item.fields.iter().filter_map(|field| Some((field.ident.as_ref()?, field))).collect();
    let Some((ident, field)) = fields.iter().find(|(ident, _)| ident.unraw() == wanted) else {
        let names: Vec<String> = fields.iter().map(|(ident, _)| ident.unraw().to_string()).collect();
        let has = in_words(&names);
        let meant = did_you_mean(&wanted, names.iter().map(String::as_str));
        diagnostics.error(key, format!("event `{event}` has no field `{wanted}`: {has}{meant}"));
        return None;
    };
    let mut sent = true;
    for_each_serde(&field.attrs, &mut |key, _| {
        sent &= !["skip", "skip_serializing", "skip_deserializing"].iter().any(|skip| key == skip);
    });
    if !sent {
        diagnostics.error(
            key,
            format!(
                "the field `{wanted}` is not sent with event `{event}`, so it has the same value in every received event"
            ),
        );
        return None;
    }
    Some((*ident).clone())
}

/// Returns the derives of serde above `#[event]`. They are expanded before it and are not part of its input.
fn derived_above(name: &LitStr, diagnostics: &mut Diagnostics) -> Vec<String> {
    let Some(file) = source_file::of_the_call() else { return Vec::new() };
    let mut above = source_file::derived_above(file.before(Span::call_site()));
    above.retain(|derive| SERDE.iter().any(|known| derive == known));
    if !above.is_empty() {
        let derives = above.join(", ");
        diagnostics.error(
            name,
            format!(
                "`#[event]` does not see the `#[derive({derives})]` above it: move that below, or leave {} to `#[event]`",
                if above.len() == 1 { "it" } else { "both" }
            ),
        );
    }
    above
}

fn check_item(item: &Item, diagnostics: &mut Diagnostics) {
    const WANTED: &str = "an event is a struct with named fields, because it is sent as a map of names to values";
    match item {
        Item::Struct(item) => {
            if let Fields::Unnamed(fields) = &item.fields {
                diagnostics
                    .error(fields, format!("{WANTED}\nname the fields: `struct {} {{ message: String }}`", item.ident));
            }
            check_borrows(item, diagnostics);
            check_fields(&item.ident, &item.attrs, &item.fields, diagnostics);
        }
        Item::Enum(item) => diagnostics.error(
            &item.ident,
            format!(
                "{WANTED}\nwrite one struct for each variant of `{}`, each with its own `#[event(\"..\")]`",
                item.ident
            ),
        ),
        Item::Union(item) => diagnostics.error(&item.ident, WANTED),
        other => diagnostics.error(other, format!("`#[event]` goes above a struct; {WANTED}")),
    }
}

/// Returns the message for an event that borrows. `borrowed` is the type of the field, if the field is known.
fn must_own(event: &Ident, borrowed: Option<&Type>) -> String {
    let meant = borrowed.map(|borrowed| {
        let owned = text(owned(borrowed.to_token_stream()));
        (owned.replace("::std::string::", "").replace("::std::vec::", ""), text(borrowed))
    });
    // A remaining lifetime belongs to an unknown type.
    let meant = meant.filter(|(owned, _)| !owned.contains('\''));
    let (owned, borrowed) = meant.unwrap_or_else(|| ("String".to_owned(), "&str".to_owned()));
    format!("event `{event}` must own its data, because it outlives its sender: `{owned}`, not `{borrowed}`")
}

/// Reports the fields that borrow, or otherwise the lifetimes.
fn check_borrows(item: &ItemStruct, diagnostics: &mut Diagnostics) {
    let before = diagnostics.count();
    for field in item.fields.iter().filter(|field| refers(&field.ty)) {
        diagnostics.error(&field.ty, must_own(&item.ident, Some(&field.ty)));
    }
    if diagnostics.count() == before {
        for lifetime in item.generics.lifetimes() {
            diagnostics.error(lifetime, must_own(&item.ident, None));
        }
    }
}

/// Returns the purpose of a field that the layer writes into every message.
fn taken(name: &str) -> Option<&'static str> {
    match name {
        "type" => Some("`type` holds the name of the event on the wire"),
        "__asgi_channel__" => Some("`__asgi_channel__` holds the recipients of a message on the wire"),
        _ => None,
    }
}

/// Reports fields that are serialised under a name that the layer writes.
fn check_fields(event: &Ident, attributes: &[Attribute], fields: &Fields, diagnostics: &mut Diagnostics) {
    let mut camel_case = false;
    for_each_serde(attributes, &mut |key, value| match (key.to_string().as_str(), value) {
        ("tag", Some(tag)) => {
            if let Some(purpose) = taken(&tag.value()) {
                diagnostics.error(tag, format!("{purpose}, and the layer writes it: remove this `tag`"));
            }
        }
        ("transparent", None) => diagnostics.error(
            key,
            format!("event `{event}` is sent as a map of names to values, not as its only field: remove `transparent`"),
        ),
        ("rename_all" | "serialize" | "deserialize", Some(rule)) if rule.value() == "camelCase" => camel_case = true,
        _ => {}
    });
    for Field { attrs, ident, .. } in fields {
        let Some(ident) = ident else { continue };
        let name = ident.unraw().to_string();
        let (mut renamed, mut skipped) = (false, false);
        for_each_serde(attrs, &mut |key, value| match (key.to_string().as_str(), value) {
            ("rename" | "alias" | "serialize" | "deserialize", Some(to)) => {
                renamed |= key != "alias";
                if let Some(purpose) = taken(&to.value()) {
                    let to_name = to.value();
                    diagnostics
                        .error(to, format!("{purpose}, so no field can be called `{to_name}` there: use another name"));
                }
            }
            ("skip", None) => skipped = true,
            _ => {}
        });
        if renamed || skipped {
            continue;
        }
        if let Some(purpose) = taken(&name) {
            let other = if name == "type" { "call it `kind`" } else { "use another name" };
            diagnostics.error(ident, format!("{purpose}, so an event cannot have a field of that name: {other}"));
        } else if camel_case && is_type_in_camel_case(&name) {
            diagnostics.error(
                ident,
                format!(
                    "`type` holds the name of the event on the wire, and `rename_all = \"camelCase\"` turns `{name}` into \
                     `type`: call the field `kind`"
                ),
            );
        }
    }
}

// Serde raises every letter after a `_`, then lowers the first one.
fn is_type_in_camel_case(name: &str) -> bool {
    let mut letters = name.trim_matches('_').chars();
    !name.trim_matches('_').contains('_')
        && letters.next().is_some_and(|first| first.eq_ignore_ascii_case(&'t'))
        && letters.as_str() == "ype"
}
