//! The examples in real browser windows: headless Chromium, driven through ChromeDriver.

#[path = "../contract/cable.rs"]
mod cable;
mod compression;
mod cursors;
mod dashboard;
mod django;
mod django_backend;
#[path = "../integration/support/example.rs"]
mod example;
mod feed;
mod forced_logout;
mod inspect;
mod multichat;
#[path = "../django/peer.rs"]
#[allow(dead_code, reason = "the tests with Python use the rest")]
mod peer;
mod presence;
#[path = "../integration/support/redis.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod redis;
mod restart;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use example::Example;

/// Time limit for a change to appear on a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// A ChromeDriver on a free port. It and its browsers end with the test.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("it listens").port();
        drop(free);
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs the programs `chromium` and `chromedriver`; `scripts/test` installs them");
        Self { child, port }
    }

    /// Asks the driver to end its browsers and itself. Killing the driver would leave every browser running.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        // The response comes when the browsers have ended.
        socket.read(&mut [0; 64]).map(drop)
    }

    /// Opens a window that emulates a phone, with an empty profile.
    async fn window(&self) -> Window {
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let phone = json!({"deviceMetrics": {"width": 360, "height": 740, "pixelRatio": 2.0}});
        let capabilities = json!({"goog:chromeOptions": {"args": arguments, "mobileEmulation": phone}});
        let serde_json::Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let begun = Instant::now();
        loop {
            let opened = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&format!("http://127.0.0.1:{}", self.port))
                .await;
            match opened {
                Ok(client) => return Window(client),
                // The driver may not listen yet.
                Err(error) if begun.elapsed() > PATIENCE => panic!("Chromium did not open a window: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        _ = self.shut_down();
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

struct Window(Client);

impl Window {
    /// Opens a room and waits until its socket is open.
    async fn enter(&self, chat: &Example, room: &str) {
        self.open(&format!("http://{}/chat/{room}/", chat.address())).await;
    }

    async fn open(&self, page: &str) {
        self.0.goto(page).await.unwrap();
        self.wait_for("body[data-state=open]").await;
    }

    async fn wait_for(&self, selector: &str) {
        self.0.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await.unwrap();
    }

    /// Types a message and presses Enter.
    async fn say(&self, message: &str) {
        let input = self.0.find(Locator::Css("#message")).await.unwrap();
        input.send_keys(message).await.unwrap();
        input.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    }

    /// Asserts that the page does not overflow to the right.
    async fn fits(&self) {
        let script = "return [document.documentElement.scrollWidth, innerWidth]";
        let widths = self.0.execute(script, Vec::new()).await.unwrap();
        assert_eq!(widths, json!([360, 360]), "the widths of the page and of the screen");
    }

    /// Saves a screenshot to the folder that `SCREENSHOTS` names, as in `docs/img`, after all animations have finished.
    async fn is_pictured(&self, name: &str) {
        let Ok(folder) = std::env::var("SCREENSHOTS") else { return };
        let still = "return Promise.all(document.getAnimations().map((each) => each.finished)).then(() => null)";
        self.0.execute(still, Vec::new()).await.unwrap();
        std::fs::write(format!("{folder}/{name}.png"), self.0.screenshot().await.unwrap()).unwrap();
    }

    async fn log(&self) -> String {
        self.0.find(Locator::Css("#log")).await.unwrap().text().await.unwrap()
    }

    async fn sees(&self, message: &str) {
        self.reads("#log", message).await;
    }

    /// Waits until the element contains the text.
    async fn reads(&self, selector: &str, text: &str) {
        let begun = Instant::now();
        let mut seen = String::new();
        while begun.elapsed() < PATIENCE {
            // The page may be navigating.
            if let Ok(element) = self.0.find(Locator::Css(selector)).await {
                seen = element.text().await.unwrap_or_default();
            }
            if seen.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{text:?} does not appear in:\n{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_message_reaches_its_room_only() {
    let chat = Example::start("chat", &[]);
    let driver = Driver::start();
    let (ann, bob, eve) = (driver.window().await, driver.window().await, driver.window().await);
    ann.enter(&chat, "lobby").await;
    bob.enter(&chat, "lobby").await;
    eve.enter(&chat, "elsewhere").await;

    ann.say("good morning").await;
    bob.sees("good morning").await;
    ann.sees("good morning").await;
    bob.say("and to you").await;
    ann.sees("and to you").await;
    if std::env::var("SCREENSHOTS").is_ok() {
        bob.say("Tea at ten, in the usual room?").await;
        ann.sees("Tea at ten").await;
        ann.say("I will be there").await;
        bob.sees("I will be there").await;
        bob.is_pictured("chat").await;
    }

    // Markup is shown as text.
    bob.say("<b id=\"bold\">bold</b><img src=x onerror=\"document.title='hacked'\">").await;
    ann.sees("<b id=\"bold\">bold</b>").await;
    assert!(ann.0.find(Locator::Css("#bold")).await.is_err(), "the page has no such element");
    assert_ne!(ann.0.title().await.unwrap(), "hacked");

    // A message that eve received by mistake would precede her own.
    eve.say("nobody here").await;
    eve.sees("nobody here").await;
    eve.fits().await;
    let log = eve.log().await;
    assert!(!log.contains("good morning") && !log.contains("and to you"), "{log}");
    let log = ann.log().await;
    assert_eq!(log.matches("good morning").count(), 1, "{log}");

    // The server stops and restarts on the same port. The pages reconnect by themselves.
    let address = chat.address().to_string();
    drop(chat);
    ann.wait_for("body[data-state=waiting]").await;
    ann.fits().await;
    let chat = Example::start_at("chat", &address, &[]);
    for window in [&ann, &bob] {
        window.wait_for("body[data-state=open]").await;
    }
    ann.say("back again").await;
    bob.sees("back again").await;

    // The start page asks for a room and opens it.
    eve.0.goto(&format!("http://{}/", chat.address())).await.unwrap();
    let input = eve.0.wait().at_most(PATIENCE).for_element(Locator::Css("input")).await.unwrap();
    eve.fits().await;
    input.send_keys("lobby").await.unwrap();
    input.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    eve.wait_for("body[data-state=open]").await;
    ann.say("hello eve").await;
    eve.sees("hello eve").await;

    for window in [ann, bob, eve] {
        window.0.close().await.unwrap();
    }
}
