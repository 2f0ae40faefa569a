//! Clients of other libraries, with compression: Node's `ws` and `undici`, Python's `websockets`. `scripts/node-env` and
//! `scripts/python-env` install them.

#[path = "../integration/support/example.rs"]
mod example;

use std::path::{Path, PathBuf};
use std::process::Command;

use example::Example;

/// The sizes of the messages: plain and compressed replies, one frame and several reads.
const SIZES: &str = "20,500,1000,2000,20000,200000,20,1000000";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Runs a client against the echo server, and asserts that it has received what it sent.
fn runs(program: &mut Command) {
    let echo = Example::start("echo", &["--compress"]);
    let url = format!("ws://{}/echo", echo.address());
    // The script is the last argument so far; the address follows it.
    let arguments: Vec<_> = program.get_args().map(ToOwned::to_owned).collect();
    let (script, more) = arguments.split_first().expect("a script");
    let mut command = Command::new(program.get_program());
    let output = command.arg(script).arg(url).arg(SIZES).args(more).current_dir(folder()).output();
    let output = output.unwrap_or_else(|error| panic!("{:?}: {error}", program.get_program()));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim() == "all right", "{script:?}: {out}{err}");
}

fn assert_installed(what: &str, script: &str) {
    assert!(folder().join(what).exists(), "tests/clients/{what} does not exist: run `{script}`");
}

#[test]
fn node_ws_compresses_and_inflates() {
    assert_installed("node_modules/ws", "scripts/node-env");
    runs(Command::new("node").arg("ws.js"));
}

#[test]
fn undici_inflates() {
    assert_installed("node_modules/undici", "scripts/node-env");
    runs(Command::new("node").arg("undici.js"));
}

#[test]
fn python_websockets_compresses_and_inflates_with_windows_of_all_sizes() {
    assert_installed(".venv/bin/python", "scripts/python-env");
    for bits in ["9", "12", "15"] {
        runs(Command::new(folder().join(".venv/bin/python")).args(["client.py", bits]));
    }
}
