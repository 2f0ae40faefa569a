//! Projects outside of the workspace. `template/`, filled in as `cargo generate` does, is formatted, builds, passes its own tests,
//! and serves, with each web framework. A project compiles if its `Cargo.toml` renames the runtime.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Copies the template, with the values of its placeholders. `liquid` is the library of `cargo generate`.
fn fill_in(from: &Path, to: &Path, values: &liquid::Object) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fill_in(&path, &copy, values);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let template = liquid::ParserBuilder::with_stdlib().build().unwrap().parse(&text);
        let text = template.and_then(|template| template.render(values));
        fs::write(copy, text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap();
    }
}

/// A folder outside of the workspace, which is removed at the end.
struct Project(PathBuf);

impl Project {
    fn new(server: &str) -> Self {
        let folder = Self::folder(server);
        let values = liquid::object!({"project-name": "my-chat", "channels": root().to_str(), "server": server});
        fill_in(&root().join("template"), &folder, &values);
        Self::with_versions(folder)
    }

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("channels-template-{name}-{}", std::process::id()))
    }

    fn with_versions(folder: PathBuf) -> Self {
        // The versions that the workspace uses, which are on this machine.
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        Self(folder)
    }

    /// The projects share a target folder, because they share almost all crates.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(&self.0).env("CARGO_TARGET_DIR", root().join("target/template"));
        cargo
    }

    fn run(&self, arguments: &[&str]) {
        let status = self.cargo(arguments).status().unwrap();
        assert!(status.success(), "cargo {arguments:?} fails in {}", self.0.display());
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The program, which ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Requests a page and returns the whole response.
fn page(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    response
}

fn template_builds_passes_its_tests_and_serves(server: &str) {
    let project = Project::new(server);
    project.run(&["fmt", "--check"]);
    project.run(&["test", "--quiet"]);
    project.run(&["build", "--quiet"]);
    let mut program = Command::new(root().join("target/template/debug/my-chat"));
    program.env("PORT", "0").env("ADMIN_PORT", "0").env("NO_COLOR", "1").env_remove("CHANNEL_LAYERS");
    let mut program = Program(program.stdout(Stdio::piped()).spawn().unwrap());
    let log = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let addresses = log.filter_map(|line| Some(line.unwrap().split_once("listening address=")?.1.trim().to_owned()));
    let addresses: Vec<_> = addresses.take(2).collect();
    let pages: Vec<_> =
        addresses.iter().flat_map(|address| ["/", "/readyz", "/metrics"].map(|path| page(address, path))).collect();
    for wanted in ["<title>Chat</title>", "\r\n\r\nready", "channels_connections"] {
        assert_eq!(pages.iter().filter(|page| page.contains(wanted)).count(), 1, "{wanted}");
    }
}

#[test]
fn template_builds_passes_its_tests_and_serves_with_each_framework() {
    for server in ["axum", "warp"] {
        template_builds_passes_its_tests_and_serves(server);
    }
}

#[test]
fn runtime_under_another_name_needs_no_crate_argument() {
    let folder = Project::folder("renamed");
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"renamed\"\nedition = \"2024\"\n\n\
         [dependencies]\nchan = {{ package = \"channels-runtime\", path = {:?} }}\n",
        root().join("channels-runtime"),
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let program = r#"
use chan::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u8,
}

struct ChatConsumer;

#[consumer(groups(Room))]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u8) -> Result<Self, Reject> {
        cx.group_add(&Room { id }).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(event.message.clone()).await?;
        Ok(())
    }
}

check_app! { consumers: [ChatConsumer], groups: [Room] }

fn main() {}
"#;
    fs::write(folder.join("src/main.rs"), program).unwrap();
    Project::with_versions(folder).run(&["check", "--quiet"]);
}
