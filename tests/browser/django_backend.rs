//! A plain WSGI Django and the example `django-backend` beside it: logins, posts, a room, and a user who is blocked.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::Locator;

use crate::peer::program as in_venv;
use crate::{Driver, PATIENCE, Window};

const SECRET: &str = "the-secret-of-both-processes-for-this-test";

/// A process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The ports of both processes, and the database.
struct Site {
    site: u16,
    websockets: u16,
    publish: u16,
    folder: PathBuf,
}

impl Site {
    fn new() -> Self {
        // All at once, so that they differ.
        let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [site, websockets, publish] = free.map(|listener| listener.local_addr().unwrap().port());
        let folder = std::env::temp_dir().join(format!("django-backend-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self { site, websockets, publish, folder }
    }

    /// Returns a command of `manage.py`.
    fn manage(&self, arguments: &[&str]) -> Command {
        let mut command = in_venv("python");
        command
            .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/django-backend/site/manage.py")])
            .args(arguments)
            .env("DJANGO_SECRET_KEY", SECRET)
            .env("RUST_SECRET", SECRET)
            .env("RUST_WEBSOCKETS", format!("ws://127.0.0.1:{}", self.websockets))
            .env("RUST_PUBLISH", format!("http://127.0.0.1:{}/publish", self.publish))
            .env("DATABASE", self.folder.join("board.sqlite3"))
            .stderr(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) {
        assert!(self.manage(arguments).status().unwrap().success(), "{arguments:?}");
    }

    fn start_django(&self) -> Process {
        self.run(&["migrate", "--verbosity", "0"]);
        let address = format!("127.0.0.1:{}", self.site);
        let mut command = self.manage(&["runserver", "--noreload", &address]);
        let process = Process(command.stdout(Stdio::null()).spawn().unwrap());
        listens(self.site);
        process
    }

    fn start_rust(&self) -> Process {
        let process = Command::new(crate::example::program("django-backend"))
            .args(["--addr", &format!("127.0.0.1:{}", self.websockets)])
            .args(["--publish-addr", &format!("127.0.0.1:{}", self.publish)])
            .args(["--site", &self.url("")])
            .env("RUST_SECRET", SECRET)
            .stdout(Stdio::null())
            .spawn();
        let process = Process(process.expect("cargo builds the examples before it runs the tests"));
        listens(self.websockets);
        process
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.site)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn listens(port: u16) {
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A window in which this user has logged in, whose page is open.
async fn logged_in(driver: &Driver, site: &Site, name: &str) -> Window {
    let window = driver.window().await;
    window.0.goto(&site.url("/login/")).await.unwrap();
    for field in ["username", "password"] {
        window.0.find(Locator::Css(&format!("[name={field}]"))).await.unwrap().send_keys(name).await.unwrap();
    }
    click(&window, "button").await;
    window.wait_for("body[data-state=open]").await;
    window
}

async fn click(window: &Window, selector: &str) {
    window.0.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
}

async fn post(window: &Window, text: &str, button: &str) {
    window.0.find(Locator::Css("#text")).await.unwrap().send_keys(text).await.unwrap();
    click(window, button).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_django_publishes_and_its_users_have_live_pages() {
    let site = Site::new();
    let _django = site.start_django();
    let rust = site.start_rust();
    let driver = Driver::start();
    let ann = logged_in(&driver, &site, "ann").await;
    let bob = logged_in(&driver, &site, "bob").await;
    let eve = logged_in(&driver, &site, "eve").await;

    // From a view, over a WebSocket, and from the shell.
    post(&ann, "from a form", "#post").await;
    post(&bob, "over the WebSocket", "#send").await;
    site.run(&[
        "shell",
        "-c",
        "from board.models import Post; from django.contrib.auth.models import User; \
         Post.objects.create(author=User.objects.get(username='eve'), text='from the shell')",
    ]);
    for window in [&ann, &bob, &eve] {
        for text in ["ann from a form", "bob over the WebSocket", "eve from the shell"] {
            window.reads("#posts", text).await;
        }
    }
    ann.is_pictured("django-backend").await;
    // Each post once, and all of them are in the database.
    bob.open(&site.url("/")).await;
    let posts = bob.0.find_all(Locator::Css("#posts li")).await.unwrap();
    assert_eq!(posts.len(), 3);

    // The room is for its members.
    ann.open(&site.url("/rooms/1/")).await;
    bob.open(&site.url("/rooms/1/")).await;
    post(&ann, "the cake is ready", "#post").await;
    bob.reads("#posts", "ann the cake is ready").await;
    eve.0.goto(&site.url("/rooms/1/")).await.unwrap();
    eve.reads("body", "Not Found").await;
    // Another user's ticket does not let eve in.
    let socket = "return JSON.parse(document.getElementById('socket').textContent)";
    let socket = bob.0.execute(socket, Vec::new()).await.unwrap();
    eve.open(&site.url("/")).await;
    let joins = "const [url, done] = arguments; const socket = new WebSocket(url); \
                 socket.onopen = () => done('in'); socket.onclose = () => done('out')";
    assert_eq!(eve.0.execute_async(joins, vec![socket]).await.unwrap(), "out");

    // A user who is blocked is out immediately, and does not come back.
    ann.open(&site.url("/")).await;
    bob.open(&site.url("/")).await;
    click(&ann, "#kick-bob").await;
    bob.wait_for("body[data-state=blocked]").await;
    bob.reads("#state", "this user was blocked").await;
    bob.0.goto(&site.url("/")).await.unwrap();
    bob.reads("h1", "Log in").await;

    // The pages come back after a restart of the Rust process, and miss nothing.
    drop(rust);
    eve.wait_for("body[data-state=waiting]").await;
    post(&ann, "while Rust was away", "#post").await;
    let _rust = site.start_rust();
    eve.wait_for("body[data-state=open]").await;
    eve.reads("#posts", "while Rust was away").await;
    for window in [ann, bob, eve] {
        window.0.close().await.unwrap();
    }
}
