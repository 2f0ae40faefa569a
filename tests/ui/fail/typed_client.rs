//! A test client that knows its consumer, and what it cannot say and hear.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Say {
    text: String,
}

#[derive(Deserialize)]
struct Vote {
    option: u32,
}

#[derive(Serialize, Deserialize)]
struct Joined {
    members: u32,
}

#[derive(Serialize, Deserialize)]
struct Left {
    members: u32,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer(sends(Joined))]
impl ChatConsumer {
    #[receive("say")]
    fn say(&mut self, _cx: &mut Context<Self>, say: Say) {
        drop(say.text);
    }

    #[receive("vote")]
    fn vote(&mut self, _cx: &mut Context<Self>, vote: Vote) -> Result<u32, String> {
        Ok(vote.option)
    }
}

#[derive(Default)]
struct OtherConsumer;

#[consumer]
impl OtherConsumer {
    #[receive("say")]
    fn say(&mut self, _cx: &mut Context<Self>, say: Say) {
        drop(say.text);
    }
}

async fn test(untyped: WebsocketCommunicator, mut client: WebsocketCommunicator<ChatConsumer>) -> Result<()> {
    // A message that it never sends.
    client.hears::<Left>().await?;
    // Another payload.
    client.say(ChatConsumer::SAY, &Joined { members: 1 }).await?;
    // Another consumer's command.
    client.say(OtherConsumer::SAY, &Say { text: "hi".into() }).await?;
    // A command that it does not have.
    client.say(ChatConsumer::SHOUT, &Say { text: "hi".into() }).await?;
    // A command that does not answer.
    client.ask(ChatConsumer::SAY, &Say { text: "hi".into() }).await?;
    // A payload that cannot be sent.
    client.say(ChatConsumer::VOTE, &Vote { option: 1 }).await?;
    // A client that knows no consumer.
    let mut untyped = untyped;
    untyped.say(ChatConsumer::SAY, &Say { text: "hi".into() }).await?;
    Ok(())
}

fn main() {}
