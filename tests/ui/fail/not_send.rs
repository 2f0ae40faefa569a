//! A value that is held over an `.await` must be `Send`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[derive(Default)]
struct ChatConsumer {
    count: std::sync::Mutex<u64>,
}

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        let shared = std::rc::Rc::new(event.message.clone());
        cx.send_text(&**shared).await?;
        drop(shared);
        Ok(())
    }

    #[handler("chat.join")]
    async fn chat_join(&mut self, cx: &mut Context<Self>, event: &ChatJoin) -> Result<()> {
        let count = self.count.lock().unwrap();
        cx.send_text(&*event.username).await?;
        drop(count);
        Ok(())
    }
}

fn main() {}
