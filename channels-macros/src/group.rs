//! `#[group("chat_{room}", events(ChatMessage))]`: a group's name and the events that it carries.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Fields, Ident, ItemStruct, LitStr, Type, parse_quote};

use crate::arguments::{self, Argument, Named};
use crate::diagnostics::Diagnostics;
use crate::runtime_path::Runtime;
use crate::suggest::{did_you_mean, in_words, near};
use crate::tokens::{place, text};
use crate::types::last_word;

/// The longest legal name, as in Django Channels.
const MAX_NAME_LENGTH: usize = 99;

const ARGUMENTS: [(&str, &str); 2] = [("events", "events(ChatMessage, ..)"), ("crate", "crate = path")];

const SHAPE: &str = "a group has a name and events: `#[group(\"chat_{room}\", events(ChatMessage))]`";

/// A part of a pattern: `chat_` or `{room}`.
enum Part {
    Literal(String),
    Field(String),
}

/// The parsed arguments of `#[group]`.
struct Group {
    runtime: Runtime,
    pattern: LitStr,
    parts: Vec<Part>,
    events: Vec<Type>,
}

/// Expands `#[group]` on a struct.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expansion = match syn::parse2::<ItemStruct>(item.clone()) {
        Ok(parsed) => {
            let group = parse(arguments, &parsed, &mut diagnostics);
            check(&group, &parsed, &mut diagnostics);
            emit(&group, &parsed)
        }
        Err(_) => {
            diagnostics.error(
                syn::parse2::<syn::Item>(item.clone()).map_or_else(|_| item.clone(), head),
                "`#[group]` goes above a struct, whose fields make the name: `struct Room { id: u64 }`",
            );
            item
        }
    };
    quote!(#diagnostics #expansion)
}

fn head(item: syn::Item) -> TokenStream {
    match item {
        syn::Item::Enum(item) => item.ident.into_token_stream(),
        syn::Item::Impl(item) => item.self_ty.into_token_stream(),
        syn::Item::Fn(item) => item.sig.ident.into_token_stream(),
        other => other.into_token_stream(),
    }
}

fn parse(arguments: TokenStream, item: &ItemStruct, diagnostics: &mut Diagnostics) -> Group {
    let mut pieces = arguments::pieces(arguments, diagnostics);
    let events = pieces.iter().map(text).find(|piece| piece.starts_with("events("));
    let example = format!("`#[group(\"chat_{{room}}\", {})]`", events.as_deref().unwrap_or("events(ChatMessage)"));
    let named = Named { attribute: "group", noun: "a group", shape: SHAPE, example: &example };
    let pattern = arguments::name(&mut pieces, &named, &ARGUMENTS, diagnostics);
    let (mut events, mut path, mut listed) = (Vec::new(), None, false);
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
                // A misspelt `events` is reported and used.
                if near(&name.to_string(), ["events"]).is_some() {
                    listed = true;
                    events.extend(arguments::types(&value, &name, "ChatMessage, ChatJoin", diagnostics));
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
    Group { runtime: Runtime::new(path), pattern, parts, events }
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

fn check(group: &Group, item: &ItemStruct, diagnostics: &mut Diagnostics) {
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
    // A wrong pattern may mean the field, and a pattern that was not parsed uses no field.
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
    check_length(group, item, diagnostics);
    for (at, event) in group.events.iter().enumerate() {
        if group.events[..at].iter().any(|other| text(other) == text(event)) {
            diagnostics.error(event, format!("group `{ident}` lists the event `{}` twice", text(event)));
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
    let field = item.fields.iter().find(|field| field.ident.as_ref().is_some_and(|ident| ident.unraw() == name));
    match field.and_then(|field| last_word(&field.ty)).as_deref() {
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

/// Input: `#[group("chat_{room}", events(ChatMessage))] struct Room { room: String }`.
///
/// Output: `Group`, `Carries` for each event, and `JoinedBy` for every consumer that handles them all.
fn emit(group: &Group, item: &ItemStruct) -> TokenStream {
    let Group { runtime, pattern, parts, events } = group;
    let private = runtime.private();
    let ident = &item.ident;

    let (mut format, mut fields, mut bounds) = (String::new(), Vec::new(), Vec::<syn::WherePredicate>::new());
    for part in parts {
        match part {
            Part::Literal(literal) => format.push_str(literal),
            Part::Field(name) => {
                let field = item.fields.iter().find(|field| field.ident.as_ref().is_some_and(|i| i.unraw() == name));
                // A missing field was reported.
                if let Some(field) = field {
                    let (mut name, ty) = (field.ident.clone().expect("the field was found by its name"), &field.ty);
                    name.set_span(place(name.span()));
                    format.push_str("{}");
                    fields.push(quote!(#private::part::<#ty>(&self.#name)));
                    if !item.generics.params.is_empty() {
                        bounds.push(parse_quote!(#ty: ::core::fmt::Display));
                    }
                }
            }
        }
    }
    let mut generics = item.generics.clone();
    if !generics.params.is_empty() {
        let predicates = &mut generics.make_where_clause().predicates;
        predicates.push(parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync));
        predicates.extend(bounds);
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();

    let mut listed: Vec<&Type> = Vec::new();
    for event in events {
        if !listed.iter().any(|other| text(other) == text(event)) {
            listed.push(event);
        }
    }
    let carries = listed.iter().map(|event| {
        quote! {
            #[automatically_derived]
            impl #impl_generics #private::Carries<#event> for #ident #type_generics #where_clause {}
        }
    });

    let mut joined = generics.clone();
    joined.params.push(parse_quote!(__C));
    let predicates = &mut joined.make_where_clause().predicates;
    predicates.push(parse_quote!(__C: #private::Joins<#ident #type_generics>));
    for event in &listed {
        let span = place(event.span());
        let bound = quote_spanned!(span=> #private::Handles<#event, #ident #type_generics>);
        predicates.push(parse_quote!(__C: #bound));
    }
    let (joined_generics, _, joined_where) = joined.split_for_impl();

    quote! {
        #item

        #[automatically_derived]
        impl #impl_generics #private::Group for #ident #type_generics #where_clause {
            type Itself = Self;
            const PATTERN: &'static str = #pattern;
            const EVENTS: &'static [#private::EventInfo] = &[#(#private::EventInfo::of::<#listed>()),*];

            fn name(&self) -> ::core::result::Result<#private::GroupName, #private::NameError> {
                #private::group_name(::core::format_args!(#format #(, #fields)*))
            }
        }

        #(#carries)*

        #[automatically_derived]
        impl #joined_generics #private::JoinedBy<__C> for #ident #type_generics #joined_where {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::tests::{errors, formatted};

    #[test]
    fn expansion_matches_snapshot() {
        let expansion = expand(
            quote!("chat_{room}", events(ChatMessage, events::ChatJoin)),
            quote! {
                /// The people of one room.
                pub struct Room {
                    pub room: String,
                }
            },
        );
        expectorate::assert_contents("tests/expansion/group.rs", &formatted(expansion));
    }

    #[test]
    fn generic_group_with_borrowed_fields_is_accepted() {
        let expansion = expand(quote!("g.{r#in}", events(A)), quote! { struct G<'a, T> { r#in: &'a T } });
        assert_eq!(errors(expansion), ["group `G` has no field `r#in`: its field is `in`"]);
        let expansion = expand(quote!("g.{in}", events(A), crate = "rt"), quote! { struct G<'a, T> { r#in: &'a T } });
        let expansion = text(expansion);
        assert!(expansion.contains("impl<'a, T> rt::__private::Group for G<'a, T> where"), "{expansion}");
        assert!(expansion.contains("part::<&'a T>(&self.r#in)"), "{expansion}");
        assert!(expansion.contains("impl<'a, T, __C> rt::__private::JoinedBy<__C> for G<'a, T>"), "{expansion}");
    }

    #[test]
    fn wrong_arguments_give_one_error_each() {
        let long = "g".repeat(100);
        let nearly = format!("{}_{{id}}", "g".repeat(79));
        let cases = [
            (quote!(), SHAPE),
            (quote!(events(A)), SHAPE),
            (quote!(room, events(A)), "the name of a group goes in quotes: `#[group(\"room\", events(A))]`"),
            (quote!(ROOM, events(A)), "the name of a group is written out, in quotes, not as `ROOM`: `#[group("),
            (quote!(events(A), "room_{id}"), "the name comes first: `#[group(\"room_{id}\", events(A))]`"),
            (quote!(name = "room_{id}", events(A)), "the name has no key: `#[group(\"room_{id}\", events(A))]`"),
            (quote!("room_{id}" events(A)), "a comma is missing before `events`"),
            (
                quote!("room_{id}"),
                "group `Room` does not list the events that it carries: `#[group(\"room_{id}\", events(ChatMessage))]`",
            ),
            (quote!("room_{id}", events()), "group `Room` carries no event, so nothing can be sent to it"),
            (quote!("room_{id}", events), "`events` lists types in parentheses: `events(ChatMessage, ChatJoin)`"),
            (quote!("room_{id}", events = [A, b::B]), "`events` lists types in parentheses: `events(A, b::B)`"),
            (quote!("room_{id}", a::A), "the events of a group go in parentheses: `events(a::A)`"),
            (quote!("room_{id}", events("chat.message")), "`events(\"chat.message\")` is not a list of types"),
            (
                quote!("room_{id}", events(A), event(B)),
                "`#[group]` has no argument `event`; did you mean `events`?\nthe arguments are `events(ChatMessage, ..)`, `crate = path`",
            ),
            (quote!("room_{id}", events(A, B, A)), "group `Room` lists the event `A` twice"),
            (quote!("room_{ids}", events(A)), "group `Room` has no field `ids`: its field is `id`; did you mean `id`?"),
            (quote!("room_{id:03}", events(A)), "`{id:03}` asks for a format"),
            (quote!("room", events(A)), "the name of group `Room` does not use the field `id`"),
            (
                quote!("room_{ id }", events(A)),
                "group `Room` has no field ` id `: its field is `id`; did you mean `id`?",
            ),
            (
                quote!("room_{self.id}", events(A)),
                "group `Room` has no field `self.id`: its field is `id`; did you mean",
            ),
            (quote!("room {id}", events(A)), "`-`, `_` and `.`; did you mean \"room_{id}\"?"),
            (quote!("room_<id>", events(A)), "contains `<`; a field is written `{id}`"),
            (quote!("room:id", events(A)), "contains `:`; a field is written `{id}`"),
            (quote!("room_%s", events(A)), "contains `%`; a field is written `{id}`"),
            (quote!("room_${id}", events(A)), "contains `$`; a field is written `{id}`"),
            (
                quote!("room!{id}", events(A)),
                "contains `!`; a name is made of `A-Z`, `a-z`, `0-9`, `-`, `_` and `.` (`!` is reserved for names of channels)",
            ),
            (quote!("room_{id", events(A)), "`{id` has no `}` at its end"),
            (quote!("room_{{id}}", events(A)), "the name of a group cannot contain `{`"),
            (quote!("", events(A)), "the name of a group cannot be empty"),
            (quote!(#nearly, events(A)), "the name of group `Room` can be 100 characters long; at most 99 are allowed"),
        ];
        for (arguments, sentence) in cases {
            let errors = errors(expand(
                arguments.clone(),
                quote!(
                    struct Room {
                        id: u64,
                    }
                ),
            ));
            assert_eq!(errors.len(), 1, "{arguments}: {errors:?}");
            assert!(errors[0].contains(sentence), "{arguments}: {errors:?}");
        }
        let errors = errors(expand(
            quote!(#long, events(A)),
            quote!(
                struct Room;
            ),
        ));
        assert_eq!(errors, ["the name of group `Room` is 100 characters long; at most 99 are allowed"]);
    }

    #[test]
    fn empty_placeholder_is_an_error() {
        let errors = errors(expand(
            quote!("room_{}", events(A)),
            quote!(
                struct Room;
            ),
        ));
        assert_eq!(errors, ["`{}` does not name a field of group `Room`: it has none"]);
    }

    #[test]
    fn item_without_named_fields_is_an_error() {
        let tuple = errors(expand(
            quote!("room_{id}", events(A)),
            quote!(
                struct Room(u64);
            ),
        ));
        assert_eq!(tuple, ["a group is a struct with named fields: `struct Room { id: u64 }`"]);
        let choice = errors(expand(
            quote!("room_{id}", events(A)),
            quote!(
                enum Room {
                    A,
                }
            ),
        ));
        assert_eq!(choice, ["`#[group]` goes above a struct, whose fields make the name: `struct Room { id: u64 }`"]);
    }
}
