//! A command, a reply, a refusal and a message without a schema.

use channels_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Bid {}

#[derive(Deserialize, JsonSchema)]
struct Ask {}

#[derive(Serialize)]
struct Taken;

#[derive(Serialize, JsonSchema)]
struct Price;

#[derive(Serialize)]
enum Outbid {}

#[derive(Serialize)]
struct News;

#[event("news.line")]
struct NewsLine {}

#[derive(Default)]
struct BidConsumer;

#[consumer]
impl BidConsumer {
    #[receive("bid")]
    fn bid(&mut self, _cx: &mut Context<Self>, _bid: Bid) {}
}

#[derive(Default)]
struct ReplyConsumer;

#[consumer]
impl ReplyConsumer {
    #[receive("ask")]
    fn ask(&mut self, _cx: &mut Context<Self>, _ask: Ask) -> Result<Taken> {
        Ok(Taken)
    }
}

#[derive(Default)]
struct RefusalConsumer;

#[consumer]
impl RefusalConsumer {
    #[receive("ask")]
    fn ask(&mut self, _cx: &mut Context<Self>, _ask: Ask) -> std::result::Result<Price, Outbid> {
        Ok(Price)
    }
}

#[derive(Default)]
struct SendConsumer;

#[consumer(sends(News))]
impl SendConsumer {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

#[derive(Default)]
struct NewsConsumer;

#[consumer]
impl NewsConsumer {
    #[handler("news.line")]
    fn news_line(_event: &NewsLine) -> Json<News> {
        Json(News)
    }
}

contract! {
    name: "news",
    routes: [
        BidConsumer at "/bid/",
        ReplyConsumer at "/reply/",
        RefusalConsumer at "/refusal/",
        SendConsumer at "/send/",
        NewsConsumer at "/news/",
    ],
}

fn main() {}
