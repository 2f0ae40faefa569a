//! Mistakes in the block as a whole.

use proc_macro2::TokenStream;
use quote::quote;

use super::support::block_errors;
use crate::consumer::expand;
use crate::diagnostics::tests::errors;
use crate::tokens::text;

#[test]
fn wrong_items_give_one_error_each() {
    let cases = [
        (
            quote!(
                struct Chat;
            ),
            "`#[consumer]` goes above an `impl` block, not above the struct: `#[consumer] impl Chat { .. }`",
        ),
        (
            quote!(
                enum Chat {}
            ),
            "`#[consumer]` goes above an `impl` block, not above the enum",
        ),
        (
            quote!(
                trait Chat {}
            ),
            "`#[consumer]` goes above an `impl` block, not above a trait",
        ),
        (
            quote!(
                fn chat() {}
            ),
            "`#[consumer]` goes above an `impl` block, not above a function",
        ),
        (quote!(impl Clone for Chat { #[connect] fn a() {} }), "not above that of a trait: `impl Chat { .. }`"),
        (quote!(impl Chat {}), "consumer `Chat` has no marked method"),
        (quote!(impl Chat { fn helper() {} }), "consumer `Chat` has no marked method"),
        (
            quote!(
                impl<T> Chat<T> {
                    #[connect]
                    fn a(cx: &mut Context<Self>) -> Self {}
                }
            ),
            "consumer `Chat` cannot be generic",
        ),
    ];
    for (block, sentence) in cases {
        let errors = block_errors(&block);
        assert_eq!(errors.len(), 1, "{block}: {errors:?}");
        assert!(errors[0].contains(sentence), "{block}: {errors:?}");
    }
}

#[test]
fn duplicates_with_cfg_are_accepted() {
    let block = quote!(impl Chat {
        #[cfg(unix)] #[handler("a.b")] fn one(event: &A) -> String {}
        #[cfg(not(unix))] #[handler("a.b")] fn two(event: &A) -> String {}
        #[cfg(unix)] #[connect] fn three(cx: &mut Context<Self>) -> Self {}
        #[cfg(not(unix))] #[connect] fn four(cx: &mut Context<Self>) -> Self {}
    });
    assert_eq!(block_errors(&block), Vec::<String>::new());
}

#[test]
fn second_method_of_same_name_is_not_expanded() {
    let block = quote!(impl Chat {
        #[receive("say")] fn say(&mut self, cx: &mut Context<Self>, command: Say) {}
        #[handler("chat.kick")] fn say(event: &Kick) -> String {}
        #[connect] fn say(cx: &mut Context<Self>, room: u64) -> Self {}
    });
    let expansion = expand(TokenStream::new(), &block);
    assert_eq!(errors(expansion.clone()), [""; 0]);
    let expansion = text(expansion);
    assert!(expansion.contains("pub enum __ConsumerEvent{}"), "{expansion}");
    assert!(expansion.contains("pub enum __ConsumerCommand{#[doc = \" `say`\"] Say(Say)"), "{expansion}");
}

#[test]
fn ten_mistakes_give_all_errors_and_the_rest_expands() {
    let expansion = expand(
        quote!(tags = "a"),
        &quote!(impl Chat {
            #[connect] fn connect(&self, cx: &mut Context<Self>) -> Self {}
            #[handlr("a.a")] fn a(event: &A) -> String {}
            #[handler("b b")] fn b(event: &B) -> String {}
            #[handler("c.c")] fn c(event: C) -> String {}
            #[handler("d.d")] fn d(&mut self, event: &D) {}
            #[handler("e.e")] const fn e(event: &E) -> String {}
            #[handler("f.f")] fn f(event: &F) -> &str {}
            #[handler(g)] fn g(event: &G) -> String {}
            #[receive("h h")] fn h(&mut self, cx: &mut Context<Self>, command: H) {}
            #[disconnect] fn i(&mut self, cx: &mut Context<Self>) {}
            #[handler("right.one")] fn right(event: &Right) -> String {}
        }),
    );
    assert_eq!(errors(expansion.clone()).len(), 11, "{:#?}", errors(expansion));
    let expansion = text(expansion);
    assert!(expansion.contains("RightOne(Right)"), "{expansion}");
    assert!(expansion.contains("rendered::<Right, String, _>"), "{expansion}");
    for payload in ["A", "B", "C", "D", "E", "F", "G"] {
        assert!(expansion.contains(&format!("__private::Handles<{payload}, __G>")), "{payload}: {expansion}");
    }
}

#[test]
fn unfinished_method_leaves_other_methods_expanded() {
    let expansion = expand(
        TokenStream::new(),
        &quote!(impl Chat {
            #[connect] fn connect(cx: &mut Context<Self>) -> Self { Self }
            #[receive("say")] fn say(&mut self, cx, command: Say) {}
            #[handler("a.b")] fn a(event: &A) -> { String::new() }
            #[handler("c.d")] fn c(event: &C) -> String { String::new() }
            #[handler("e.f")]
        }),
    );
    let unread = "`#[consumer]` cannot parse this method and leaves it out";
    assert_eq!(errors(expansion.clone()), [unread; 3]);
    let expansion = text(expansion);
    assert!(expansion.contains("CD(C)"), "{expansion}");
    assert!(expansion.contains("Handles<__E, __G> for Chat"), "a group of what is left out can be joined: {expansion}");
    assert!(!expansion.contains("fn say"), "{expansion}");
}

#[test]
fn item_with_helper_attributes_gives_one_error() {
    let item = quote!(
        trait Chat {
            #[connect]
            fn connect(cx: &mut Context<Self>) -> Self;
        }
    );
    let expansion = expand(TokenStream::new(), &item);
    assert_eq!(errors(expansion.clone()), ["`#[consumer]` goes above an `impl` block, not above a trait"]);
    assert!(!expansion.to_string().contains("# [connect]"), "{expansion}");
}

#[test]
fn duplicates_give_an_error_at_both_places() {
    let cases = [
        (
            quote!(
                #[handler("a.b")]
                fn one(event: &A) -> String {}
                #[handler("a.b")]
                fn two(event: &A) -> String {}
            ),
            ["event \"a.b\" is handled twice, by `one` and by `two`", "the first handler for \"a.b\" is here"],
        ),
        (
            quote!(
                #[handler("a.b")]
                fn one(event: &A) -> String {}
                #[handler("a_b")]
                fn two(event: &B) -> String {}
            ),
            [
                "event names \"a.b\" and \"a_b\" are too alike: they differ only in their separators or in the case of their first \
                 letter",
                "the handler for \"a.b\" is here",
            ],
        ),
        (
            quote!(
                #[receive("a")]
                fn one(&mut self, cx: &mut Context<Self>, command: A) {}
                #[receive("a")]
                fn two(&mut self, cx: &mut Context<Self>, command: A) {}
            ),
            ["command \"a\" is received twice, by `one` and by `two`", "the first method for \"a\" is here"],
        ),
        (
            quote!(
                #[receive]
                fn one(&mut self, cx: &mut Context<Self>, frame: Frame) {}
                #[receive]
                fn two(&mut self, cx: &mut Context<Self>, frame: Frame) {}
            ),
            ["a consumer has one `#[receive]`, but `two` is another", "the first `#[receive]` is here"],
        ),
        (
            quote!(
                #[connect]
                fn one(cx: &mut Context<Self>) -> Self {}
                #[connect]
                fn two(cx: &mut Context<Self>) -> Self {}
            ),
            ["a consumer has one `#[connect]`, but `two` is another", "the first `#[connect]` is here"],
        ),
        (
            quote!(
                #[disconnect]
                fn one(&mut self, cx: &mut Context<Self>, code: CloseCode) {}
                #[disconnect]
                fn two(&mut self, cx: &mut Context<Self>, code: CloseCode) {}
            ),
            ["a consumer has one `#[disconnect]`, but `two` is another", "the first `#[disconnect]` is here"],
        ),
        (
            quote!(
                #[history_lost]
                fn one(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) {}
                #[history_lost]
                fn two(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) {}
            ),
            ["a consumer has one `#[history_lost]`, but `two` is another", "the first `#[history_lost]` is here"],
        ),
    ];
    for (methods, sentences) in cases {
        assert_eq!(block_errors(&quote!(impl Chat { #methods })), sentences);
    }
}

#[test]
fn names_with_same_variant_get_distinct_variants() {
    let block = quote!(impl Chat {
        #[handler("send.message")] fn one(event: &A) -> String {}
        #[handler("sendMessage")] fn two(event: &B) -> String {}
        #[receive("raw")] fn three(&mut self, cx: &mut Context<Self>, command: A) {}
        #[receive] fn four(&mut self, cx: &mut Context<Self>, frame: Frame) {}
    });
    assert_eq!(block_errors(&block), [""; 0]);
    let expansion = expand(quote!(), &block).to_string();
    for variant in ["SendMessage (A)", "SendMessage_ (B)", "Raw_ (A)", "Raw (Frame)"] {
        assert!(expansion.contains(variant), "{variant}: {expansion}");
    }
}
