//! A capture that is not an argument of `#[connect]`, and two consumers at one address.

use channels_runtime::prelude::*;

struct RoomConsumer;

#[consumer]
impl RoomConsumer {
    #[connect]
    async fn connect(_: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let _ = room;
        Ok(Self)
    }
}

#[derive(Default)]
struct LobbyConsumer;

#[consumer]
impl LobbyConsumer {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

contract! {
    name: "rooms",
    routes: [RoomConsumer at "/ws/{rom}/", LobbyConsumer at "/lobby/"],
}

mod twice {
    use channels_runtime::prelude::*;

    use super::{LobbyConsumer, RoomConsumer};

    contract! {
        name: "rooms",
        routes: [LobbyConsumer at "/lobby/", RoomConsumer at "/lobby/"],
    }
}

fn main() {}
