//! `examples/presence`: the users of a room, without stale members.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Client;
use crate::support::example::Example;
use crate::support::redis::RedisServer;

/// A page, and the users that it shows besides its own.
struct Page {
    client: Client,
    shown: BTreeSet<String>,
}

impl Page {
    async fn open(example: &Example, room: &str, user: &str) -> Self {
        let client = Client::connect(example, &format!("/ws/presence/{room}/{user}")).await;
        Self { client, shown: BTreeSet::new() }
    }

    async fn hear(&mut self) {
        let news = self.client.next_json().await;
        // A user is added once and removed once, whatever the number of tabs.
        if let Some(user) = news["came"].as_str() {
            assert!(self.shown.insert(user.to_owned()), "{news} twice");
        } else {
            assert!(self.shown.remove(news["went"].as_str().unwrap()), "{news}: this user was not listed");
        }
    }

    /// Waits until the page shows exactly these users.
    async fn shows(&mut self, users: &[&str]) {
        let expected: BTreeSet<_> = users.iter().map(ToString::to_string).collect();
        let shown = async {
            while self.shown != expected {
                self.hear().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(30), shown).await.is_err() {
            panic!("the page shows {:?} instead of {expected:?}", self.shown);
        }
    }
}

#[tokio::test]
async fn presence_reports_users_once_for_all_their_tabs() {
    let example = Example::start("presence", &[]);
    let mut ann = Page::open(&example, "lobby", "ann").await;
    let mut bob = Page::open(&example, "lobby", "bob").await;
    let mut stranger = Page::open(&example, "elsewhere", "eve").await;
    ann.shows(&["bob"]).await;
    bob.shows(&["ann"]).await;

    // A second tab of each user: the other pages receive nothing, and the second tab receives the users.
    let mut second_ann = Page::open(&example, "lobby", "ann").await;
    second_ann.shows(&["bob"]).await;
    let mut second_bob = Page::open(&example, "lobby", "bob").await;
    second_bob.shows(&["ann"]).await;
    // A message that was sent by mistake would precede this one.
    let mut carl = Page::open(&example, "lobby", "carl").await;
    carl.shows(&["ann", "bob"]).await;
    for page in [&mut ann, &mut bob, &mut second_ann, &mut second_bob] {
        page.hear().await;
        assert!(page.shown.contains("carl"), "{:?}", page.shown);
    }

    // The first tab of Ann closes and she stays listed; then her second tab closes.
    drop(ann);
    drop(carl);
    bob.shows(&["ann"]).await;
    drop(second_ann);
    bob.shows(&[]).await;
    second_bob.shows(&[]).await;
    let mut late = Page::open(&example, "elsewhere", "late").await;
    late.shows(&["eve"]).await;
    stranger.shows(&["late"]).await;
}

async fn presence_removes_users_of_killed_process(layer: &str) {
    let redis = RedisServer::start();
    let flags = ["--layer", layer, "--redis", &redis.url(), "--every", "0.5"];
    let (here, there) = (Example::start("presence", &flags), Example::start("presence", &flags));
    let mut ann = Page::open(&here, "lobby", "ann").await;
    let mut bob = Page::open(&there, "lobby", "bob").await;
    let mut carl = Page::open(&there, "lobby", "carl").await;
    let mut dora = Page::open(&here, "lobby", "dora").await;
    ann.shows(&["bob", "carl", "dora"]).await;
    dora.shows(&["ann", "bob", "carl"]).await;
    bob.shows(&["ann", "carl", "dora"]).await;

    // A leave is sent through Redis, too.
    drop(carl.client.0.close(None).await);
    ann.shows(&["bob", "dora"]).await;
    // SIGKILL: the process sends nothing.
    drop(there);
    ann.shows(&["dora"]).await;
    dora.shows(&["ann"]).await;
    let mut late = Page::open(&here, "lobby", "late").await;
    late.shows(&["ann", "dora"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_over_pubsub_removes_users_of_killed_process() {
    presence_removes_users_of_killed_process("pubsub").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_over_core_removes_users_of_killed_process() {
    presence_removes_users_of_killed_process("core").await;
}
