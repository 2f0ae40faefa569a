//! The limits of publishing over HTTP, and a layer that is down.

use channels_runtime::prelude::*;
use futures_util::future::join_all;

use crate::support::app::{Front, on_both_servers};
use crate::support::records::Records;
use crate::support::redis::RedisServer;
use crate::web::publish::{Order, OrderPaid, SECRET, bearer, paid, post, post_with, publish, signed, start};

on_both_servers!(
    request_beyond_the_rate_gets_429,
    unauthorized_requests_do_not_use_up_the_rate,
    // The records of one thread are captured.
    #[tokio::test]
    unreachable_layer_is_503,
);

async fn request_beyond_the_rate_gets_429(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish().max_requests_per_second(2)).await;
    let message = paid(1);
    let answers = join_all((0..10).map(|_| post(&server, &message))).await;
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    // A slow machine may take several seconds for them.
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert!(accepted >= 2 && accepted + limited.len() == 10, "{answers:?}");
    assert_eq!(channels.stats().publish.limited, limited.len() as u64);
    for answer in limited {
        assert_eq!(answer.code(), "too_many");
        assert!(answer.head.to_lowercase().contains("retry-after: 1"), "{answer:?}");
    }
}

async fn unauthorized_requests_do_not_use_up_the_rate(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish().max_requests_per_second(1)).await;
    let body = paid(1).to_string();
    for _ in 0..20 {
        assert_eq!(post_with(&server, &bearer("wrong"), &body).await.status, 401);
        let forged = signed("another-secret-that-is-long-enough", 0, &body);
        assert_eq!(post_with(&server, &forged, &body).await.status, 401);
    }
    assert_eq!(post(&server, &paid(1)).await.status, 202);
}

async fn unreachable_layer_is_503(front: Front) {
    let (log, _guard) = Records::listen();
    let redis = RedisServer::start();
    let layer = ChannelLayer::redis_pubsub(&[redis.url()]).await.unwrap();
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let server = start(front, &channels, publish()).await;
    drop(redis);
    let with_key = format!("{}Idempotency-Key: a\n", bearer(SECRET));
    let body = json!({"messages": [paid(1), paid(2)]}).to_string();
    let answer = post_with(&server, &with_key, &body).await;
    assert_eq!((answer.status, answer.code()), (503, "unsent"), "{answer:?}");
    assert!(answer.head.to_lowercase().contains("retry-after: 1"), "{answer:?}");
    assert_eq!(answer.body["results"], json!([{"sent": false}, {"sent": false}]));
    assert_eq!(channels.stats().publish.unsent, 1);
    // The key is free, so the request may be sent again.
    assert_eq!(post_with(&server, &with_key, &body).await.code(), "unsent");
    assert!(layer.group_send(&Order { id: 7 }, &OrderPaid { amount: 1, note: None }).await.is_err());
    assert!(!format!("{:?}", log.lock()).contains(SECRET));
    assert_eq!(
        log.take("a published message was not sent").len(),
        2,
        "one for each request: the first failure ends it"
    );
}
