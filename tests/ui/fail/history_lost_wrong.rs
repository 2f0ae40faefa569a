//! `#[history_lost]` takes `&mut self`, the context and the notice. If it is wrong, it is not missing, too.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage), history(size = 100, ttl = "10m"))]
struct Room {
    id: u64,
}

struct WithoutNotice;

#[consumer]
impl WithoutNotice {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[history_lost]
    async fn lost(&mut self, _cx: &mut Context<Self>) {}
}

struct WithoutContext;

#[consumer]
impl WithoutContext {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[history_lost]
    fn lost(&mut self, _lost: &HistoryLost) {}
}

struct ByValue;

#[consumer]
impl ByValue {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[history_lost]
    fn lost(&mut self, _cx: &mut Context<Self>, _lost: HistoryLost) {}
}

struct OfAnotherType;

#[consumer]
impl OfAnotherType {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[history_lost]
    fn lost(&mut self, _cx: &mut Context<Self>, _lost: &channels_runtime::history::Cause) {}
}

struct Answers;

#[consumer]
impl Answers {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[history_lost]
    fn lost(&mut self, _cx: &mut Context<Self>, lost: &HistoryLost) -> String {
        lost.cause.to_string()
    }
}

struct Twice;

#[consumer]
impl Twice {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[history_lost]
    fn lost(&mut self, _cx: &mut Context<Self>, _lost: &HistoryLost) {}

    #[history_lost]
    fn again(&mut self, _cx: &mut Context<Self>, _lost: &HistoryLost) {}
}

struct Misspelt;

#[consumer]
impl Misspelt {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { id }, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, _at: &Position) -> String {
        event.message.clone()
    }

    #[histroy_lost("room")]
    fn lost(&mut self, _cx: &mut Context<Self>, _lost: &HistoryLost) {}
}

fn main() {}
