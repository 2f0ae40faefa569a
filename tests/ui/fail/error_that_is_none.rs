//! Types that `?` cannot convert, in a handler and in `#[connect]`.

use channels_runtime::prelude::*;

struct User;

struct ChatConsumer;

fn load() -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok("7".parse()?)
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.scope().user::<User>().ok_or("nobody")?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.scope().user::<User>().ok_or(Reject::unauthorized())?;
        cx.send_text(format!("{text} {}", load()?)).await
    }
}

fn main() {}
