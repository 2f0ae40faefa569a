//! The checks of a group. Every mistake is reported.

use syn::ext::IdentExt;
use syn::{Field, Fields, Ident, ItemStruct, LitStr};

use super::model::{Group, Part};
use crate::diagnostics::Diagnostics;
use crate::suggest::{did_you_mean, in_words};
use crate::tokens::text;
use crate::types::last_word;

/// The longest legal name, as in Django Channels.
const MAX_NAME_LENGTH: usize = 99;

pub(super) fn check(group: &Group, item: &ItemStruct, diagnostics: &mut Diagnostics) {
    let (pattern, ident) = (&group.pattern, &item.ident);
    if let Fields::Unnamed(fields) = &item.fields {
        let word = |part: &Part| match part {
            Part::Field(name) if syn::parse_str::<Ident>(name).is_ok() => Some(name.clone()),
            _ => None,
        };
        let name = group.parts.iter().find_map(word).unwrap_or_else(|| "id".to_owned());
        let fields_text = fields.unnamed.first().map_or_else(|| "String".to_owned(), |field| text(&field.ty));
        diagnostics.error(
            fields,
            format!("a group is a struct with named fields: `struct {ident} {{ {name}: {fields_text} }}`"),
        );
        return;
    }
    let fields: Vec<&Ident> = item.fields.iter().filter_map(|field| field.ident.as_ref()).collect();
    let names: Vec<String> = fields.iter().map(|field| field.unraw().to_string()).collect();
    let before = diagnostics.count();
    for part in &group.parts {
        match part {
            Part::Literal(literal) => check_literal(literal, ident, &names, pattern, diagnostics),
            Part::Field(name) if !names.contains(name) => diagnostics.error(pattern, no_field(name, ident, &names)),
            Part::Field(_) => {}
        }
    }
    // Only for a valid pattern: a wrong part may be meant as the field, and a pattern that was not parsed has no parts.
    if diagnostics.count() == before && !group.parts.is_empty() {
        let is_used = |name: &String| group.parts.iter().any(|part| matches!(part, Part::Field(used) if used == name));
        for (field, name) in fields.iter().zip(&names).filter(|(_, name)| !is_used(name)) {
            let pattern = pattern.token();
            diagnostics.error(
                field,
                format!(
                    "the name of group `{ident}` does not use the field `{name}`, so two groups that differ only in it \
                     would be the same group\nadd `{{{name}}}` to {pattern}, or remove the field"
                ),
            );
        }
    }
    check_separators(group, diagnostics);
    check_length(group, item, diagnostics);
    for (at, event) in group.events.iter().enumerate() {
        if group.events[..at].iter().any(|other| text(other) == text(event)) {
            diagnostics.error(event, format!("group `{ident}` lists the event `{}` twice", text(event)));
        }
    }
}

/// Reports fields without text between them: `{a}{b}` is `12` for 1 and 2, and for 12 and nothing.
fn check_separators(group: &Group, diagnostics: &mut Diagnostics) {
    for parts in group.parts.windows(2) {
        if let [Part::Field(left), Part::Field(right)] = parts {
            diagnostics.error(
                &group.pattern,
                format!(
                    "nothing separates the fields `{left}` and `{right}`, so different groups could have one name: write \
                     `{{{left}}}_{{{right}}}`"
                ),
            );
        }
    }
}

fn check_literal(literal: &str, group: &Ident, names: &[String], pattern: &LitStr, diagnostics: &mut Diagnostics) {
    let legal = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let Some(wrong) = literal.chars().find(|letter| !legal(letter)) else { return };
    let field = names.iter().find(|name| is_written_otherwise(literal, name));
    // `${room}` and `%s` mean a field. The first one is suggested.
    let field = field.or_else(|| names.first().filter(|_| matches!(wrong, '$' | '%')));
    let right = match field {
        Some(field) => format!("a field is written `{{{field}}}`"),
        None => format!("a name is made of `A-Z`, `a-z`, `0-9`, `-`, `_` and `.`{}", without_spaces(pattern)),
    };
    let wrong = if wrong == ' ' { "a space".to_owned() } else { format!("`{wrong}`") };
    let channel = if literal.contains('!') { " (`!` is reserved for names of channels)" } else { "" };
    diagnostics.error(pattern, format!("the name of group `{group}` contains {wrong}; {right}{channel}"));
}

/// Returns `; did you mean "room_{id}"?` for `room {id}`.
fn without_spaces(pattern: &LitStr) -> String {
    let near = pattern.value().trim().replace(' ', "_");
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '{' | '}');
    if near.chars().all(legal) { format!("; did you mean {near:?}?") } else { String::new() }
}

/// Returns the message for a `{name}` that is not a field.
fn no_field(name: &str, group: &Ident, names: &[String]) -> String {
    let has = in_words(names);
    match name.split_once(':') {
        _ if name.is_empty() || name.starts_with(':') => {
            format!("`{{{name}}}` does not name a field of group `{group}`: {has}")
        }
        Some((bare, spec)) => format!(
            "`{{{name}}}` asks for a format, but a name contains each field as its `Display` writes it: `{{{bare}}}` \
             without `:{spec}`"
        ),
        None => {
            let bare = name.trim().trim_start_matches("self.");
            let meant = did_you_mean(bare, names.iter().map(String::as_str));
            format!("group `{group}` has no field `{name}`: {has}{meant}")
        }
    }
}

fn check_length(group: &Group, item: &ItemStruct, diagnostics: &mut Diagnostics) {
    let lengths = group.parts.iter().map(|part| match part {
        Part::Literal(literal) => literal.len(),
        Part::Field(name) => shortest_worst_case(item, name),
    });
    let longest: usize = lengths.sum();
    if longest > MAX_NAME_LENGTH {
        let is_known = group.parts.iter().all(|part| matches!(part, Part::Literal(_)));
        let (ident, how) = (&item.ident, if is_known { "is" } else { "can be" });
        diagnostics.error(
            &group.pattern,
            format!(
                "the name of group `{ident}` {how} {longest} characters long; at most {MAX_NAME_LENGTH} are allowed"
            ),
        );
    }
}

/// Returns whether a field is written as in Django, `<room>`, or as in other frameworks, `:room` or `$room`.
fn is_written_otherwise(literal: &str, field: &str) -> bool {
    literal.contains(&format!("<{field}>"))
        || literal.contains(&format!(":{field}"))
        || literal.contains(&format!("${field}"))
}

/// Returns the greatest length of a field in the name.
///
/// The type is recognised by the last word of its path. An unknown type, such as an alias, counts as 0; then the
/// runtime checks the name.
fn shortest_worst_case(item: &ItemStruct, name: &str) -> usize {
    match field(item, name).and_then(|field| last_word(&field.ty)).as_deref() {
        Some("u8") => 3,
        Some("i8") => 4,
        Some("u16" | "bool") => 5,
        Some("i16") => 6,
        Some("u32") => 10,
        Some("i32") => 11,
        Some("u64" | "i64" | "usize" | "isize") => 20,
        Some("u128") => 39,
        Some("i128") => 40,
        _ => 0,
    }
}

/// Returns the field of this name.
pub(super) fn field<'a>(item: &'a ItemStruct, name: &str) -> Option<&'a Field> {
    item.fields.iter().find(|field| field.ident.as_ref().is_some_and(|ident| ident.unraw() == name))
}
