//! Snapshots of the generated code.

use proc_macro2::TokenStream;
use quote::quote;

use crate::consumer::expand;
use crate::diagnostics::tests::formatted;
use crate::tokens::text;

#[test]
fn expansion_matches_snapshot() {
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

                /// A user joined.
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
fn expansion_of_smallest_consumer_matches_snapshot() {
    let expansion = expand(
        TokenStream::new(),
        &quote! {
            impl Echo {
                #[receive]
                fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) {
                    cx.close(CloseCode::POLICY);
                }
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer_smallest.rs", &formatted(expansion));
}

#[test]
fn expansion_of_commands_that_answer_matches_snapshot() {
    let expansion = expand(
        quote!(ref = "id", ok = "result"),
        &quote! {
            impl Auction {
                #[receive("bid")]
                async fn bid(&mut self, cx: &mut Context<Self>, command: Bid) -> Result<Taken, Outbid> {
                    self.take(command)
                }

                #[cfg(feature = "leave")]
                #[receive("leave", blocking)]
                fn leave(&mut self, cx: &mut Context<Self>, _: Leave) -> Result<Result<(), Outbid>> {
                    Ok(Ok(()))
                }

                #[receive("watch")]
                fn watch(&mut self, cx: &mut Context<Self>, command: Watch) -> std::io::Result<()> {
                    Ok(())
                }
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer_that_answers.rs", &formatted(expansion));
}

#[test]
fn expansion_with_fallbacks_matches_snapshot() {
    let expansion = expand(
        quote!(groups(Room)),
        &quote! {
            impl Log {
                /// Any other event.
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
fn expansion_of_blocking_methods_matches_snapshot() {
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
fn expansion_with_positions_matches_snapshot() {
    let expansion = expand(
        TokenStream::new(),
        &quote! {
            impl Feed {
                #[handler("feed.line")]
                fn line(event: &Line, at: &Position) -> Json<Shown> {
                    Json(Shown { at: *at })
                }

                #[handler("feed.page")]
                async fn page(event: &Page, at: &Position) -> Json<Shown> {
                    Json(event.load(at).await)
                }

                #[cfg(feature = "edit")]
                #[handler("feed.edit")]
                async fn edit(&mut self, cx: &mut Context<Self>, event: &Edit, at: &Position) -> Result<()> {
                    cx.send_json(at).await
                }

                #[history_lost]
                async fn lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
                    cx.send_json(&lost.at).await
                }
            }
        },
    );
    expectorate::assert_contents("tests/expansion/consumer_with_positions.rs", &formatted(expansion));
}

/// An expansion must not depend on imports: every path starts at the root, at `Self` or at the user's own words, or is
/// a local.
#[test]
fn expansion_paths_are_absolute() {
    let expansion = expand(
        quote!(crate = rt),
        &quote!(impl Chat {
            #[receive("say")] fn say(&mut self, cx: &mut Context<Self>, command: Say) {}
            #[handler("a.b")] async fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
            #[handler(_)] fn b(&mut self, cx: &mut Context<Self>, event: &Envelope) {}
            #[receive(_)] fn c(&mut self, cx: &mut Context<Self>, error: CommandError) {}
            #[handler("c.d", blocking)] fn d(&mut self, cx: &mut Context<Self>, event: &D) {}
            #[handler("e.f")] fn e(event: &E, at: &Position) -> String {}
            #[history_lost] fn lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) {}
        }),
    );
    let file: syn::File = syn::parse2(expansion).expect("an expansion parses");
    let generated = file.items.iter().skip(1).map(text).collect::<Vec<_>>().join("\n");
    assert!(!generated.contains("channels_runtime"), "{generated}");
    for prelude in ["Ok(", "Err(", "Some(", "None", "Result<", "Option<", "Send", "Sized", "Box<", "panic!"] {
        for (at, _) in generated.match_indices(prelude) {
            assert!(generated[..at].ends_with("::"), "`{prelude}` without a path in {}", &generated[at - 40..]);
        }
    }
}
