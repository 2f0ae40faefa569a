use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Type, parse_quote};

use super::expand;
use super::owned::owned;
use crate::diagnostics::tests::{errors, formatted};
use crate::tokens::text;

#[test]
fn expansion_matches_snapshot() {
    let expansion = expand(
        quote!("chat.message"),
        quote! {
            /// A message of a user.
            #[derive(Debug, Clone)]
            pub struct ChatMessage {
                pub message: String,
            }
        },
    );
    expectorate::assert_contents("tests/expansion/event.rs", &formatted(expansion));
}

#[test]
fn expansion_with_drop_hints_matches_snapshot() {
    let expansion = expand(
        quote!("cursor.move", volatile, coalesce = "user_id", uncompressed),
        quote! {
            struct CursorMove {
                user_id: u64,
                x: f64,
            }
        },
    );
    expectorate::assert_contents("tests/expansion/event_that_may_be_lost.rs", &formatted(expansion));
}

#[test]
fn owned_replaces_references() {
    let cases: [(Type, &str); 4] = [
        (parse_quote!(&str), "::std::string::String"),
        (parse_quote!(Option<&'_ str>), "Option<::std::string::String>"),
        (parse_quote!(Vec<&[u8]>), "Vec<::std::vec::Vec<u8>>"),
        (parse_quote!(&User), "User"),
    ];
    for (borrowed, wanted) in cases {
        assert_eq!(text(owned(borrowed.to_token_stream())), wanted);
    }
}

#[test]
fn expansion_with_unknown_field_types_matches_snapshot() {
    let expansion = expand(
        quote!("chat.message"),
        quote! {
            pub struct ChatMessage {
                #[serde(rename = "from")]
                pub user: User,
                pub message: Option<String>,
                #[serde(with = "stamp")]
                pub at: Stamp,
                pub answers: Vec<ChatMessage>,
            }
        },
    );
    expectorate::assert_contents("tests/expansion/event_with_own_types.rs", &formatted(expansion));
}

#[test]
fn generic_event_requires_serde_of_parameters() {
    let asks = |item: TokenStream| {
        let expansion = text(expand(quote!("a.b"), item));
        let (_, after) = expansion.rsplit_once(" where ").expect("the event has a bound");
        after.split_once('{').expect("the bound is followed by a body").0.replace("::channels_runtime::__private::", "")
    };
    assert_eq!(asks(quote! { struct A<T> { inner: Vec<T> } }), "T: Whole");
    assert_eq!(asks(quote! { struct A<K: Ord, V> where V: Eq { inner: Map<K, V> } }), "V: Eq, K: Whole, V: Whole");
    let marked = asks(quote! { struct A<T> { id: u8, of: std::marker::PhantomData<T> } });
    assert_eq!(marked, "T: ::core::marker::Send + ::core::marker::Sync + 'static");
    for other in [
        quote! { struct A<I: Iterator> { item: I::Item } },
        quote! { struct A<T> { #[serde(with = "rows")] inner: T } },
        quote! { #[serde(bound = "T: Row")] struct A<T> { inner: T } },
    ] {
        assert!(asks(other.clone()).starts_with("Self: serde::Serialize + serde::de::DeserializeOwned"), "{other}");
    }
}

#[test]
fn derives_of_the_user_are_kept() {
    let both = expand(quote!("a.b"), quote! { #[derive(Serialize, serde::Deserialize)] struct A { a: u8 } });
    assert!(!both.to_string().contains("serde (crate ="), "{both}");
    let one = expand(quote!("a.b", crate = rt), quote! { #[derive(Serialize)] struct A { a: u8 } });
    let one = text(one);
    assert!(one.contains("#[derive(rt::__private::serde::Deserialize)]"), "{one}");
    assert!(one.contains("#[serde(crate = \"rt::__private::serde\")]"), "{one}");
}

#[test]
fn wrong_items_give_one_error_each() {
    let cases = [
        (
            quote!(
                enum Chat {
                    Message,
                }
            ),
            "an event is a struct with named fields",
        ),
        (
            quote!(
                struct Chat(String);
            ),
            "an event is a struct with named fields",
        ),
        (quote!(union Chat { a: u8 }), "an event is a struct with named fields"),
        (
            quote!(
                fn chat() {}
            ),
            "`#[event]` goes above a struct",
        ),
        (
            quote!(
                struct Chat<'a> {
                    a: &'a str,
                }
            ),
            "event `Chat` must own its data",
        ),
        (
            quote!(
                struct Chat {
                    a: Option<&str>,
                }
            ),
            "event `Chat` must own its data",
        ),
        (
            quote!(
                #[rt::event("other")]
                struct Chat {
                    a: u8,
                }
            ),
            "event `Chat` already has a name",
        ),
        (
            quote!(
                struct Chat {
                    r#type: u8,
                }
            ),
            "so an event cannot have a field of that name: call it `kind`",
        ),
        (
            quote!(
                struct Chat {
                    #[serde(rename = "type")]
                    kind: u8,
                }
            ),
            "no field can be called `type` there",
        ),
        (
            quote!(
                struct Chat {
                    #[serde(rename(serialize = "type"))]
                    kind: u8,
                }
            ),
            "no field can be called `type`",
        ),
        (
            quote!(
                struct Chat {
                    #[serde(alias = "type")]
                    kind: u8,
                }
            ),
            "no field can be called `type` there",
        ),
        (
            quote!(
                #[serde(rename_all = "camelCase")]
                struct Chat {
                    type_: u8,
                }
            ),
            "turns `type_` into `type`",
        ),
        (
            quote!(
                #[serde(tag = "type")]
                struct Chat {
                    a: u8,
                }
            ),
            "remove this `tag`",
        ),
        (
            quote!(
                struct Chat {
                    __asgi_channel__: u8,
                }
            ),
            "`__asgi_channel__` holds the recipients of a message on the wire, so an event cannot have a field of that name",
        ),
        (
            quote!(
                struct Chat {
                    #[serde(rename = "__asgi_channel__")]
                    to: u8,
                }
            ),
            "so no field can be called `__asgi_channel__` there: use another name",
        ),
        (
            quote!(
                #[serde(tag = "__asgi_channel__")]
                struct Chat {
                    a: u8,
                }
            ),
            "and the layer writes it: remove this `tag`",
        ),
        (
            quote!(
                #[serde(transparent)]
                struct Chat {
                    a: u8,
                }
            ),
            "event `Chat` is sent as a map of names to values, not as its only field: remove `transparent`",
        ),
        (
            quote!(
                struct Chat {
                    a: Option<&'static str>,
                }
            ),
            "event `Chat` must own its data",
        ),
    ];
    for (item, sentence) in cases {
        let errors = errors(expand(quote!("chat.message"), item.clone()));
        assert_eq!(errors.len(), 1, "{item}: {errors:?}");
        assert!(errors[0].contains(sentence), "{item}: {errors:?}");
    }
}

#[test]
fn field_not_serialised_as_type_is_accepted() {
    for item in [
        quote!(
            struct Chat {
                #[serde(rename = "kind")]
                r#type: u8,
            }
        ),
        quote!(
            struct Chat {
                #[serde(skip)]
                r#type: u8,
            }
        ),
        quote!(
            struct Chat {
                type_: u8,
            }
        ),
        quote!(
            struct Chat;
        ),
        quote!(
            struct Chat<T> {
                inner: T,
            }
        ),
        quote!(
            #[serde(rename_all = "camelCase")]
            struct Chat {
                type_name: u8,
            }
        ),
    ] {
        assert_eq!(errors(expand(quote!("chat.message"), item.clone())), Vec::<String>::new(), "{item}");
    }
}

#[test]
fn wrong_arguments_give_one_error_each() {
    let cases = [
        (quote!(), "an event has a name, in quotes: `#[event(\"chat.message\")]`"),
        (quote!(chat.message), "the name of an event goes in quotes: `#[event(\"chat.message\")]`"),
        (quote!(name = "a", volatile), "the name has no key: `#[event(\"a\", volatile)]`"),
        (quote!(volatile, "a"), "the name comes first: `#[event(\"a\", volatile)]`"),
        (quote!(volatile), "an event has a name, in quotes"),
        (quote!(MESSAGE), "is written out, in quotes, not as `MESSAGE`: `#[event(\"chat.message\")]`"),
        (quote!(concat!("a", ".b")), "in quotes, not as `concat!(\"a\", \".b\")`"),
        (quote!(b"a"), "an event has a name, in quotes"),
        (quote!("a" volatile), "a comma is missing before `volatile`"),
        (quote!("a.b", crat = rt), "`#[event]` has no argument `crat`; did you mean `crate`?"),
        (quote!("a.b", crate), "`crate` is the path of `channels_runtime`: `crate = rt`"),
        (quote!("a.b", "c.d"), "`\"c.d\"` is not an argument of `#[event]`"),
        (quote!("a-b"), "contains `-`"),
        (quote!("a.b", volatil), "did you mean `volatile`?\nthe arguments are `volatile`, `coalesce = \"field\"`"),
        (quote!("a.b", volatile = true), "`volatile` takes no value: `#[event(\"cursor.move\", volatile)]`"),
        (quote!("a.b", volatile, volatile), "`volatile` is given twice"),
        (
            quote!("a.b", uncompressed = true),
            "`uncompressed` takes no value: `#[event(\"invoice.paid\", uncompressed)]`",
        ),
        (quote!("a.b", uncompressed, uncompressed), "`uncompressed` is given twice"),
        (quote!("a.b", coalesce), "`coalesce` names one field"),
        (quote!("a.b", coalesce("a", "b")), "`coalesce` names one field"),
        (quote!("a.b", coalesce = a), "goes in quotes: `coalesce = \"a\"`"),
        (quote!("a.b", coalesce = "b"), "event `Chat` has no field `b`: its field is `a`"),
    ];
    for (arguments, sentence) in cases {
        let errors = errors(expand(
            arguments.clone(),
            quote!(
                struct Chat {
                    a: u8,
                }
            ),
        ));
        assert_eq!(errors.len(), 1, "{arguments}: {errors:?}");
        assert!(errors[0].contains(sentence), "{arguments}: {errors:?}");
    }
}
