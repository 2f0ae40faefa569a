//! Handlers that fail or panic: the log record and the close code.

use channels_runtime::prelude::*;
use serde_json::json;
use tracing::Level;

use crate::codec::invalid_input::{ChatMessage, ChatStrict, ROOM, Say, application, client, good};
use crate::support::records::Records;

#[tokio::test]
async fn failed_handler_is_logged_with_consumer_and_event() {
    struct Clumsy;

    #[consumer]
    impl Clumsy {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&ROOM).await?;
            Ok(Self)
        }

        #[handler("chat.message")]
        async fn chat_message(&mut self, _cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
            assert!(event.text != "panic", "a mistake");
            Err(Error::msg("a mistake"))
        }

        #[handler("chat.strict")]
        async fn chat_strict(&mut self, _cx: &mut Context<Self>, _event: &ChatStrict) -> Result<()> {
            Ok(())
        }

        #[receive("say")]
        async fn say(&mut self, _cx: &mut Context<Self>, _say: Say) -> Result<()> {
            Ok(())
        }

        #[receive("shout")]
        async fn shout(&mut self, _cx: &mut Context<Self>, shout: Say) -> Result<()> {
            assert!(shout.text != "panic", "a mistake");
            Err(Error::msg("a mistake"))
        }
    }

    let (log, _guard) = Records::listen();
    let channels = application();
    for how in ["fail", "panic"] {
        for at in ["handler", "receive"] {
            let mut client = client::<Clumsy>(&channels).await;
            client.send_to(r#"{"type": "say", "text": "", "count": 0}"#).await.unwrap();
            log.take("");
            if at == "handler" {
                channels.channel_layer().group_send(&ROOM, &good(how)).await.unwrap();
            } else {
                client.send_json_to(&json!({"type": "shout", "text": how, "count": 0})).await.unwrap();
            }
            let (code, reason) = client.receive_close().await.unwrap();
            assert_eq!((code, reason.as_str()), (CloseCode::INTERNAL_ERROR, ""), "the client receives no detail");
            let records = log.take("a handler ");
            let [record] = &records[..] else { panic!("{how}, {at}: {records:?}") };
            assert_eq!((record.level, record.field("consumer"), record.field("at")), (Level::ERROR, "Clumsy", at));
            let wanted = if at == "handler" { ("chat.message", "") } else { ("", "shout") };
            assert_eq!((record.field("event"), record.field("command")), wanted, "{record:?}");
            let problem = if how == "fail" { "error" } else { "panic" };
            assert_eq!(record.field(problem), "a mistake");
        }
    }
}
