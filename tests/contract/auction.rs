//! An application with a contract of its own: an auction whose events are kept, with commands that are answered.

use channels_runtime::history::Cause;
use channels_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody has offered more.
#[event("auction.bid")]
pub(crate) struct AuctionBid {
    /// In cents.
    price: u32,
    bidder: String,
    #[serde(default = "unknown_place", skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

impl AuctionBid {
    /// Returns the bid of somebody.
    pub(crate) fn of(price: u32) -> Self {
        Self { price, bidder: "ann".into(), place: None }
    }
}

fn unknown_place() -> Option<Place> {
    None
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Place {
    city: String,
}

/// One auction.
#[group("auction-{lot}", events(AuctionBid), history(size = 100, ttl = "10m"))]
pub(crate) struct Auction {
    pub(crate) lot: u32,
}

/// An offer.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Bid {
    pub(crate) price: u32,
}

/// The offer is the best one.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Leading {
    pub(crate) price: u32,
}

/// The offer is not the best one.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(crate) enum Outbid {
    TooLow { least: u32 },
    Closed,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Leave {}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Hello {
    pub(crate) lot: u32,
    pub(crate) hello: Position,
}

/// An offer of anybody.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Offer {
    pub(crate) offer: u32,
    pub(crate) at: Position,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Missed {
    missed: Cause,
    at: Position,
}

pub(crate) struct AuctionConsumer {
    auction: Auction,
    best: u32,
}

/// One lot.
#[consumer(tag = "command", groups(Auction), sends(Hello, Missed))]
impl AuctionConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, lot: u32) -> Result<Self, Reject> {
        let auction = Auction { lot };
        let joined = cx.group_add_since(&auction, &cx.resume()).await?;
        cx.send(&Hello { lot, hello: joined.at }).await?;
        Ok(Self { auction, best: 0 })
    }

    /// Offers more.
    #[receive("bid")]
    async fn bid(&mut self, cx: &mut Context<Self>, bid: Bid) -> Result<Result<Leading, Outbid>> {
        if bid.price <= self.best {
            return Ok(Err(Outbid::TooLow { least: self.best + 1 }));
        }
        self.best = bid.price;
        cx.group_send(&self.auction, &AuctionBid::of(bid.price)).await?;
        Ok(Ok(Leading { price: bid.price }))
    }

    #[receive("leave")]
    fn leave(&mut self, cx: &mut Context<Self>, _: Leave) {
        cx.close(CloseCode::NORMAL);
    }

    #[handler("auction.bid")]
    fn auction_bid(event: &AuctionBid, at: &Position) -> Json<Offer> {
        Json(Offer { offer: event.price, at: *at })
    }

    #[history_lost]
    async fn missed(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send(&Missed { missed: lost.cause, at: lost.at }).await
    }
}

contract! {
    name: "auction",
    routes: [AuctionConsumer at "/ws/auction/{lot}/"],
    groups: [Auction],
    direct: [],
}
