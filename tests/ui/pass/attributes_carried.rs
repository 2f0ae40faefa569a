//! The macro copies the docs and lint levels of a method to its variant. The method itself keeps all of its attributes.

#![deny(deprecated, non_camel_case_types)]

use channels_runtime::Consumer;
use channels_runtime::prelude::*;

#[event("chat.message")]
#[derive(Debug)]
struct ChatMessage {
    message: String,
}

#[derive(serde::Deserialize)]
#[allow(non_camel_case_types)]
struct say {
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
#[allow(clippy::needless_pass_by_value)]
impl ChatConsumer {
    /// A line of the chat.
    #[handler("chat.message")]
    #[must_use]
    #[inline]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    /// What a client says.
    #[receive("say")]
    #[allow(unused_mut, unused_variables)]
    async fn say(&mut self, cx: &mut Context<Self>, mut command: say) {
        let unused = command.text;
    }
}

#[test]
fn runs() {
    type Event = <ChatConsumer as Consumer>::Event;
    type Command = <ChatConsumer as Consumer>::Command;
    let event = Event::ChatMessage(ChatMessage { message: "hi".into() });
    assert_eq!(format!("{event:?}"), "ChatMessage");
    assert_eq!(format!("{:?}", Command::Say(say { text: "hi".into() })), "Say");
    assert_eq!(ChatConsumer::chat_message(&ChatMessage { message: "hi".into() }), "hi");
}
