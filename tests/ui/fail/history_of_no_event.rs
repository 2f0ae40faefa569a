//! A type in the list of a group with a history is not an event.

use channels_runtime::prelude::*;

struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage), history(size = 100, ttl = "10m"))]
struct Room {
    id: u64,
}

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[history_lost]
    fn history_lost(&mut self, cx: &mut Context<Self>, _lost: &HistoryLost) {
        cx.close(CloseCode::TRY_AGAIN_LATER);
    }
}

fn main() {}
