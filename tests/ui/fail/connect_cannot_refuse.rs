//! The prelude's `Result<Self>` cannot hold a `Reject`.

use channels_runtime::prelude::*;

struct User;

struct Inbox;

#[consumer]
impl Inbox {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self> {
        cx.scope().user::<User>().ok_or(Reject::unauthorized())?;
        Ok(Self)
    }
}

struct Open;

#[consumer]
impl Open {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self> {
        Ok(Self)
    }
}

fn main() {}
