//! What a public consumer captures is public.


mod inner {
    use channels_runtime::prelude::*;

    struct RoomId(u64);

    pub struct Chat;

    #[consumer]
    impl Chat {
        #[connect]
        async fn connect(_cx: &mut Context<Self>, room: RoomId) -> Result<Self, Reject> {
            let _ = room.0;
            Ok(Self)
        }
    }
}

fn main() {}
