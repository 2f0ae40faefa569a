//! The inspection page of the example `chat`, in a real browser window.

use crate::example::Example;
use crate::{Driver, Window};

impl Window {
    async fn looks_inside(&self, chat: &Example) {
        self.open(&format!("http://{}/inspect", chat.address())).await;
    }

    /// Returns the entries of the list, one `name value` per line.
    async fn list(&self, id: &str) -> String {
        let script = format!(
            "return [...document.querySelectorAll('#{id} dt')].map((name) => \
             name.textContent + ' ' + name.nextElementSibling.textContent).join('\\n')"
        );
        serde_json::from_value(self.0.execute(&script, Vec::new()).await.unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inspection_page_shows_connections_and_groups() {
    let chat = Example::start("chat", &["--inspect"]);
    let driver = Driver::start();
    let (ann, bob, operator) = (driver.window().await, driver.window().await, driver.window().await);
    operator.looks_inside(&chat).await;
    operator.reads("#more", "nobody is in a group").await;
    operator.reads("#state", "running for").await;

    ann.enter(&chat, "lobby").await;
    bob.enter(&chat, "lobby").await;
    ann.say("hello").await;
    bob.sees("hello").await;
    // The page refreshes by itself.
    operator.reads("#connections", "2").await;
    operator.reads("#groups", "chat_lobby").await;
    operator.reads("#messages", "delivered\n2").await;
    operator.reads("#layer", "memory").await;
    assert_eq!(operator.list("consumers").await, "ChatConsumer 2");
    assert_eq!(operator.list("groups").await, "chat_lobby 2");
    let settings = operator.list("settings").await;
    assert!(settings.contains("outbound limit 1.0 MiB") && settings.contains("expiry 60 s"), "{settings}");
    operator.fits().await;
    operator.is_pictured("inspect").await;

    let address = chat.address().to_string();
    drop(chat);
    operator.wait_for("body[data-state=waiting]").await;
    let _chat = Example::start_at("chat", &address, &["--inspect"]);
    operator.wait_for("body[data-state=open]").await;
    for window in [ann, bob, operator] {
        window.0.close().await.unwrap();
    }
}
