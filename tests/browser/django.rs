//! Two real browser windows in one room over one Redis: one on Django's tutorial chat, one on the example `chat`.

use serde_json::json;

use crate::Driver;
use crate::example::Example;
use crate::peer::Daphne;
use crate::redis::RedisServer;

async fn chat_crosses_django_and_rust(backend: &str, layer: &str) {
    let redis = RedisServer::start();
    let url = redis.url();
    let django = Daphne::start(&json!({"default": {"BACKEND": backend, "CONFIG": {"hosts": [url]}}}));
    let chat = Example::start("chat", &["--layer", layer, "--redis", &url]);
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    ann.open(&django.url("http", "/chat/lobby/")).await;
    bob.enter(&chat, "lobby").await;

    ann.say("good morning from Python").await;
    bob.sees("good morning from Python").await;
    ann.sees("good morning from Python").await;
    bob.say("and olé from Rust \\o/ ✓").await;
    ann.sees("and olé from Rust \\o/ ✓").await;
    bob.sees("and olé from Rust \\o/ ✓").await;
    for window in [&ann, &bob] {
        let log = window.log().await;
        assert_eq!(log.matches("from Python").count(), 1, "{log}");
        assert_eq!(log.matches("from Rust").count(), 1, "{log}");
    }

    // One picture is enough: the page looks the same with the other layer.
    if layer == "pubsub" {
        ann.is_pictured("django").await;
        bob.is_pictured("django-rust").await;
    }
    for window in [ann, bob] {
        window.0.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_crosses_django_and_rust_over_core() {
    chat_crosses_django_and_rust("channels_redis.core.RedisChannelLayer", "core").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_crosses_django_and_rust_over_pubsub() {
    chat_crosses_django_and_rust("channels_redis.pubsub.RedisPubSubChannelLayer", "pubsub").await;
}
