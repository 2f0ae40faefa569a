//! Several rooms of the example `multichat`, in real browser windows.

#[path = "../../examples/multichat/site/mod.rs"]
mod site;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use channels_runtime::prelude::*;
use fantoccini::Locator;
use fantoccini::key::Key;

use crate::cable::Cable;
use crate::example::Example;
use crate::{Driver, Window};
use site::accounts::Accounts;

impl Window {
    async fn logs_in(&self, address: SocketAddr, name: &str, password: &str) {
        self.0.goto(&format!("http://{address}/")).await.unwrap();
        self.fills_in(name, password).await;
    }

    async fn fills_in(&self, name: &str, password: &str) {
        self.wait_for("#password").await;
        self.0.find(Locator::Css("#username")).await.unwrap().send_keys(name).await.unwrap();
        self.0.find(Locator::Css("#password")).await.unwrap().send_keys(password).await.unwrap();
        self.0.find(Locator::Css("form button")).await.unwrap().click().await.unwrap();
    }

    async fn is_online(&self) {
        self.reads("#status", "online").await;
    }

    async fn clicks_on_room(&self, id: u32) {
        let selector = format!("[data-room-id=\"{id}\"] button");
        self.0.find(Locator::Css(&selector)).await.unwrap().click().await.unwrap();
    }

    async fn joins(&self, id: u32) {
        self.clicks_on_room(id).await;
        self.wait_for(&format!("#room-{id}")).await;
    }

    async fn says_in(&self, id: u32, message: &str) {
        let input = self.0.find(Locator::Css(&format!("#room-{id} input"))).await.unwrap();
        input.send_keys(message).await.unwrap();
        input.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multichat_page_rejoins_its_rooms_after_reconnect() {
    let chat = Example::start("multichat", &[]);
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    let cable = Cable::to(chat.address()).await;
    ann.logs_in(cable.address(), "ann", "wrong").await;
    ann.reads(".problem", "do not go together").await;
    ann.fits().await;
    ann.fills_in("ann", "ann").await;
    bob.logs_in(chat.address(), "bob", "bob").await;
    for window in [&ann, &bob] {
        window.is_online().await;
    }

    ann.joins(1).await;
    ann.joins(2).await;
    bob.joins(1).await;
    ann.reads("#room-1", "bob joined").await;
    if std::env::var("SCREENSHOTS").is_ok() {
        bob.says_in(1, "good morning").await;
        ann.reads("#room-1", "good morning").await;
        ann.says_in(1, "and to you").await;
        ann.says_in(2, "Milk or lemon?").await;
        ann.reads("#room-2", "Milk or lemon?").await;
        ann.is_pictured("multichat").await;
    }
    bob.says_in(1, "<b id=\"bold\">hi</b>").await;
    ann.reads("#room-1", "<b id=\"bold\">hi</b>").await;
    assert!(ann.0.find(Locator::Css("#bold")).await.is_err(), "markup stays text");
    ann.says_in(1, "in the lobby").await;
    bob.reads("#room-1", "in the lobby").await;
    let coffee = ann.0.find(Locator::Css("#room-2")).await.unwrap().text().await.unwrap();
    assert!(!coffee.contains("in the lobby"), "{coffee}");
    ann.fits().await;

    bob.clicks_on_room(3).await;
    bob.reads("#notice", "You may not enter that room.").await;

    // After a lost connection, ann's page rejoins both of its rooms without a click.
    cable.cut();
    bob.reads("#room-1", "ann left").await;
    bob.reads("#room-1", "ann joined").await;
    ann.is_online().await;
    bob.says_in(1, "there you are").await;
    ann.reads("#room-1", "there you are").await;
    ann.says_in(2, "and here").await;
    ann.reads("#room-2", "and here").await;

    // A restarted server has no sessions, so the page redirects to the login.
    let address = chat.address().to_string();
    drop(chat);
    let _chat = Example::start_at("multichat", &address, &[]);
    ann.wait_for("#password").await;
    for window in [ann, bob] {
        window.0.close().await.unwrap();
    }
}

/// Serves the site at this address, and waits until it is free.
async fn serve(address: SocketAddr, accounts: &Arc<Accounts>) -> (Channels, SocketAddr) {
    let (channels, routes) = site::build(ChannelLayer::in_memory(), Arc::clone(accounts)).unwrap();
    let server = channels.bind(address).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(routes));
    (channels, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multichat_page_rejoins_its_rooms_after_server_restart() {
    // The sessions outlive the server, as those of a database do.
    let accounts = Arc::new(Accounts::default());
    let (channels, address) = serve(([127, 0, 0, 1], 0).into(), &accounts).await;
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    for (window, name) in [(&ann, "ann"), (&bob, "bob")] {
        window.logs_in(address, name, name).await;
        window.is_online().await;
        window.joins(1).await;
    }
    ann.joins(2).await;
    bob.joins(2).await;
    // A room that was left, and one that was refused, are not joined again.
    bob.clicks_on_room(2).await;
    ann.reads("#room-2", "bob left").await;
    bob.clicks_on_room(3).await;
    bob.reads("#notice", "You may not enter that room.").await;

    assert!(channels.shutdown(Duration::from_secs(10)).await);
    for window in [&ann, &bob] {
        window.reads("#status", "offline, trying again").await;
    }
    let (_channels, _) = serve(address, &accounts).await;
    for (window, here) in [(&ann, "ann is back"), (&bob, "bob is back")] {
        window.is_online().await;
        window.says_in(1, here).await;
        window.reads("#room-1", here).await;
    }
    bob.says_in(1, "there you are").await;
    ann.reads("#room-1", "there you are").await;
    ann.says_in(2, "and here").await;
    ann.reads("#room-2", "and here").await;
    let notice = bob.0.find(Locator::Css("#notice")).await.unwrap().text().await.unwrap();
    assert_eq!(notice, "", "the refused room is not asked for again");
    for window in [&ann, &bob] {
        assert!(window.0.find(Locator::Css("#room-3")).await.is_err());
    }
    assert!(bob.0.find(Locator::Css("#room-2")).await.is_err(), "the room that was left stays closed");
    for window in [ann, bob] {
        window.0.close().await.unwrap();
    }
}
