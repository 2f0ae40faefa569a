//! Several rooms of the example `multichat`, in real browser windows.

use fantoccini::Locator;
use fantoccini::key::Key;

use crate::example::Example;
use crate::{Driver, Window};

impl Window {
    async fn logs_in(&self, chat: &Example, name: &str, password: &str) {
        self.0.goto(&format!("http://{}/", chat.address())).await.unwrap();
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
    ann.logs_in(&chat, "ann", "wrong").await;
    ann.reads(".problem", "do not go together").await;
    ann.fits().await;
    ann.fills_in("ann", "ann").await;
    bob.logs_in(&chat, "bob", "bob").await;
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
    ann.0.execute("socket.close()", Vec::new()).await.unwrap();
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
