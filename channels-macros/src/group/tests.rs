use proc_macro2::TokenStream;
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
fn expansion_with_history_matches_snapshot() {
    let expansion = expand(
        quote!("chat_{room}", events(ChatMessage, ChatTyping), history(size = 100, ttl = "10m")),
        quote! {
            struct Room {
                room: String,
            }
        },
    );
    expectorate::assert_contents("tests/expansion/group_with_history.rs", &formatted(expansion));
}

#[test]
fn history_of_generic_events_has_no_constants() {
    let expansion = text(expand(
        quote!("g_{id}", events(A, Of<T>), history(size = 1, ttl = "1s")),
        quote! { struct G<T> { id: T } },
    ));
    assert!(expansion.contains("NameOf::<A>::VOLATILE"), "{expansion}");
    assert!(
        expansion.contains("HandlesAt<Of<T>, G<T>, <Of<T> as::channels_runtime::__private::Event>::Retention>"),
        "{expansion}"
    );
    assert!(!expansion.contains("check_history"), "{expansion}");
}

#[test]
fn legal_histories_are_accepted() {
    for (history, checked) in [
        (quote!(history(size = 100, ttl = "10m")), "checked(100, 600)"),
        (quote!(history(ttl = "90s", size = 1)), "checked(1, 90)"),
        (quote!(history(size = 1_000, ttl = "24h",)), "checked(1000, 86400)"),
        (quote!(history(size = 0x10u16, ttl = "1440m")), "checked(16, 86400)"),
        (quote!(history(size = 2, ttl = "1s")), "checked(2, 1)"),
    ] {
        let expansion = expand(
            quote!("all", #history, events(A)),
            quote!(
                struct All;
            ),
        );
        assert_eq!(errors(expansion.clone()), [""; 0], "{history}");
        assert!(text(expansion).contains(checked), "{history}");
    }
}

#[test]
fn wrong_histories_give_one_error_each_and_are_used() {
    let size = "`size` is the most events that the history keeps, a number from 1 to 1000: `size = 100`";
    let ttl = "`ttl` is the time for which the history keeps events, in seconds, minutes or hours";
    let case = |history: TokenStream, sentence: &str| {
        let expansion = expand(
            quote!("all", events(A), #history),
            quote!(
                struct All;
            ),
        );
        let errors = errors(expansion.clone());
        assert_eq!(errors.len(), 1, "{history}: {errors:?}");
        assert!(errors[0].contains(sentence), "{history}: {errors:?}");
        assert!(text(expansion).contains("__private::Recoverable for All"), "{history}");
    };
    case(quote!(history), "`history` has a size and a time, in parentheses: `history(size = 100, ttl = \"10m\")`");
    case(quote!(history = 100), "`history` has a size and a time, in parentheses");
    case(quote!(history()), "`history` needs a size and a time: `history(size = 100, ttl = \"10m\")`");
    case(
        quote!(history(size = 7)),
        "`history` needs its `ttl`, the time for which it keeps events: `history(size = 7, ttl = \"10m\")`",
    );
    case(
        quote!(history(ttl = "2h")),
        "`history` needs its `size`, the most events that it keeps: `history(size = 100, ttl = \"2h\")`",
    );
    case(quote!(history(100, ttl = "2h")), "the values of `history` have names: `history(size = 100, ttl = \"10m\")`");
    case(quote!(history(size = 100 ttl = "2h")), "a comma is missing before `ttl`");
    case(quote!(history(size = 1, size = 2, ttl = "2h")), "`history` has one `size`");
    case(
        quote!(history(length = 100, ttl = "2h")),
        "`history` has no argument `length`\nthe arguments are `size = 100`, `ttl = \"10m\"`",
    );
    case(quote!(history(size = 100, tll = "2h")), "`history` has no argument `tll`; did you mean `ttl`?");
    case(quote!(history(size, ttl = "2h")), size);
    case(quote!(history(size = "100", ttl = "2h")), size);
    case(quote!(history(size = SIZE, ttl = "2h")), size);
    case(quote!(history(size = -1, ttl = "2h")), "`size` is from 1 to 1000 events, not -1");
    case(quote!(history(size = 0, ttl = "2h")), "`size` is from 1 to 1000 events, not 0: `size = 100`");
    case(quote!(history(size = 1001, ttl = "2h")), "`size` is from 1 to 1000 events, not 1001");
    case(
        quote!(history(size = 99999999999999999999999, ttl = "2h")),
        "`size` is from 1 to 1000 events, not 99999999999999999999999",
    );
    case(quote!(history(size = 100, ttl)), ttl);
    for (wrong, right) in
        [(quote!(600), "600s"), (quote!(10m), "10m"), (quote!(1d), "24h"), (quote!(Duration::from_secs(600)), "10m")]
    {
        case(quote!(history(size = 100, ttl = #wrong)), &format!("{ttl}, in quotes: `ttl = {right:?}`"));
    }
    for (wrong, right) in
        [("600", "600s"), ("10 min", "10m"), ("10M", "10m"), ("1d", "24h"), (" 5m", "5m"), ("010s", "10s")]
    {
        case(quote!(history(size = 100, ttl = #wrong)), &format!("{ttl}: `ttl = {right:?}`"));
    }
    for wrong in ["", "m", "1h30m", "1.5h", "-5m", "500ms", "forever", "10ü", "９s"] {
        case(quote!(history(size = 100, ttl = #wrong)), &format!("{ttl}: `ttl = \"90s\"`, `\"10m\"` or `\"2h\"`"));
    }
    for wrong in ["0s", "0h", "25h", "86401s", "1441m", "99999999999999999999999s", "7d", "7 days"] {
        let sentence = format!("`ttl` is from 1 second to 24 hours, not {wrong:?}: `\"1s\"` to `\"24h\"`");
        case(quote!(history(size = 100, ttl = #wrong)), &sentence);
    }
    case(quote!(histroy(size = 100, ttl = "10m")), "`#[group]` has no argument `histroy`; did you mean `history`?");
    case(
        quote!(history(size = 1, ttl = "1s"), history(size = 2, ttl = "2s")),
        "a group has one history: `history(size = 100, ttl = \"10m\")`",
    );
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
            "`#[group]` has no argument `event`; did you mean `events`?\nthe arguments are `events(ChatMessage, ..)`, `history(size = 100, ttl = \"10m\")`, `crate = path`",
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
