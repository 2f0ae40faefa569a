//! The names of the attributes of methods stay free for functions, modules and macros of the user's.
#![deny(warnings)]

use channels_runtime::prelude::*;

mod connect {
    pub fn handler() -> &'static str {
        "mine"
    }
}

macro_rules! receive {
    () => {
        connect::handler()
    };
}

fn handler() -> &'static str {
    receive!()
}

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer {
    disconnect: bool,
}

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        self.disconnect = text == "bye";
        cx.send_text(text).await
    }

    #[handler("chat.message")]
    fn handler(event: &ChatMessage) -> String {
        format!("{}: {}", handler(), event.message)
    }
}

#[test]
fn runs() {
    let channels = Channels::builder().build().unwrap();
    let _ = channels.route::<ChatConsumer>(warp::path!("chat"));
    assert!(!ChatConsumer::default().disconnect);
}
