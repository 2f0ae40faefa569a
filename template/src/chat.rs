//! A room: every member receives what one of them sends.

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[event("chat.message")]
pub struct ChatMessage {
    pub message: String,
}

#[group("chat_{room}", events(ChatMessage))]
pub struct Room {
    pub room: String,
}

/// A message from the page, and to it.
#[derive(Serialize, Deserialize)]
pub struct Line {
    pub message: String,
}

pub struct ChatConsumer {
    room: Room,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = Room { room };
        // Without this check, `group_add` rejects with 404, but without the reason.
        room.name()
            .map_err(|error| Reject::not_found().reason(error.to_string()))?;
        cx.group_add(&room).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(line): Json<Line>) -> Result<()> {
        cx.group_send(
            &self.room,
            &ChatMessage {
                message: line.message,
            },
        )
        .await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line {
            message: event.message.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};

    use super::*;

    #[tokio::test]
    async fn members_of_a_room_receive_its_messages() -> Result<(), CommunicatorError> {
        let channels = Channels::builder().build().unwrap();
        let app = crate::app(channels);
        let mut ann = WebsocketCommunicator::new(app.clone(), "/ws/chat/lobby").named("ann");
        let mut bob = WebsocketCommunicator::new(app.clone(), "/ws/chat/lobby").named("bob");
        let mut eve = WebsocketCommunicator::new(app, "/ws/chat/attic").named("eve");
        ann.connect().await?;
        bob.connect().await?;
        eve.connect().await?;
        ann.send_to(r#"{"message": "hi"}"#).await?;
        for client in [&mut ann, &mut bob] {
            assert_eq!(client.receive_text_from().await?, r#"{"message":"hi"}"#);
        }
        assert!(eve.receive_nothing().await);
        Ok(())
    }
}
