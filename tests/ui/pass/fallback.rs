//! What has no handler and what is no command, with and without `#[cfg]`; and what one description says of a consumer.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[group("hall", events(ChatMessage))]
struct Hall;

#[derive(serde::Deserialize)]
struct Say {
    #[serde(rename = "saidText")]
    text: String,
}

struct ChatConsumer;

#[consumer(groups(Room), sends(Line))]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room { id: 7 }).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line { line: event.message.clone() })
    }

    /// An alias of the type is the type.
    #[handler(_)]
    fn unknown(&mut self, cx: &mut Context<Self>, event: &Anything) {
        let _: (&str, ChannelName<Self>) = (event.event_name(), cx.channel_name());
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.send(&Line { line: say.text }).await
    }

    #[receive(_)]
    async fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) -> Result<()> {
        cx.refuse(&error).await
    }
}

type Anything = Envelope;

#[derive(serde::Serialize)]
struct Line {
    line: String,
}

/// One that lists no groups joins any.
#[derive(Default)]
struct Cut;

#[consumer]
impl Cut {
    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, _event: &ChatMessage) -> Result<()> {
        cx.group_add(&Hall).await
    }

    #[cfg(not(any()))]
    #[handler(_)]
    async fn here(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}

    #[cfg(any())]
    #[handler(_)]
    async fn gone(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}

    #[cfg(any())]
    #[receive(_)]
    async fn refused(&mut self, _cx: &mut Context<Self>, _error: CommandError) {}
}

check_app! { consumers: [ChatConsumer, Cut], groups: [Room, Hall] }

#[test]
fn runs() {
    let info = <ChatConsumer as channels_runtime::Consumer>::INFO;
    let message = &info.handlers[0];
    assert_eq!((message.fields)(), ["message"]);
    assert!((message.payload)().ends_with("ChatMessage"));
    assert!(message.returns.expect("it has no `self`")().contains("Json<"));
    assert_eq!(info.fallback, Some("unknown"));
    assert_eq!((info.commands[0].fields)(), ["saidText"]);
    assert_eq!(info.raw, None);
    let room = &info.groups[0];
    assert!((room.group)().ends_with("Room"));
    assert_eq!((room.pattern, room.events[0].name), ("room_{id}", "chat.message"));
    assert_eq!((room.events[0].fields)(), ["message"]);
    assert!(info.sends[0]().ends_with("Line"));
    let cut = <Cut as channels_runtime::Consumer>::INFO;
    assert_eq!((cut.fallback, cut.groups.len()), (Some("here"), 0));
}
