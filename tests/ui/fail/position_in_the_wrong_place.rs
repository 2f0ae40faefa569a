//! The position is the last argument of a handler, and it is the only error of a group that needs it.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.edit")]
struct ChatEdit {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {}

#[group("room_{id}", events(ChatMessage, ChatEdit, ChatJoin), history(size = 100, ttl = "10m"))]
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
    fn chat_message(at: &Position, event: &ChatMessage) -> Json<(String, Position)> {
        Json((event.message.clone(), *at))
    }

    #[handler("chat.edit")]
    async fn chat_edit(&mut self, cx: &mut Context<Self>, at: &Position, event: &ChatEdit) -> Result<()> {
        cx.send_json(&(&event.message, at)).await
    }

    #[handler("chat.join")]
    async fn chat_join(&mut self, _event: &ChatJoin, _at: &Position) {}

    #[handler(_)]
    fn unknown(&mut self, _cx: &mut Context<Self>, _event: &Envelope, _at: &Position) {}

    #[history_lost]
    fn history_lost(&mut self, cx: &mut Context<Self>, _lost: &HistoryLost) {
        cx.close(CloseCode::TRY_AGAIN_LATER);
    }
}

fn main() {}
