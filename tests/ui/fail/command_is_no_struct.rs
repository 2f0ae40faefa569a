//! A client sends a command as an object. The compiler looks through an alias, and sees an enum and a list in any spelling.

use channels_runtime::prelude::*;
use serde::Deserialize;

type Text = String;
type Ids = (u64, u64);

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Cmd {
    Say { text: String },
    Leave,
}

mod color {
    #[derive(serde::Deserialize)]
    pub enum Color {
        Red,
        Green,
    }
}

#[derive(Default)]
struct RoomConsumer;

#[consumer]
impl RoomConsumer {
    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _text: Text) {}

    #[receive("move")]
    async fn moved(&mut self, _cx: &mut Context<Self>, _ids: Ids) {}

    #[receive("do")]
    async fn act(&mut self, _cx: &mut Context<Self>, _command: Cmd) {}

    #[receive("paint")]
    async fn paint(&mut self, _cx: &mut Context<Self>, _color: color::Color) {}
}

fn main() {}
