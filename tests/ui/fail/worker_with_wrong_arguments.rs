//! The arguments of a worker are a tuple.

use channels_runtime::prelude::*;

#[event("thumbnail.wanted")]
struct ThumbnailWanted {
    id: u64,
}

struct ThumbnailConsumer {
    size: u64,
}

#[consumer]
impl ThumbnailConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>, size: u64) -> Result<Self, Reject> {
        Ok(Self { size })
    }

    #[handler("thumbnail.wanted")]
    fn thumbnail_wanted(&mut self, _cx: &mut Context<Self>, event: &ThumbnailWanted) {
        let _ = (self.size, event.id);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    Channels::builder().build().unwrap().worker_with::<ThumbnailConsumer>("thumbnails", 128).run().await
}
