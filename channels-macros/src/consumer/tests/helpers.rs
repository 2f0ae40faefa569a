//! The helper attributes.

use proc_macro2::TokenStream;
use quote::quote;

use super::support::{assert_errors, method_error};
use crate::consumer::expand;
use crate::diagnostics::tests::errors;
use crate::tokens::text;

#[test]
fn misspelt_attribute_is_reported_and_used() {
    let block = quote!(impl Chat {
        #[handlr("a.b")] fn a(event: &A) -> String {}
        #[recieve] fn b(&mut self, cx: &mut Context<Self>, frame: Frame) {}
        #[inline] #[must_use] fn c(&self) -> u8 { 0 }
        #[event("c.d")] fn d(event: &C) -> String {}
    });
    let expansion = expand(TokenStream::new(), &block);
    let errors = errors(expansion.clone());
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].starts_with("there is no attribute `handlr` here; did you mean `handler`?"), "{errors:?}");
    assert!(errors[1].starts_with("there is no attribute `recieve` here; did you mean `receive`?"), "{errors:?}");
    assert!(errors[2].starts_with("there is no attribute `event` here; did you mean `handler`?"), "{errors:?}");
    let expansion = text(expansion);
    assert!(
        expansion.contains("pub enum __ConsumerEvent{#[doc = \" `a.b`\"] AB(A), #[doc = \" `c.d`\"] CD(C)"),
        "{expansion}"
    );
    assert!(expansion.contains("#[inline]#[must_use] fn c"), "{expansion}");
    assert!(!expansion.contains("#[handlr"), "{expansion}");
}

#[test]
fn misspelt_attribute_hides_further_errors() {
    let block = quote!(impl Chat {
        #[recieve] #[handler("a.b")] fn a(event: &A) -> String {}
        #[handler("c.d")] #[recieve] fn c(event: &C) -> String {}
        #[conncet] #[receive] fn b(&mut self, cx: &mut Context<Self>, frame: Frame) {}
        #[handlr] fn d(&self) {}
        #[cfg_attr(unix, =, inline, connect)] async fn connect(cx: &mut Context<Self>, room: u64) -> Result<Self, Reject> {}
    });
    let expansion = expand(TokenStream::new(), &block);
    let errors = errors(expansion.clone());
    assert_eq!(errors.len(), 5, "{errors:#?}");
    assert!(errors[4].starts_with("`cfg_attr` hides `#[connect]` from `#[consumer]`"), "{errors:#?}");
    let expansion = text(expansion);
    assert!(expansion.contains("AB(A)") && expansion.contains("CD(C)"), "{expansion}");
    assert!(expansion.contains("type Captures = (u64, );"), "{expansion}");
}

#[test]
fn wrong_attributes_give_one_error_each() {
    assert_errors([
        (
            quote!(
                #[handler]
                fn a(event: &A) -> String {}
            ),
            "a handler names its event: `#[handler(\"chat.message\")]`",
        ),
        (
            quote!(
                #[handler(chat.join)]
                fn a(event: &A) -> String {}
            ),
            "the name of an event goes in quotes: `#[handler(\"chat.join\")]`",
        ),
        (
            quote!(
                #[handler = "a.b"]
                fn a(event: &A) -> String {}
            ),
            "the name of an event goes in parentheses: `#[handler(\"a.b\")]`",
        ),
        (
            quote!(
                #[handler(ChatJoin)]
                fn a(event: &A) -> String {}
            ),
            "the name of an event is written out, in quotes, not as `ChatJoin`: `#[handler(\"chat.join\")]`",
        ),
        (
            quote!(
                #[handler(ChatJoin::TYPE)]
                fn a(event: &A) -> String {}
            ),
            "in quotes, not as `ChatJoin::TYPE`: `#[handler(\"chat.message\")]`",
        ),
        (
            quote!(
                #[receive(SAY)]
                fn a(&mut self, cx: &mut Context<Self>, command: A) {}
            ),
            "the name of a command is written out, in quotes, not as `SAY`: `#[receive(\"send\")]`; every frame",
        ),
        (
            quote!(
                #[handler("a.b" blocking)]
                fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
            ),
            "a comma is missing before `blocking`",
        ),
        (
            quote!(
                #[receive(send)]
                fn a(&mut self, cx: &mut Context<Self>, command: A) {}
            ),
            "the name of a command goes in quotes: `#[receive(\"send\")]`",
        ),
        (
            quote!(
                #[connect("a")]
                fn a(cx: &mut Context<Self>) -> Self {}
            ),
            "`#[connect]` takes no arguments",
        ),
        (
            quote!(
                #[handler("a.b")]
                #[receive]
                fn a(event: &A) -> String {}
            ),
            "method `a` cannot be `#[handler]` and `#[receive]`",
        ),
        (
            quote!(
                #[handler("a.b")]
                #[handler("a.c")]
                fn a(event: &A) -> String {}
            ),
            "method `a` has two `#[handler]`",
        ),
        (
            quote!(
                #[connect]
                fn a(cx: &mut Context<Self>) -> Self {}
                #[handler("a.b")]
                const A: u8 = 0;
            ),
            "`#[handler]` goes above a method",
        ),
    ]);
}

#[test]
fn illegal_names_give_one_error_each() {
    assert_errors([
        (
            quote!(
                #[handler("chat-join")]
                fn a(event: &A) -> String {}
            ),
            "contains `-`",
        ),
        (
            quote!(
                #[handler("websocket.connect")]
                fn a(event: &A) -> String {}
            ),
            "is reserved",
        ),
        (
            quote!(
                #[receive("say hi")]
                fn a(&mut self, cx: &mut Context<Self>, command: A) {}
            ),
            "contains a space",
        ),
    ]);
}

#[test]
fn second_name_of_a_method_is_an_error() {
    assert_errors([
        (
            quote!(
                #[handler("a.b", "a.c")]
                fn a(event: &A) -> String {}
            ),
            "a method is for one event: write another method with `#[handler(\"a.c\")]`",
        ),
        (
            quote!(
                #[receive("a", "b")]
                fn a(&mut self, cx: &mut Context<Self>, command: A) {}
            ),
            "a method is for one command: write another method with `#[receive(\"b\")]`",
        ),
    ]);
}

#[test]
fn word_instead_of_underscore_is_reported() {
    for meant in [quote!("_"), quote!(*), quote!("*"), quote!(..), quote!(default), quote!(other)] {
        let handler = method_error(&quote!(
            #[handler(#meant)]
            fn a(&mut self, cx: &mut Context<Self>, event: &Envelope) {}
        ));
        assert!(handler.contains("is marked with a bare `_`: `#[handler(_)]`"), "{meant}: {handler}");
        let refused = method_error(&quote!(
            #[receive(#meant)]
            fn a(&mut self, cx: &mut Context<Self>, error: CommandError) {}
        ));
        assert!(refused.contains("all frames that are not commands is marked with a bare `_`"), "{meant}: {refused}");
    }
}

#[test]
fn wrong_blocking_gives_one_error_each() {
    assert_errors([
        (
            quote!(
                #[handler("a.b", blocking)]
                async fn a(&mut self, cx: &mut Context<Self>, e: &E) {}
            ),
            "`a` is `async`, so it awaits and does not block\nwrite `fn a(..)` if it blocks",
        ),
        (
            quote!(
                #[connect(blocking)]
                async fn a(cx: &mut Context<Self>) -> Self {}
            ),
            "`a` is `async`, so it awaits and does not block",
        ),
        (
            quote!(
                #[handler("a.b", blocking)]
                fn a(e: &E) -> String {}
            ),
            "handler `a` has no `self`, so it runs in the sender's task, once for all connections, and must not block\n\
             write `fn a(&mut self, cx: &mut Context<Self>, event: &E) -> Result<()>`",
        ),
        (
            quote!(
                #[receive(blocking, "say")]
                fn a(&mut self, cx: &mut Context<Self>, s: Say) {}
            ),
            "the name comes first: `#[receive(\"say\", blocking)]`",
        ),
        (
            quote!(
                #[handler("a.b", blokcing)]
                fn a(&mut self, cx: &mut Context<Self>, e: &E) {}
            ),
            "`blokcing` is not allowed here; did you mean `blocking`?\nwrite `#[handler(\"a.b\")]`, or \
             `#[handler(\"a.b\", blocking)]`",
        ),
        (
            quote!(
                #[receive(_, blocking, blocking)]
                fn a(&mut self, cx: &mut Context<Self>, e: CommandError) {}
            ),
            "`blocking` is not allowed here",
        ),
        (
            quote!(
                #[handler(blocking)]
                fn a(&mut self, cx: &mut Context<Self>, e: &E) {}
            ),
            "a handler names its event: `#[handler(\"chat.message\")]`",
        ),
    ]);
}
