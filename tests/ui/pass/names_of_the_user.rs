//! The names in an expansion do not clash with the user's names, such as `ChatEvent`, even if those are imported by a `*`. Two
//! consumers may differ only in their generic arguments.

use channels_runtime::Consumer;
use channels_runtime::prelude::*;

mod events {
    use channels_runtime::prelude::*;

    #[event("chat.event")]
    pub(super) struct ChatEvent {
        pub(super) text: String,
    }

    #[derive(serde::Deserialize)]
    pub(super) struct ChatCommand {
        pub(super) text: String,
    }
}

use events::*;

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {
    #[handler("chat.event")]
    fn chat_event(event: &ChatEvent) -> String {
        event.text.clone()
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, command: ChatCommand) -> Result<()> {
        cx.send_text(command.text).await
    }
}

#[derive(Default)]
struct Wrap<T>(T);

#[consumer]
impl Wrap<u8> {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

#[consumer]
impl Wrap<u16> {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _bytes: Vec<u8>) {}
}

#[test]
fn runs() {
    assert_eq!(<Chat as Consumer>::INFO.name, "Chat");
    assert!(Wrap::<u16>::decode_command(Frame::text("a")).is_err());
    assert!(Wrap::<u8>::decode_command(Frame::text("a")).is_ok());
}
