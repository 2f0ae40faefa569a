//! The users of the example `presence`, in real browser windows.

use std::time::{Duration, Instant};

use crate::example::Example;
use crate::{Driver, PATIENCE, Window};

impl Window {
    async fn comes_as(&self, example: &Example, name: &str) {
        self.open(&format!("http://{}/?name={name}", example.address())).await;
    }

    /// Waits until the page lists exactly these users, its own first.
    async fn lists(&self, names: &[&str]) {
        let script = "return [...document.querySelectorAll('#people li')].map((item) => item.textContent)";
        let begun = Instant::now();
        loop {
            let listed: Vec<String> =
                serde_json::from_value(self.0.execute(script, Vec::new()).await.unwrap()).unwrap();
            if listed == names {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the page lists {listed:?} instead of {names:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_page_lists_users_as_they_come_and_go() {
    let presence = Example::start("presence", &[]);
    let driver = Driver::start();
    let (ann, bob, tab, eve) =
        (driver.window().await, driver.window().await, driver.window().await, driver.window().await);
    ann.comes_as(&presence, "ann").await;
    ann.lists(&["ann"]).await;
    ann.reads("#state", "you are alone").await;
    bob.comes_as(&presence, "bob").await;
    tab.comes_as(&presence, "bob").await;
    eve.comes_as(&presence, "eve").await;
    // A late page lists all users, and bob only once.
    ann.lists(&["ann", "bob", "eve"]).await;
    bob.lists(&["bob", "ann", "eve"]).await;
    eve.lists(&["eve", "ann", "bob"]).await;
    ann.reads("#state", "you and 2 more").await;
    ann.fits().await;
    ann.is_pictured("presence").await;

    // One of bob's tabs closes, and bob stays listed after the next user leaves.
    bob.0.close().await.unwrap();
    eve.0.close().await.unwrap();
    ann.lists(&["ann", "bob"]).await;

    // All users return after the server has restarted.
    let address = presence.address().to_string();
    drop(presence);
    ann.wait_for("body[data-state=waiting]").await;
    ann.fits().await;
    let _presence = Example::start_at("presence", &address, &[]);
    tab.lists(&["bob", "ann"]).await;
    ann.reads("#state", "you and 1 more").await;
    tab.0.close().await.unwrap();
    ann.reads("#state", "you are alone").await;
    ann.0.close().await.unwrap();
}
