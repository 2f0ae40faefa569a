//! Measures joining and leaving a group next to 10, 1,000 and 100,000 groups, in the in-memory layer and without sockets.
//! Not every machine allows that many connections, and the sockets would cost more than the measured calls.

use std::time::Instant;

use channels_runtime::prelude::*;

/// Joins and leaves in one measurement.
const TIMES: u32 = 20_000;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("chat_{number}", events(ChatMessage))]
struct Room {
    number: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut sizes = Vec::new();
    for standing in [10, 1_000, 100_000] {
        let layer = ChannelLayer::in_memory();
        let mut members = Vec::new();
        for number in 0..standing {
            let channel = layer.new_channel().await?;
            layer.group_add(&Room { number }, channel.name()).await?;
            members.push(channel);
        }
        let newcomer = layer.new_channel().await?;
        let (mut joining, mut leaving) = (0, 0);
        for time in 0..TIMES {
            // Half of the groups have other members; the other half are created and removed.
            let room = Room { number: time * 7 % (2 * standing) };
            let began = Instant::now();
            layer.group_add(&room, newcomer.name()).await?;
            let joined = Instant::now();
            layer.group_discard(&room, newcomer.name()).await?;
            joining += (joined - began).as_nanos();
            leaving += joined.elapsed().as_nanos();
        }
        assert_eq!(layer.groups_here(), members.len(), "every created group is removed");
        let each = |nanos: u128| nanos as f64 / f64::from(TIMES);
        sizes.push(format!(
            r#"{{"standing": {standing}, "join_ns": {:.1}, "leave_ns": {:.1}}}"#,
            each(joining),
            each(leaving)
        ));
    }
    println!(r#"{{"clean": true, "standing_sizes": [{}]}}"#, sizes.join(", "));
    Ok(())
}
