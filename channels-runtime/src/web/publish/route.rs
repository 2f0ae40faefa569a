//! The route `/publish`.

use std::sync::Arc;

use http::{HeaderMap, Method};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::app::Channels;
use crate::web::publish::publish::Publish;
use crate::web::publish::publisher::Publisher;

impl Channels {
    /// Returns the route `/publish`, on which a backend sends events to groups and channels with an HTTP request:
    ///
    /// ```text
    /// POST /publish
    /// Authorization: Bearer <secret>
    /// Content-Type: application/json
    ///
    /// {"group": "order-7", "event": {"type": "order.paid", "amount": 12}}
    /// ```
    ///
    /// The group's name must be one of the groups of `publish`, the group must carry the event, and the fields must fit its type;
    /// then the event goes to the channel layer of this application, and so to all of its processes, and the response is 202.
    /// `{"channel": ..}` instead of `{"group": ..}` sends to one channel, and `{"messages": [..]}` up to 1,000 messages, of which
    /// none is sent if one is wrong. Any other response has `{"error": {"code": .., "message": ..}}`.
    ///
    /// Instead of the bearer secret, a request may be signed: `docs/backends.md` describes that, the header `Idempotency-Key`, and
    /// all errors. [`PublishStats`](crate::stats::PublishStats) counts the requests.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use channels_runtime::web::Publish;
    ///
    /// #[event("order.paid")]
    /// struct OrderPaid { amount: u32 }
    ///
    /// #[group("order-{id}", events(OrderPaid))]
    /// struct Order { id: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # let secret = "a-secret-of-at-least-thirty-two-bytes";
    /// let channels = Channels::builder().build()?;
    /// let publish = Publish::builder().secret(secret).group::<Order>().build()?;
    /// let routes = channels.publish(publish);      // .or(channels.route::<OrderConsumer>(..))
    /// # let layer = channels.channel_layer();
    /// # let reader = layer.new_channel().await?;
    /// # layer.group_add(&Order { id: 7 }, reader.name()).await?;
    /// # let server = channels.bind(([127, 0, 0, 1], 0)).await?;
    /// # let mut client = tokio::net::TcpStream::connect(server.local_addr()).await?;
    /// # tokio::spawn(server.serve(routes));
    /// # let body = r#"{"group": "order-7", "event": {"type": "order.paid", "amount": 12}}"#;
    /// # let head = format!("POST /publish HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json");
    /// # client.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    /// # let mut answer = String::new();
    /// # client.read_to_string(&mut answer).await?;
    /// # assert!(answer.starts_with("HTTP/1.0 202"), "{answer}");
    /// # let paid: OrderPaid = reader.receive().await.unwrap().decode()?;
    /// # assert_eq!(paid.amount, 12);
    /// # Ok(()) }
    /// ```
    ///
    /// The checks of a WebSocket route (origin, login) do not apply: whoever has the secret may publish. Keep the route on a
    /// private address, or behind TLS.
    pub fn publish(&self, publish: Publish) -> BoxedFilter<(Response,)> {
        let publisher = Publisher::new(self, publish);
        warp::path!("publish")
            .and(warp::method())
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(move |method: Method, headers: HeaderMap, body| {
                let publisher = Arc::clone(&publisher);
                async move { publisher.respond(method, headers, body).await }
            })
            .boxed()
    }
}
