//! What a client says and what the layer brings are two tables: a client cannot call a handler.

use channels_runtime::prelude::*;
use channels_runtime::{CommandError, Consumer};

#[event("chat.kick")]
struct ChatKick;

#[derive(serde::Deserialize)]
struct Say {
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, command: Say) -> Result<()> {
        cx.send_text(command.text).await
    }

    #[handler("chat.kick")]
    fn chat_kick(&mut self, cx: &mut Context<Self>, _event: &ChatKick) {
        cx.close(CloseCode::POLICY);
    }
}

#[test]
fn runs() {
    type Command = <ChatConsumer as Consumer>::Command;
    let decode = |text: &str| ChatConsumer::decode_command(Frame::text(text));
    let said = decode(r#"{"type": "say", "text": "hi"}"#).expect("it is a command");
    assert!(matches!(said.command, Command::Say(Say { text }) if text == "hi"));
    let Err(CommandError::Unknown { name, commands, .. }) = decode(r#"{"type": "chat.kick"}"#) else {
        panic!("a client called a handler")
    };
    assert_eq!((name.as_str(), commands), ("chat.kick", ["say"].as_slice()));
    assert!(matches!(decode(r#"{"type": "say"}"#), Err(CommandError::Malformed { name: "say", .. })));
    assert!(decode("hello").is_err());
}
