//! The Python code of docs/backends.md, run by a real Python.

use std::path::Path;
use std::process::Output;

use channels_runtime::auth::TicketKeys;
use channels_runtime::prelude::*;
use tokio::process::Command;

use crate::support::app::{Front, Server};
use crate::support::layers::next_event;
use crate::web::publish::{Order, OrderPaid, SECRET, member, publish, start};

/// Returns the Python blocks of a section, with its subsections.
fn blocks(section: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/backends.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("\n## {section}\n")).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```python\n").skip(1).map(|block| block.split("\n```").next().unwrap().to_owned());
    blocks.collect()
}

async fn run(code: &str, server: Option<&Server>) -> Output {
    let mut python = Command::new("python3");
    python.args(["-I", "-c", code]).env("PUBLISH_SECRET", SECRET).env("TICKET_SECRET", SECRET);
    if let Some(server) = server {
        python.env("PUBLISH_URL", format!("http://{}/publish", server.address));
    }
    python.kill_on_drop(true).output().await.expect("python3 is installed")
}

fn printed(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_of_the_page_publishes() {
    let channels = Channels::builder().build().unwrap();
    let server = start(Front::Ours, &channels, publish()).await;
    let member = member(&channels.channel_layer()).await;
    let [function, task]: [String; 2] = blocks("Publish over HTTP").try_into().unwrap();
    assert!(function.lines().count() <= 20, "the page promises a short function");
    let calls = r#"
event = {"type": "order.paid", "amount": 12, "note": "ü"}
group = "order-7"
print(publish(event, group=group), publish(event, group=group), publish(event, "a", group=group), publish(event, "a", group=group))
try:
    publish({"type": "order.paid", "amount": "x"}, group=group)
except urllib.request.HTTPError as error:
    print(error.code, json.loads(error.msg)["error"]["field"])
"#;
    let output = run(&format!("{function}\n{calls}"), Some(&server)).await;
    assert_eq!(printed(&output), "1 1 1 1\n422 amount");
    for _ in 0..3 {
        let paid = next_event(&member).await.decode::<OrderPaid>().unwrap();
        assert_eq!((paid.amount, paid.note.as_deref()), (12, Some("ü")));
    }
    let stats = channels.stats().publish;
    assert_eq!((stats.accepted, stats.repeated, stats.messages), (3, 1, 3));

    // Celery, as far as the task uses it.
    let celery = r#"
import sys, types
class Retry(Exception): pass
class Task:
    request = types.SimpleNamespace(id="task-1", retries=1)
    def retry(self, exc, countdown): return Retry(countdown)
def shared_task(**options):
    return lambda function: lambda *args, **target: function(Task(), *args, **target)
sys.modules["celery"] = types.SimpleNamespace(shared_task=shared_task)
"#;
    let calls = r#"
publish_task({"type": "order.paid", "amount": 12}, group="order-7")
publish_task({"type": "order.paid", "amount": 12}, group="order-7")
try:
    publish_task({"type": "order.paid", "amount": 12}, group="room-7")
except HTTPError as error:
    print(error.code)
PUBLISH_URL = "http://127.0.0.1:9/publish"
try:
    publish_task({"type": "order.paid", "amount": 12}, group="order-7")
except Retry as retry:
    print("retry after", retry)
"#;
    let output = run(&format!("{celery}\n{function}\n{task}\n{calls}"), Some(&server)).await;
    assert_eq!(printed(&output), "422\nretry after 2");
    assert_eq!(channels.stats().publish.messages, 4, "the second run of a task sends nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticket_of_the_page_is_that_of_rust() {
    let [function]: [String; 1] = blocks("Tickets").try_into().unwrap();
    assert!(function.lines().count() <= 15, "the page promises a short function");
    let output = run(&format!("{function}\nprint(ticket('order-7', 12))"), None).await;
    let keys = TicketKeys::new(SECRET).unwrap();
    let ticket = keys.verify::<Order>(&printed(&output)).unwrap();
    assert_eq!((ticket.group.id, &*ticket.user), (7, "12"));
}
