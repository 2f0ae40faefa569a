//! `#[handler(_)]` and `#[receive(_)]` methods with wrong signatures.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct Typed;

#[consumer]
impl Typed {
    #[handler(_)]
    async fn unknown(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) {}

    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _text: ChatText) {}

    #[receive(_)]
    async fn refused(&mut self, _cx: &mut Context<Self>, _error: String) {}
}

#[derive(serde::Deserialize)]
struct ChatText {}

#[derive(Default)]
struct Shaped;

#[consumer]
impl Shaped {
    #[handler(_)]
    fn unknown(event: &Envelope) -> String {
        event.event_name().into()
    }

    #[handler(_)]
    async fn owned(&mut self, _cx: &mut Context<Self>, _event: Envelope) {}

    #[receive(_)]
    async fn refused(&mut self, _error: CommandError) {}

    #[receive(_)]
    async fn borrowed(&mut self, _cx: &mut Context<Self>, _error: &CommandError) {}
}

fn main() {}
