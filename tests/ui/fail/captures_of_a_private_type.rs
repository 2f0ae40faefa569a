//! The types that a public consumer captures must be public.


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
