//! The canvas: its events, and the consumer of its pages.

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A position on the canvas: 0 is left or top, 1 is right or bottom.
#[event("cursor.move", volatile, coalesce = "user_id")]
pub(crate) struct CursorMove {
    user_id: u32,
    x: f32,
    y: f32,
}

/// Removes a cursor. This event must arrive, or the cursor would stay forever.
#[event("cursor.gone")]
pub(crate) struct CursorGone {
    user_id: u32,
}

#[group("canvas", events(CursorMove, CursorGone))]
pub(crate) struct Canvas;

/// The command of the page when the cursor has moved.
#[derive(Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Move {
    x: f32,
    y: f32,
}

/// The first message: the id of the user.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct You {
    you: u32,
}

/// The id and the position of a cursor.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Moved {
    r#move: (u32, f32, f32),
}

/// The id of a cursor that is removed.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Gone {
    gone: u32,
}

pub(crate) struct CursorConsumer {
    user_id: u32,
}

#[consumer(sends(You))]
impl CursorConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let (user_id, ..) = Uuid::new_v4().as_fields();
        cx.group_add(&Canvas).await?;
        cx.send(&You { you: user_id }).await?;
        Ok(Self { user_id })
    }

    #[receive("move")]
    async fn moved(&mut self, cx: &mut Context<Self>, Move { x, y }: Move) -> Result<()> {
        let (x, y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
        cx.group_send(&Canvas, &CursorMove { user_id: self.user_id, x, y }).await
    }

    #[handler("cursor.move")]
    fn cursor_move(event: &CursorMove) -> Json<Moved> {
        Json(Moved { r#move: (event.user_id, event.x, event.y) })
    }

    #[handler("cursor.gone")]
    fn cursor_gone(event: &CursorGone) -> Json<Gone> {
        Json(Gone { gone: event.user_id })
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        cx.group_send(&Canvas, &CursorGone { user_id: self.user_id }).await
    }
}
