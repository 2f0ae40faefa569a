//! A test waits for an event that does not reach the group or the channel.

use channels_runtime::prelude::*;
use channels_runtime::testing::LayerProbe;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

async fn somebody_joins(probe: &LayerProbe, channel: &ChannelName<ChatConsumer>) {
    probe.assert_sent::<ChatJoin>(&Room { id: 7 }).await;
    probe.assert_sent_to::<ChatJoin>(channel).await;
}

fn main() {}
