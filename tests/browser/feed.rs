//! The page of the example `feed` misses nothing, in a real browser window.

use crate::example::Example;
use crate::redis::RedisServer;
use crate::{Driver, PATIENCE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_page_receives_each_line_once_through_a_restart() {
    let redis = RedisServer::start();
    let url = redis.url();
    let flags = ["--layer", "pubsub", "--redis", &url];
    let (stays, restarts) = (Example::start("feed", &flags), Example::start("feed", &flags));
    let address = restarts.address().to_string();
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    ann.open(&format!("http://{}/feed/lobby/", stays.address())).await;
    bob.open(&format!("http://{address}/feed/lobby/")).await;
    ann.say("before the restart").await;
    bob.sees("before the restart").await;

    drop(restarts);
    bob.wait_for("body[data-state=waiting]").await;
    for line in ["one", "two", "three"] {
        ann.say(&format!("during the restart: {line}")).await;
        ann.sees(&format!("during the restart: {line}")).await;
    }
    let _restarted = Example::start_at("feed", &address, &flags);
    bob.sees("during the restart: three").await;
    ann.say("after the restart").await;
    bob.sees("after the restart").await;

    let expected = [
        "before the restart",
        "during the restart: one",
        "during the restart: two",
        "during the restart: three",
        "after the restart",
    ];
    let log = tokio::time::timeout(PATIENCE, bob.log()).await.unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), expected, "each line once, in order, without a notice");
    bob.fits().await;
    bob.is_pictured("feed").await;
    for window in [ann, bob] {
        window.0.close().await.unwrap();
    }
}
