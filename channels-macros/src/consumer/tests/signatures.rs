//! The signatures of methods.

use proc_macro2::TokenStream;
use quote::quote;

use super::support::{assert_errors, block_errors, method_error};
use crate::consumer::expand;
use crate::diagnostics::tests::errors;
use crate::tokens::text;

#[test]
fn self_without_receiver_is_an_error() {
    assert_errors([
        (
            quote!(
                #[connect]
                fn a(cx: &mut Context<Self>) -> Self {
                    self.b()
                }
            ),
            "`#[connect]` creates the consumer, so there is no `self` yet",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A) -> String {
                    format!("{}", self.b)
                }
            ),
            "to act for each connection, write `fn a(&mut self, cx: &mut Context<Self>, event: &A) -> Result<()>`",
        ),
        (
            quote!(
                #[receive]
                fn a(cx: &mut Context<Self>, frame: Frame) {
                    self.b();
                }
            ),
            "`#[receive]` method `a` needs `&mut self`",
        ),
    ]);
    for right in [
        quote!({ self::b(event) }),
        quote!({
            impl B {
                fn b(&self) -> u8 {
                    self.b
                }
            }
            String::new()
        }),
        quote!({
            use std::fmt::{self};
            String::new()
        }),
    ] {
        let block = quote!(impl Chat { #[handler("a.b")] fn a(event: &A) -> String #right });
        assert_eq!(block_errors(&block), [""; 0], "{right}");
    }
}

#[test]
fn returned_future_is_an_error() {
    let futures = [
        quote!(impl Future<Output = String> + Send),
        quote!(BoxFuture<'static, String>),
        quote!(Pin<Box<dyn std::future::Future<Output = String>>>),
    ];
    for future in futures {
        let errors =
            method_error(&quote!(#[handler("a.b")] fn a(&mut self, cx: &mut Context<Self>, event: &A) -> #future {}));
        assert_eq!(errors, "handler `a` returns a future: write `async fn a(..) -> String`", "{future}");
    }
}

#[test]
fn handler_with_self_wrong_arguments_give_one_error_each() {
    let right = "write `async fn join(&mut self, cx: &mut Context<Self>, event: &ChatJoin) -> Result<()>`";
    let cases = [
        (quote!(&self, cx: &mut Context<Self>, event: &ChatJoin), "handler `join` takes `&mut self`, not `&self`"),
        (quote!(self, cx: &mut Context<Self>, event: &ChatJoin), "handler `join` takes `&mut self`, not `self`"),
        (quote!(&mut self, event: &ChatJoin), "handler `join` needs the context before the event"),
        (
            quote!(&mut self, event: &ChatJoin, cx: &mut Context<Self>),
            "the context of handler `join` comes before the event",
        ),
        (quote!(&mut self, cx: u8, event: &ChatJoin), ""),
        (
            quote!(&mut self, cx: &mut Context<Self>, event: &ChatJoin, more: u8),
            "handler `join` has an argument too many: the event comes last",
        ),
    ];
    for (arguments, sentence) in cases {
        let error = method_error(&quote!(#[handler("chat.join")] async fn join(#arguments) -> Result<()> {}));
        if sentence.is_empty() {
            assert!(error.starts_with("the first argument of handler `join` is the context"), "{error}");
        } else {
            assert!(error.contains(sentence) && error.contains(right), "{error}");
        }
    }
    assert_errors([
        (
            quote!(
                #[handler("chat.message")]
                fn a(&mut self) {}
            ),
            "handler `a` needs the context and the event\nwrite `fn a(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context<Self>) {}
            ),
            "handler `a` needs the event after the context",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &Context<Self>, event: &A) {}
            ),
            "the context of handler `a` is `cx: &mut Context<Self>`, not `&Context<Self>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: Context<Self>, event: &A) {}
            ),
            "the context of handler `a` is `cx: &mut Context<Self>`, not `Context<Self>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context, event: &A) {}
            ),
            "the context of handler `a` is `cx: &mut Context<Self>`, not `&mut Context`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context<Self>, event: A) {}
            ),
            "handler `a` takes its event by reference, because all members of the group share it: `event: &A`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context<Self>, event: &mut A) {}
            ),
            "handler `a` cannot change its event",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context<Self>, event: &A<'_>) {}
            ),
            "`A<'_>` must own its data, so it cannot have a lifetime",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a<T>(&mut self, cx: &mut Context<Self>, event: &T) {}
            ),
            "handler `a` cannot be generic: an event is one type",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context<Self>, event: &impl Event) {}
            ),
            "handler `a` cannot be generic: an event is one type, not an `impl Trait`",
        ),
        (
            quote!(
                #[handler("a.b")]
                const fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
            ),
            "handler `a` cannot be `const`",
        ),
        (
            quote!(
                #[handler("a.b")]
                unsafe fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
            ),
            "handler `a` cannot be `unsafe`",
        ),
        (
            quote!(
                #[handler("a.b")]
                extern "C" fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
            ),
            "handler `a` cannot be `extern`",
        ),
    ]);
}

#[test]
fn handler_without_self_wrong_signatures_give_one_error_each() {
    assert_errors([
        (
            quote!(
                #[handler("a.b")]
                async fn a(cx: &mut Context<Self>, event: &A) -> Result<()> {}
            ),
            "handler `a` has no `self`, so it runs once for all connections and has no context\nwrite `async fn a(&mut self, cx: &mut Context<Self>, event: &A) -> Result<()>`",
        ),
        (
            quote!(
                #[handler("chat.message")]
                fn a() -> String {}
            ),
            "handler `a` needs its event\nwrite `fn a(event: &ChatMessage) -> String`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: A) -> String {}
            ),
            "handler `a` takes its event by reference",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A, more: u8) -> String {}
            ),
            "handler `a` has no `self`, so it takes only its event\nwrite `fn a(event: &A) -> String`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A) -> &str {}
            ),
            "handler `a` has no `self`, so its return value outlives the event and must be owned",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A) {}
            ),
            "handler `a` has no `self` and returns nothing, so it does nothing",
        ),
    ]);
}

#[test]
fn other_methods_wrong_signatures_give_one_error_each() {
    assert_errors([
        (
            quote!(
                #[connect]
                async fn open(&mut self, cx: &mut Context<Self>, room: u64) -> Result<Self, Reject> {}
            ),
            "`#[connect]` has no `self`: it creates the consumer\nwrite `async fn open(cx: &mut Context<Self>, room: u64) -> Result<Self, Reject>`",
        ),
        (
            quote!(
                #[connect]
                fn open() -> Self {}
            ),
            "`#[connect]` needs the context: `cx: &mut Context<Self>` comes first",
        ),
        (
            quote!(
                #[connect]
                fn open(room: u64, cx: &mut Context<Self>) -> Self {}
            ),
            "the context of `#[connect]` comes first, before the captures of the path",
        ),
        (
            quote!(
                #[connect]
                fn open(cx: &mut Context<Self>, room: &str) -> Self {}
            ),
            "`#[connect]` takes the captures of the path by value: `String`, not `&str`",
        ),
        (
            quote!(
                #[connect]
                fn open(cx: &mut Context<Self>) {}
            ),
            "`#[connect]` must return `Self` or `Result<Self, Reject>`",
        ),
        (
            quote!(
                #[connect]
                async fn open(cx: &mut Context<Self>) -> Result<Self> {}
            ),
            "`#[connect]` must return `Result<Self, Reject>`: the error of `Result<Self>` is an `Error`, which cannot reject a client",
        ),
        (
            quote!(
                #[connect]
                fn open<T>(cx: &mut Context<Self>, room: T) -> Self {}
            ),
            "`#[connect]` cannot be generic: a path captures one type",
        ),
        (
            quote!(
                #[receive("a")]
                fn a(cx: &mut Context<Self>, command: A) {}
            ),
            "`#[receive]` method `a` needs `&mut self`\nwrite `fn a(&mut self, cx: &mut Context<Self>, command: A) -> Result<()>`",
        ),
        (
            quote!(
                #[receive("a")]
                fn a(&mut self, cx: &mut Context<Self>, command: &A) {}
            ),
            "a command is taken by value: `A`, not `&A`",
        ),
        (
            quote!(
                #[receive]
                fn a(&mut self, cx: &mut Context<Self>, text: &str) {}
            ),
            "a frame is taken by value: `String`, not `&str`",
        ),
        (
            quote!(
                #[receive]
                fn a(&mut self, cx: &mut Context<Self>) {}
            ),
            "`#[receive]` method `a` needs the frame after the context",
        ),
        (
            quote!(
                #[disconnect]
                fn a(&mut self, cx: &mut Context<Self>) {}
            ),
            "`#[disconnect]` needs the close code after the context\nwrite `fn a(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()>`",
        ),
        (
            quote!(
                #[disconnect]
                fn a(&mut self, cx: &mut Context<Self>, code: u16) {}
            ),
            "`#[disconnect]` takes a `CloseCode`",
        ),
    ]);
}

#[test]
fn wrong_positions_give_one_error_each() {
    assert_errors([
        (
            quote!(
                #[handler("a.b")]
                fn a(at: &Position, event: &A) -> String {}
            ),
            "the position in handler `a` comes last, after the event\nwrite `fn a(event: &A, at: &Position) -> String`",
        ),
        (
            quote!(
                #[handler("a.b")]
                async fn a(&mut self, cx: &mut Context<Self>, at: &Position, event: &A) -> Result<()> {}
            ),
            "the position in handler `a` comes last, after the event\nwrite `async fn a(&mut self, cx: &mut Context<Self>, \
             event: &A, at: &Position) -> Result<()>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A, at: Position) -> String {}
            ),
            "handler `a` takes the position by reference: `&Position`, not `Position`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A, at: &mut Position) -> String {}
            ),
            "handler `a` takes the position by reference: `&Position`, not `&mut Position`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A, at: Option<&Position>) -> String {}
            ),
            "handler `a` takes the position by reference: `&Position`, not `Option<&Position>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: A, at: &Position) -> String {}
            ),
            "handler `a` takes its event by reference, because all members of the group share it: `event: &A`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, event: &A, at: &Position) {}
            ),
            "handler `a` needs the context before the event\nwrite `fn a(&mut self, cx: &mut Context<Self>, event: &A, at: \
             &Position) -> Result<()>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A, at: &Position, more: u8) -> String {}
            ),
            "handler `a` has no `self`, so it takes only its event\nwrite `fn a(event: &A, at: &Position) -> String`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A, at: &Position) {}
            ),
            "to send something to every client, write `fn a(event: &A, at: &Position) -> Json<..>`",
        ),
        (
            quote!(
                #[handler(_)]
                fn a(&mut self, cx: &mut Context<Self>, event: &Envelope, at: &Position) {}
            ),
            "`#[handler(_)]` takes no position: `event.position()` returns the one of its envelope",
        ),
    ]);
}

#[test]
fn wrong_position_satisfies_group() {
    let block = quote!(impl Chat {
        #[handler("a.b")] fn a(event: &A, at: Position) -> String {}
        #[handler("c.d")] fn c(&mut self, cx: &mut Context<Self>, at: &Position, event: &C) {}
    });
    let expansion = text(expand(TokenStream::new(), &block));
    for payload in ["A", "C"] {
        let implementation = format!("HandlesAt<{payload}, __G, ::channels_runtime::__private::Kept> for Chat");
        assert!(expansion.contains(&implementation), "{payload}: {expansion}");
    }
}

#[test]
fn event_called_position_is_event() {
    let block = quote!(impl Chat {
        #[handler("a.b")] fn a(event: &Position) -> String {}
        #[handler("c.d")] fn c(&mut self, cx: &mut Cx, event: &far::Position) {}
        #[handler("e.f")] fn e(event: &map::Position, at: &Position) -> String {}
        #[handler("g.h")] fn g(&mut self, cx: &mut Context<Self>, event: &plan::Position, at: &Position) {}
    });
    let expansion = expand(TokenStream::new(), &block);
    assert_eq!(errors(expansion.clone()), [""; 0]);
    let expansion = text(expansion);
    for variant in ["AB(Position)", "CD(far::Position)", "EF(map::Position)", "GH(plan::Position)"] {
        assert!(expansion.contains(variant), "{variant}: {expansion}");
    }
    for (payload, takes_position) in
        [("Position", false), ("far::Position", false), ("map::Position", true), ("plan::Position", true)]
    {
        let found = expansion.contains(&format!("__private::HandlesAt<{payload}, __G"));
        assert_eq!(found, takes_position, "{payload}: {expansion}");
    }
}

#[test]
fn wrong_history_lost_gives_one_error_and_is_not_missing() {
    let cases = [
        (quote!(&mut self, cx: &mut Context<Self>), "`#[history_lost]` needs the notice after the context\nwrite"),
        (quote!(&mut self, lost: &HistoryLost), "`#[history_lost]` needs the context before the notice\nwrite"),
        (quote!(cx: &mut Context<Self>, lost: &HistoryLost), "`#[history_lost]` needs `&mut self`\nwrite"),
        (
            quote!(&self, cx: &mut Context<Self>, lost: &HistoryLost),
            "`#[history_lost]` takes `&mut self`, not `&self`\nwrite",
        ),
        (
            quote!(&mut self, cx: &mut Context<Self>, lost: HistoryLost),
            "`#[history_lost]` takes the notice by reference: `&HistoryLost`, not `HistoryLost`",
        ),
        (
            quote!(&mut self, cx: &mut Context<Self>, lost: &mut HistoryLost),
            "`#[history_lost]` takes the notice by reference: `&HistoryLost`, not `&mut HistoryLost`",
        ),
        (
            quote!(&mut self, cx: &mut Context<Self>, lost: &HistoryLost, more: u8),
            "`#[history_lost]` has an argument too many: the notice comes last\nwrite",
        ),
    ];
    for (arguments, sentence) in cases {
        let method = quote!(#[history_lost] async fn lost(#arguments) -> Result<()> {});
        let error = method_error(&method);
        assert!(error.contains(sentence), "{arguments}: {error}");
        if sentence.ends_with("write") {
            let right = "write `async fn lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()>`";
            assert!(error.contains(right), "{arguments}: {error}");
        }
        let expansion = text(expand(TokenStream::new(), &quote!(impl Chat { #method })));
        assert!(expansion.contains("HandlesHistoryLost for Chat"), "{arguments}: {expansion}");
    }
}

#[test]
fn context_without_consumer_gives_one_error() {
    let block = quote!(impl Chat {
        #[handler("a.b")] fn a(&mut self, cx: &mut Context, event: &A) {}
        fn poll(&mut self, cx: &mut Context) {}
    });
    let expansion = expand(TokenStream::new(), &block);
    assert_eq!(
        errors(expansion.clone()),
        ["the context of handler `a` is `cx: &mut Context<Self>`, not `&mut Context`"]
    );
    let expansion = text(expansion);
    assert!(expansion.contains("fn a(&mut self, cx: &mut Context<Self>"), "{expansion}");
    assert!(expansion.contains("fn poll(&mut self, cx: &mut Context)"), "{expansion}");
}

#[test]
fn user_type_called_context_is_not_the_context() {
    let block = quote!(impl Chat {
        #[connect] fn connect(cx: &mut Context<Self>, page: page::Context) -> Self {}
        #[handler("a.b")] fn a(&mut self, cx: &mut Context<Self>, event: &page::Context) {}
        #[handler("c.d")] fn c(event: &page::Context) -> String {}
        #[handler("e.f")] fn e(&mut self, cx: &mut Cx, event: &page::Context) {}
        #[receive("say")] fn say(&mut self, cx: &mut Context<Self>, command: page::Context) {}
        #[receive] fn other(&mut self, cx: &mut Context<Self>, frame: page::Context) {}
    });
    let expansion = expand(TokenStream::new(), &block);
    assert_eq!(errors(expansion.clone()), [""; 0]);
    let expansion = text(expansion);
    assert!(expansion.contains("type Captures = (page::Context, );"), "{expansion}");
    for variant in ["AB", "CD", "EF", "Say", "Raw"] {
        assert!(expansion.contains(&format!("{variant}(page::Context)")), "{variant}: {expansion}");
    }
    assert!(!expansion.contains("page::Context<Self>"), "{expansion}");
}
