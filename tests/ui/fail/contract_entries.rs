//! Misspelt and missing entries.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

mod misspelt {
    channels_runtime::contract! {
        name: "chat",
        route: [super::ChatConsumer at "/chat/"],
    }
}

mod without_address {
    channels_runtime::contract! {
        name: "chat",
        routes: [super::ChatConsumer],
    }
}

mod without_name {
    channels_runtime::contract! {
        routes: [super::ChatConsumer at "/chat/"],
    }
}

fn main() {}
