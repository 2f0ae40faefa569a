//! Test clients that know their consumer.

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[event("shop.sold")]
struct ShopSold {
    item: String,
}

#[event("shop.gone")]
struct ShopGone {
    item: String,
}

#[group("shop", events(ShopSold, ShopGone))]
struct Shop;

#[derive(Serialize, Deserialize)]
struct Buy {
    item: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Welcome {
    open: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sold {
    item: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SoldOut {
    left: u32,
}

#[derive(Serialize, Deserialize)]
struct Leave;

type Bought = Result<u32, SoldOut>;

struct ShopConsumer;

#[consumer(tag = "do", ok = "done", error = "failed", ref = "id", groups(Shop), sends(Welcome, Sold))]
impl ShopConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Shop).await?;
        cx.send(&Welcome { open: true }).await?;
        Ok(Self)
    }

    #[receive("buy")]
    async fn buy(&mut self, cx: &mut Context<Self>, buy: Buy) -> Result<Result<u32, SoldOut>> {
        if buy.item == "nothing" {
            return Ok(Err(SoldOut { left: 0 }));
        }
        cx.group_send(&Shop, &ShopSold { item: buy.item }).await?;
        Ok(Ok(7))
    }

    #[receive("try")]
    fn r#try(&mut self, _cx: &mut Context<Self>, _: Buy) -> Result<u32> {
        Ok(1)
    }

    /// The alias hides the answer from the macro.
    #[receive("buy.again")]
    fn buy_again(&mut self, _cx: &mut Context<Self>, _: Buy) -> Bought {
        Ok(2)
    }

    #[receive("leave")]
    fn leave(&mut self, cx: &mut Context<Self>, _: Leave) {
        cx.close(CloseCode::NORMAL);
    }

    #[handler("shop.sold")]
    fn shop_sold(event: &ShopSold) -> Json<Sold> {
        Json(Sold { item: event.item.clone() })
    }

    // The same message as that of another handler, and one of the list.
    #[handler("shop.gone")]
    fn shop_gone(event: &ShopGone) -> Option<Json<Sold>> {
        Some(Json(Sold { item: event.item.clone() }))
    }
}

async fn connected() -> (Channels, WebsocketCommunicator<ShopConsumer>) {
    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<ShopConsumer>(warp::path!("shop"));
    let mut client = WebsocketCommunicator::new(route, "/shop").named("ann").of::<ShopConsumer>();
    client.connect().await.unwrap();
    assert_eq!(client.hears::<Welcome>().await.unwrap(), Welcome { open: true });
    (channels, client)
}

#[tokio::test(start_paused = true)]
async fn client_of_a_consumer_says_asks_and_hears() {
    let (channels, mut client) = connected().await;
    client.say(ShopConsumer::BUY, &Buy { item: "tea".into() }).await.unwrap();
    assert_eq!(client.hears::<Sold>().await.unwrap(), Sold { item: "tea".into() });

    assert_eq!(client.ask(ShopConsumer::BUY, &Buy { item: "jam".into() }).await.unwrap(), Ok(7));
    assert_eq!(client.hears::<Sold>().await.unwrap(), Sold { item: "jam".into() });
    let refused = client.ask(ShopConsumer::BUY, &Buy { item: "nothing".into() }).await.unwrap();
    assert_eq!(refused, Err(SoldOut { left: 0 }));
    let tried: Result<u32, Value> = client.ask(ShopConsumer::TRY, &Buy { item: String::new() }).await.unwrap();
    assert_eq!(tried, Ok(1));

    channels.channel_layer().group_send(&Shop, &ShopGone { item: "ink".into() }).await.unwrap();
    assert_eq!(client.hears::<Sold>().await.unwrap(), Sold { item: "ink".into() });

    assert_eq!(ShopConsumer::BUY_AGAIN.name(), "buy.again");
    client.say(ShopConsumer::BUY_AGAIN, &Buy { item: String::new() }).await.unwrap();
    assert!(client.receive_nothing().await);
    client.say(ShopConsumer::LEAVE, &Leave).await.unwrap();
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::NORMAL);
}

#[tokio::test(start_paused = true)]
async fn another_message_than_the_expected_one_is_an_error_with_its_text() {
    let (_channels, mut client) = connected().await;
    client.say(ShopConsumer::BUY, &Buy { item: "tea".into() }).await.unwrap();
    let error = client.hears::<Welcome>().await.unwrap_err();
    assert!(matches!(&error, CommunicatorError::Json { text, .. } if text == r#"{"item":"tea"}"#), "{error}");
    assert!(error.to_string().contains("commands.rs") && error.to_string().contains("`ann` (/shop)"), "{error}");
}
