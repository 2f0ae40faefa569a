//! Arguments without a comma between them.

use channels_runtime::prelude::*;

#[event("cursor.move" volatile)]
struct CursorMove;

#[group("board_{id}" events(CursorMove))]
struct Board {
    id: u64,
}

#[derive(Default)]
struct BoardConsumer;

#[consumer(groups(Board) mailbox = "drop_oldest")]
impl BoardConsumer {
    #[handler("cursor.move" blocking)]
    fn cursor_move(&mut self, _cx: &mut Context<Self>, _event: &CursorMove) {}
}

check_app! { consumers: [BoardConsumer] groups: [Board] }

fn main() {}
