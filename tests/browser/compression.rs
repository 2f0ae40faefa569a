//! Compression between the example `chat` and Chromium.

use serde_json::json;

use crate::Driver;
use crate::example::Example;

/// Connects to a room, sends messages of these sizes, and returns the negotiated extensions and the sizes of the messages that came
/// back unchanged. Chromium compresses every message that it sends.
const SCRIPT: &str = r#"
    const [sizes, done] = arguments;
    const texts = sizes.map((size) => "a row of the table, ".repeat(size / 20));
    const socket = new WebSocket(`ws://${location.host}/ws/chat/compressed/`);
    const same = [];
    socket.onopen = () => texts.forEach((message) => socket.send(JSON.stringify({ message })));
    socket.onmessage = ({ data }) => {
        if (JSON.parse(data).message === texts[same.length]) same.push(texts[same.length].length);
        if (same.length === texts.length) done([socket.extensions, same]);
    };
    socket.onclose = ({ code, reason }) => done([`closed with ${code} ${reason}`, same]);
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_compresses_and_inflates() {
    let chat = Example::start("chat", &["--compress"]);
    let driver = Driver::start();
    let window = driver.window().await;
    window.0.goto(&format!("http://{}/", chat.address())).await.unwrap();
    let sizes = json!([20, 500, 1000, 2000, 20_000, 200_000, 20, 900_000]);
    let answer = window.0.execute_async(SCRIPT, vec![sizes.clone()]).await.unwrap();
    let extensions = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer, json!([extensions, sizes]));
}
