//! An application whose parts fit together.

use channels_runtime::check_app;
use channels_runtime::prelude::*;

mod events {
    use channels_runtime::prelude::*;

    #[event("chat.message")]
    pub struct ChatMessage {
        pub message: String,
    }

    #[event("chat.kick")]
    pub struct ChatKick;

    #[group("room_{id}", events(ChatMessage))]
    pub struct Room<'a> {
        pub id: &'a str,
    }
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &events::ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.kick")]
    fn chat_kick(&mut self, cx: &mut Context<Self>, _event: &events::ChatKick) {
        cx.close(CloseCode::POLICY);
    }
}

check_app! {
    consumers: [ChatConsumer],
    groups: [events::Room<'_>],
    direct: [events::ChatKick],
}

#[test]
fn runs() {
    let room = events::Room { id: "a" };
    assert_eq!(room.name().unwrap().as_str(), "room_a");
}
