use quote::quote;

use super::expand;
use super::parse::SHAPE;
use crate::diagnostics::tests::{errors, formatted};
use crate::tokens::text;

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
fn name_of_several_fields_is_joined() {
    let expansion = expand(quote!("{a}-{n}_{b}.x", events(A)), quote! { struct G { a: String, n: u8, b: RoomId } });
    let expansion = text(expansion);
    assert!(expansion.contains("= \"\\u{1}-\\u{2}_\\u{3}.x\""), "{expansion}");
    assert!(expansion.contains("joined_group_name(\"\", &["), "{expansion}");
    assert!(expansion.contains("separator: \".x\"}], 2usize)"), "{expansion}");
    let numbers = text(expand(quote!("a_{n}_{m}", events(A)), quote! { struct G { n: u8, m: i64 } }));
    assert!(numbers.contains("separator: \"\"}], 0usize)"), "{numbers}");
    let error = errors(expand(quote!("a{n}{m}", events(A)), quote! { struct G { n: u8, m: i64 } }));
    assert_eq!(
        error,
        ["nothing separates the fields `n` and `m`, so different groups could have one name: write `{n}_{m}`"]
    );
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
        (quote!("room_{ id }", events(A)), "group `Room` has no field ` id `: its field is `id`; did you mean `id`?"),
        (quote!("room_{self.id}", events(A)), "group `Room` has no field `self.id`: its field is `id`; did you mean"),
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
