//! Every name that Django Channels can handle is the name of an event.

use channels_runtime::Consumer;
use channels_runtime::prelude::*;

#[event("sendMessage")]
struct SendMessage {
    text: String,
}

#[event("send.message")]
struct SendDotted {
    text: String,
}

#[event("websocket_message")]
struct WebsocketMessage {
    text: String,
}

#[event("http.done")]
struct HttpDone;

#[event("raw")]
struct Raw;

#[event("größe.geändert")]
struct Resized;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("sendMessage")]
    fn send_message(event: &SendMessage) -> String {
        event.text.clone()
    }

    #[handler("send.message")]
    fn send_dotted(event: &SendDotted) -> String {
        event.text.clone()
    }

    #[handler("websocket_message")]
    fn websocket_message(event: &WebsocketMessage) -> String {
        event.text.clone()
    }

    #[handler("http.done")]
    fn http_done(_: &HttpDone) -> &'static str {
        "done"
    }

    #[handler("raw")]
    fn raw(_: &Raw) -> &'static str {
        "raw"
    }

    #[handler("größe.geändert")]
    fn resized(_: &Resized) -> &'static str {
        "resized"
    }

    #[handler(_)]
    async fn other(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}
}

#[test]
fn runs() {
    let variants: Vec<&str> = <ChatConsumer as Consumer>::INFO.handlers.iter().map(|handler| handler.variant).collect();
    assert_eq!(
        variants,
        ["SendMessage", "Send_message", "WebsocketMessage", "HttpDone", "Raw_", "GrößeGeändert"],
        "each name has its own"
    );
}
