use proc_macro2::TokenStream;
use quote::quote;

use super::expand;
use crate::diagnostics::tests::{errors, formatted};

/// The errors of `#[consumer]` above the block.
fn says(block: &TokenStream) -> Vec<String> {
    errors(expand(TokenStream::new(), block))
}

/// The one error of a consumer that has this method.
fn method(method: &TokenStream) -> String {
    let mut errors = says(&quote!(impl Chat { #method }));
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

fn assert_says(cases: impl IntoIterator<Item = (TokenStream, &'static str)>) {
    for (tokens, sentence) in cases {
        let error = method(&tokens);
        assert!(error.contains(sentence), "{tokens}\nsays {error:?}\ninstead of {sentence:?}");
    }
}

#[test]
fn the_whole_expansion_is_reviewed_like_code() {
    let expansion = expand(
        quote!(tag = "command", sends(Joined)),
        &quote! {
            impl ChatConsumer {
                #[connect]
                async fn connect(cx: &mut Context<Self>, room_id: u64) -> Result<Self, Reject> {
                    Ok(Self { room: Room { id: room_id } })
                }

                /// A line of the chat.
                #[receive("send")]
                async fn send(&mut self, cx: &mut Context<Self>, command: SendCommand) -> Result<()> {
                    cx.group_send(&self.room, &ChatMessage { message: command.message }).await
                }

                /// Somebody came.
                #[handler("chat.join")]
                async fn chat_join(&mut self, cx: &mut Context<Self>, event: &ChatJoin) -> Result<()> {
                    cx.send(&Joined { username: event.username.clone() }).await
                }

                #[handler("chat.message")]
                fn chat_message(event: &ChatMessage) -> Json<ChatLine> {
                    Json(ChatLine { message: event.message.clone() })
                }

                #[handler("chat.history")]
                async fn chat_history(event: &ChatHistory) -> Json<Vec<ChatLine>> {
                    Json(event.load().await)
                }

                #[cfg(feature = "kick")]
                #[handler("chat.force_disconnect")]
                fn kick(&mut self, cx: &mut Context<Self>, _: &ForceDisconnect) {
                    cx.close(CloseCode::POLICY);
                }

                #[disconnect]
                async fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()> {
                    Ok(())
                }

                fn helper(&self) {}
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer.rs", &formatted(expansion));
}

#[test]
fn the_smallest_consumer_gets_the_defaults() {
    let expansion = expand(
        TokenStream::new(),
        &quote! {
            impl Echo {
                #[receive]
                fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) {
                    cx.send_frame(frame);
                }
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer_smallest.rs", &formatted(expansion));
}

#[test]
fn what_has_no_name_gets_a_method_of_its_own() {
    let expansion = expand(
        quote!(groups(Room)),
        &quote! {
            impl Log {
                /// Whatever it is.
                #[handler(_)]
                async fn unknown(&mut self, cx: &mut Context<Self>, event: &Envelope) -> Result<()> {
                    cx.send_json(&event.to_value()?).await
                }

                #[cfg(feature = "strict")]
                #[receive(_)]
                fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) {
                    cx.close(CloseCode::POLICY);
                }
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer_fallback.rs", &formatted(expansion));
}

#[test]
fn what_may_block_is_called_where_it_may() {
    let expansion = expand(
        TokenStream::new(),
        &quote! {
            impl Reports {
                #[connect(blocking)]
                fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
                    Self::open(id)
                }

                #[handler("report.build", blocking)]
                fn build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
                    self.write(event)
                }

                #[receive("read", blocking)]
                fn read(&mut self, cx: &mut Context<Self>, command: Read) {
                    self.read_all();
                }
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer_blocking.rs", &formatted(expansion));
}

#[test]
fn what_cannot_block_is_said() {
    assert_says([
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
            "handler `a` has no `self`, so it runs in whoever sends, once for all connections, and must not block\n\
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
            "`blokcing` cannot stand here; did you mean `blocking`?\nwrite `#[handler(\"a.b\")]`, or \
             `#[handler(\"a.b\", blocking)]`",
        ),
        (
            quote!(
                #[receive(_, blocking, blocking)]
                fn a(&mut self, cx: &mut Context<Self>, e: CommandError) {}
            ),
            "`blocking` cannot stand here",
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

/// Nothing in an expansion may depend on what is imported where it stands: every path starts at the root, at `Self`, at
/// the user's own words, or is a local.
#[test]
fn every_path_is_absolute() {
    let expansion = expand(
        quote!(crate = rt),
        &quote!(impl Chat {
            #[receive("say")] fn say(&mut self, cx: &mut Context<Self>, command: Say) {}
            #[handler("a.b")] async fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
            #[handler(_)] fn b(&mut self, cx: &mut Context<Self>, event: &Envelope) {}
            #[receive(_)] fn c(&mut self, cx: &mut Context<Self>, error: CommandError) {}
            #[handler("c.d", blocking)] fn d(&mut self, cx: &mut Context<Self>, event: &D) {}
        }),
    );
    let file: syn::File = syn::parse2(expansion).expect("it parses");
    let generated = file.items.iter().skip(1).map(crate::source::text).collect::<Vec<_>>().join("\n");
    assert!(!generated.contains("channels_runtime"), "{generated}");
    for prelude in ["Ok(", "Err(", "Some(", "None", "Result<", "Option<", "Send", "Sized", "Box<", "panic!"] {
        for (at, _) in generated.match_indices(prelude) {
            assert!(generated[..at].ends_with("::"), "`{prelude}` without a path in {}", &generated[at - 40..]);
        }
    }
}

#[test]
fn a_wrong_block_is_said() {
    let cases = [
        (
            quote!(
                struct Chat;
            ),
            "`#[consumer]` stands above an `impl` block, not above the struct: `#[consumer] impl Chat { .. }`",
        ),
        (
            quote!(
                enum Chat {}
            ),
            "`#[consumer]` stands above an `impl` block, not above the enum",
        ),
        (
            quote!(
                trait Chat {}
            ),
            "`#[consumer]` stands above an `impl` block, not above a trait",
        ),
        (
            quote!(
                fn chat() {}
            ),
            "`#[consumer]` stands above an `impl` block, not above a function",
        ),
        (quote!(impl Clone for Chat { #[connect] fn a() {} }), "not above those of a trait: `impl Chat { .. }`"),
        (quote!(impl Chat {}), "consumer `Chat` has no method for anything that can happen"),
        (quote!(impl Chat { fn helper() {} }), "consumer `Chat` has no method for anything that can happen"),
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
        let errors = says(&block);
        assert_eq!(errors.len(), 1, "{block}: {errors:?}");
        assert!(errors[0].contains(sentence), "{block}: {errors:?}");
    }
}

#[test]
fn wrong_arguments_list_the_right_ones() {
    let cases = [
        (
            quote!(tags = "command"),
            "`#[consumer]` has no argument `tags`; did you mean `tag`?\nthe arguments are `tag = \"command\"`, `groups(Room, ..)`, `sends(ChatLine, ..)`, `mailbox = \"drop_oldest\"`, `crate = path`",
        ),
        (quote!(grops = [Room]), "`#[consumer]` has no argument `grops`; did you mean `groups`?\nthe arguments are"),
        (quote!("command"), "`\"command\"` is no argument of `#[consumer]`"),
        (quote!(tag = command), "`tag` takes a string: `tag = \"command\"`"),
        (quote!(tag = ""), "it cannot be empty"),
        (quote!(tag = "a", tag = "b"), "`tag` stands twice"),
        (
            quote!(mailbox = "drop_oldst"),
            "there is no policy \"drop_oldst\" for a mailbox; did you mean `drop_oldest`?",
        ),
        (quote!(mailbox = "block"), "- `\"disconnect\"`: the connection is closed with 1013"),
        (
            quote!(mailbox = "drop_newest"),
            "no event ever waits for `Chat`, which has no `#[handler]` with `&mut self`; take `mailbox` away",
        ),
        (quote!(mailbox = drop_oldest), "`mailbox` takes a policy in quotes: `mailbox = \"drop_oldest\"`"),
        (quote!(mailbox), "`mailbox` takes a policy in quotes: `mailbox = \"drop_oldest\"`"),
        (quote!(sends), "`sends` lists types in parentheses"),
        (quote!(sends(A, A)), "`sends` lists `A` twice"),
        (quote!(groups = [Room]), "`groups` lists types in parentheses: `groups(Room)`"),
        (quote!(groups = Room), "`groups` lists types in parentheses: `groups(Room, Lobby)`"),
        (quote!(groups(A, A)), "`groups` lists `A` twice"),
        (quote!(crate), "`crate` names where `channels_runtime` is"),
    ];
    for (arguments, sentence) in cases {
        let block = quote!(impl Chat { #[connect] fn connect(cx: &mut Context<Self>) -> Self {} });
        let errors = errors(expand(arguments.clone(), &block));
        assert_eq!(errors.len(), 1, "{arguments}: {errors:?}");
        assert!(errors[0].contains(sentence), "{arguments}: {errors:?}");
    }
}

#[test]
fn a_mailbox_that_something_may_wait_in_has_a_policy() {
    let connect = quote!(
        #[connect]
        fn connect(cx: &mut Context<Self>) -> Self {}
    );
    let wrong = [
        quote!(
            #[handler("a.b")]
            fn a(event: &A) -> String {}
        ),
        quote!(
            #[receive]
            fn a(&mut self, cx: &mut Context<Self>, frame: Frame) {}
        ),
    ];
    let right = [
        quote!(
            #[handler("a.b")]
            fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
        ),
        quote!(
            #[handler(_)]
            fn a(&mut self, cx: &mut Context<Self>, event: &Envelope) {}
        ),
    ];
    for policy in ["drop_newest", "drop_oldest", "disconnect"] {
        for (methods, errs) in [(&wrong, 1), (&right, 0)] {
            for method in methods {
                let said = errors(expand(quote!(mailbox = #policy), &quote!(impl Chat { #connect #method })));
                assert_eq!(said.len(), errs, "{method}: {said:?}");
            }
        }
    }
    // One that is so wrong that nobody knows what it handles: that alone is told.
    let broken = quote!(impl Chat { #connect #[handler("a.b")] fn a(&mut self, cx: &mut Context<Self>) {} });
    let said = errors(expand(quote!(mailbox = "disconnect"), &broken));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(!said[0].contains("mailbox"), "{said:?}");
}

#[test]
fn a_misspelt_attribute_is_what_it_was_meant_to_be() {
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
    let expansion = crate::source::text(expansion);
    assert!(
        expansion.contains("pub enum ChatEvent{#[doc = \" `a.b`\"] AB(A), #[doc = \" `c.d`\"] CD(C)"),
        "{expansion}"
    );
    assert!(expansion.contains("#[inline]#[must_use] fn c"), "{expansion}");
    assert!(!expansion.contains("#[handlr"), "{expansion}");
}

#[test]
fn a_guess_is_checked_no_further() {
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
    let expansion = crate::source::text(expansion);
    assert!(expansion.contains("AB(A)") && expansion.contains("CD(C)"), "{expansion}");
    assert!(expansion.contains("type Captures = (u64, );"), "{expansion}");
}

#[test]
fn a_self_that_is_not_taken_is_seen() {
    assert_says([
        (
            quote!(
                #[connect]
                fn a(cx: &mut Context<Self>) -> Self {
                    self.b()
                }
            ),
            "`#[connect]` makes the consumer, so there is no `self` yet",
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
            "`#[receive]` method `a` lacks `&mut self`",
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
        assert_eq!(says(&block), [""; 0], "{right}");
    }
}

#[test]
fn a_returned_future_is_seen() {
    let futures = [
        quote!(impl Future<Output = String> + Send),
        quote!(BoxFuture<'static, String>),
        quote!(Pin<Box<dyn std::future::Future<Output = String>>>),
    ];
    for future in futures {
        let said = method(&quote!(#[handler("a.b")] fn a(&mut self, cx: &mut Context<Self>, event: &A) -> #future {}));
        assert_eq!(said, "handler `a` returns a future: write `async fn a(..) -> String`", "{future}");
    }
}

#[test]
fn attributes_are_where_they_belong() {
    assert_says([
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
            "the name of an event stands in quotes: `#[handler(\"chat.join\")]`",
        ),
        (
            quote!(
                #[handler = "a.b"]
                fn a(event: &A) -> String {}
            ),
            "the name of an event stands in parentheses: `#[handler(\"a.b\")]`",
        ),
        (
            quote!(
                #[handler(ChatJoin)]
                fn a(event: &A) -> String {}
            ),
            "the name of an event is written out, in quotes, and not as `ChatJoin`: `#[handler(\"chat.join\")]`",
        ),
        (
            quote!(
                #[handler(ChatJoin::TYPE)]
                fn a(event: &A) -> String {}
            ),
            "in quotes, and not as `ChatJoin::TYPE`: `#[handler(\"chat.message\")]`",
        ),
        (
            quote!(
                #[receive(SAY)]
                fn a(&mut self, cx: &mut Context<Self>, command: A) {}
            ),
            "the name of a command is written out, in quotes, and not as `SAY`: `#[receive(\"send\")]`; every frame",
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
            "the name of a command stands in quotes: `#[receive(\"send\")]`",
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
            "`#[handler]` stands above a method",
        ),
    ]);
}

#[test]
fn names_are_checked_where_they_stand() {
    assert_says([
        (
            quote!(
                #[handler("Chat.Join")]
                fn a(event: &A) -> String {}
            ),
            "contains the upper-case letter `C`",
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
fn what_is_there_twice_is_shown_twice() {
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
                "event names \"a.b\" and \"a_b\" are too alike: both become the variant `AB`",
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
            ["a consumer has one `#[receive]`, and this is another one: `two`", "the first `#[receive]` is here"],
        ),
        (
            quote!(
                #[connect]
                fn one(cx: &mut Context<Self>) -> Self {}
                #[connect]
                fn two(cx: &mut Context<Self>) -> Self {}
            ),
            ["a consumer has one `#[connect]`, and this is another one: `two`", "the first `#[connect]` is here"],
        ),
        (
            quote!(
                #[disconnect]
                fn one(&mut self, cx: &mut Context<Self>, code: CloseCode) {}
                #[disconnect]
                fn two(&mut self, cx: &mut Context<Self>, code: CloseCode) {}
            ),
            ["a consumer has one `#[disconnect]`, and this is another one: `two`", "the first `#[disconnect]` is here"],
        ),
    ];
    for (methods, sentences) in cases {
        assert_eq!(says(&quote!(impl Chat { #methods })), sentences);
    }
    let raw = says(&quote!(impl Chat {
        #[receive("raw")] fn one(&mut self, cx: &mut Context<Self>, command: A) {}
        #[receive] fn two(&mut self, cx: &mut Context<Self>, frame: Frame) {}
    }));
    assert_eq!(raw.len(), 1, "{raw:?}");
    assert!(raw[0].contains("both become the variant `Raw`"), "{raw:?}");
}

#[test]
fn methods_that_exclude_each_other_are_not_compared() {
    let block = quote!(impl Chat {
        #[cfg(unix)] #[handler("a.b")] fn one(event: &A) -> String {}
        #[cfg(not(unix))] #[handler("a.b")] fn two(event: &A) -> String {}
        #[cfg(unix)] #[connect] fn three(cx: &mut Context<Self>) -> Self {}
        #[cfg(not(unix))] #[connect] fn four(cx: &mut Context<Self>) -> Self {}
    });
    assert_eq!(says(&block), Vec::<String>::new());
}

#[test]
fn a_handler_that_acts_takes_self_the_context_and_its_event() {
    let right = "write `async fn join(&mut self, cx: &mut Context<Self>, event: &ChatJoin) -> Result<()>`";
    let cases = [
        (
            quote!(&self, cx: &mut Context<Self>, event: &ChatJoin),
            "handler `join` takes `&mut self`, and this is `&self`",
        ),
        (
            quote!(self, cx: &mut Context<Self>, event: &ChatJoin),
            "handler `join` takes `&mut self`, and this is `self`",
        ),
        (quote!(&mut self, event: &ChatJoin), "handler `join` lacks the context before the event"),
        (
            quote!(&mut self, event: &ChatJoin, cx: &mut Context<Self>),
            "the context of handler `join` comes before the event",
        ),
        (quote!(&mut self, cx: u8, event: &ChatJoin), ""),
        (
            quote!(&mut self, cx: &mut Context<Self>, event: &ChatJoin, more: u8),
            "handler `join` has an argument too many: the event is the last",
        ),
    ];
    for (arguments, sentence) in cases {
        let error = method(&quote!(#[handler("chat.join")] async fn join(#arguments) -> Result<()> {}));
        if sentence.is_empty() {
            assert!(error.starts_with("the first argument of handler `join` is the context"), "{error}");
        } else {
            assert!(error.contains(sentence) && error.contains(right), "{error}");
        }
    }
    assert_says([
        (
            quote!(
                #[handler("chat.message")]
                fn a(&mut self) {}
            ),
            "handler `a` lacks the context and the event\nwrite `fn a(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()>`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(&mut self, cx: &mut Context<Self>) {}
            ),
            "handler `a` lacks the event behind the context",
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
            "`A<'_>` owns what it holds, so it has no lifetime",
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
            "handler `a` cannot be generic: an event is one type, and not an `impl Trait`",
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
fn a_handler_without_self_takes_its_event_and_returns_what_is_sent() {
    assert_says([
        (
            quote!(
                #[handler("a.b")]
                async fn a(cx: &mut Context<Self>, event: &A) -> Result<()> {}
            ),
            "handler `a` has no `self`, so it runs once for all connections and has no context of one\nwrite `async fn a(&mut self, cx: &mut Context<Self>, event: &A) -> Result<()>`",
        ),
        (
            quote!(
                #[handler("chat.message")]
                fn a() -> String {}
            ),
            "handler `a` lacks its event\nwrite `fn a(event: &ChatMessage) -> String`",
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
            "handler `a` has no `self`, so it takes its event and nothing else\nwrite `fn a(event: &A) -> String`",
        ),
        (
            quote!(
                #[handler("a.b")]
                fn a(event: &A) -> &str {}
            ),
            "handler `a` has no `self`: what it returns outlives the event",
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
fn the_other_methods_say_their_signatures() {
    assert_says([
        (
            quote!(
                #[connect]
                async fn open(&mut self, cx: &mut Context<Self>, room: u64) -> Result<Self> {}
            ),
            "`#[connect]` has no `self`: it makes the consumer\nwrite `async fn open(cx: &mut Context<Self>, room: u64) -> Result<Self, Reject>`",
        ),
        (
            quote!(
                #[connect]
                fn open() -> Self {}
            ),
            "`#[connect]` lacks the context: `cx: &mut Context<Self>` comes first",
        ),
        (
            quote!(
                #[connect]
                fn open(room: u64, cx: &mut Context<Self>) -> Self {}
            ),
            "the context of `#[connect]` comes first, before what the path captures",
        ),
        (
            quote!(
                #[connect]
                fn open(cx: &mut Context<Self>, room: &str) -> Self {}
            ),
            "`#[connect]` takes what the path captures by value: `String`, not `&str`",
        ),
        (
            quote!(
                #[connect]
                fn open(cx: &mut Context<Self>) {}
            ),
            "`#[connect]` returns the consumer, or says why not",
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
            "`#[receive]` method `a` lacks `&mut self`\nwrite `fn a(&mut self, cx: &mut Context<Self>, command: A) -> Result<()>`",
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
            "`#[receive]` method `a` lacks the frame behind the context",
        ),
        (
            quote!(
                #[disconnect]
                fn a(&mut self, cx: &mut Context<Self>) {}
            ),
            "`#[disconnect]` lacks the close code behind the context\nwrite `fn a(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()>`",
        ),
        (
            quote!(
                #[disconnect]
                fn a(&mut self, cx: &mut Context<Self>, code: u16) {}
            ),
            "why the connection ended is a `CloseCode`",
        ),
    ]);
}

#[test]
fn ten_mistakes_are_ten_errors_and_the_rest_expands() {
    let expansion = expand(
        quote!(tags = "a"),
        &quote!(impl Chat {
            #[connect] fn connect(&self, cx: &mut Context<Self>) -> Self {}
            #[handlr("a.a")] fn a(event: &A) -> String {}
            #[handler("B")] fn b(event: &B) -> String {}
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
    let expansion = crate::source::text(expansion);
    assert!(expansion.contains("RightOne(Right)"), "{expansion}");
    assert!(expansion.contains("rendered::<Right, String, _>"), "{expansion}");
    for payload in ["A", "B", "C", "D", "E", "F", "G"] {
        assert!(expansion.contains(&format!("__private::Handles<{payload}, __G>")), "{payload}: {expansion}");
    }
}

#[test]
fn a_method_has_one_name() {
    assert_says([
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
fn a_second_method_of_one_name_is_left_to_the_compiler() {
    let block = quote!(impl Chat {
        #[receive("say")] fn say(&mut self, cx: &mut Context<Self>, command: Say) {}
        #[handler("chat.kick")] fn say(event: &Kick) -> String {}
        #[connect] fn say(cx: &mut Context<Self>, room: u64) -> Self {}
    });
    let expansion = expand(TokenStream::new(), &block);
    assert_eq!(errors(expansion.clone()), [""; 0]);
    let expansion = crate::source::text(expansion);
    assert!(expansion.contains("pub enum ChatEvent{}"), "{expansion}");
    assert!(expansion.contains("pub enum ChatCommand{#[doc = \" `say`\"] Say(Say)"), "{expansion}");
}

#[test]
fn a_context_that_lacks_its_consumer_is_one_mistake() {
    let block = quote!(impl Chat {
        #[handler("a.b")] fn a(&mut self, cx: &mut Context, event: &A) {}
        fn poll(&mut self, cx: &mut Context) {}
    });
    let expansion = expand(TokenStream::new(), &block);
    assert_eq!(
        errors(expansion.clone()),
        ["the context of handler `a` is `cx: &mut Context<Self>`, not `&mut Context`"]
    );
    let expansion = crate::source::text(expansion);
    assert!(expansion.contains("fn a(&mut self, cx: &mut Context<Self>"), "{expansion}");
    assert!(expansion.contains("fn poll(&mut self, cx: &mut Context)"), "{expansion}");
}

#[test]
fn what_others_write_for_an_underscore_is_understood() {
    for meant in [quote!("_"), quote!(*), quote!("*"), quote!(..), quote!(default), quote!(other)] {
        let handler = method(&quote!(
            #[handler(#meant)]
            fn a(&mut self, cx: &mut Context<Self>, event: &Envelope) {}
        ));
        assert!(handler.contains("is marked with a bare `_`: `#[handler(_)]`"), "{meant}: {handler}");
        let refused = method(&quote!(
            #[receive(#meant)]
            fn a(&mut self, cx: &mut Context<Self>, error: CommandError) {}
        ));
        assert!(refused.contains("all frames that are no command is marked with a bare `_`"), "{meant}: {refused}");
    }
}

#[test]
fn a_method_that_is_not_finished_hides_no_other() {
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
    let unread = "`#[consumer]` cannot read this method as it is written, and leaves it out";
    assert_eq!(errors(expansion.clone()), [unread; 3]);
    let expansion = crate::source::text(expansion);
    assert!(expansion.contains("CD(C)"), "{expansion}");
    assert!(expansion.contains("Handles<__E, __G> for Chat"), "a group of what is left out can be joined: {expansion}");
    assert!(!expansion.contains("fn say"), "{expansion}");
}

#[test]
fn an_item_that_cannot_be_read_is_one_error() {
    let item = quote!(
        trait Chat {
            #[connect]
            fn connect(cx: &mut Context<Self>) -> Self;
        }
    );
    let expansion = expand(TokenStream::new(), &item);
    assert_eq!(errors(expansion.clone()), ["`#[consumer]` stands above an `impl` block, not above a trait"]);
    assert!(!expansion.to_string().contains("# [connect]"), "{expansion}");
}
