//! Types of commands that no client can send, and that only a running program can find.

use channels_runtime::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "type")]
#[expect(dead_code, reason = "no client can send it")]
enum Action {
    Say { text: String },
    Leave,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "no client can send it")]
struct Act {
    room: u64,
    #[serde(flatten)]
    action: Action,
}

#[derive(Default)]
struct TypeConsumer;

#[consumer]
impl TypeConsumer {
    #[receive("act")]
    async fn act(&mut self, _cx: &mut Context<Self>, _act: Act) {}
}

#[derive(Default)]
struct CommandConsumer;

#[consumer(tag = "command")]
impl CommandConsumer {
    #[receive("act")]
    async fn act(&mut self, _cx: &mut Context<Self>, _act: Act) {}
}

#[test]
fn route_of_command_that_reads_its_tag_panics() {
    let channels = Channels::builder().build().unwrap();
    let route = std::panic::AssertUnwindSafe(|| drop(channels.route::<TypeConsumer>(warp::path!("ws"))));
    let panic = std::panic::catch_unwind(route).expect_err("no client can send the command");
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("no client can send the command \"act\" of consumer `TypeConsumer`: `"), "{message}");
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| channels.axum::<TypeConsumer>())).expect_err("the same");
    drop(channels.axum::<CommandConsumer>());
    assert!(message.contains("`#[consumer(tag = \"command\")]`"), "{message}");
    drop(channels.route::<CommandConsumer>(warp::path!("ws")));
}
