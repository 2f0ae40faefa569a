//! The Python types, as mypy and pyright judge them, and as Python runs them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::files::{Folder, generated, node_module, package, python};

/// A program with one mistake.
struct Wrong {
    name: &'static str,
    code: &'static str,
    /// A part of the error of mypy, and one of that of pyright.
    errors: [&'static str; 2],
}

const fn wrong(name: &'static str, code: &'static str, errors: [&'static str; 2]) -> Wrong {
    Wrong { name, code, errors }
}

const NOT_SENT: &str =
    "cannot be assigned to parameter \"event\" of type \"ChatJoin | ChatMessage\" in function \"send\"";

const WRONG: [Wrong; 14] = [
    wrong(
        "type",
        r#"Room(1).send({"type": "chat.mesage", "username": "a", "message": "b"})"#,
        ["Literal['chat.mesage']", NOT_SENT],
    ),
    wrong(
        "field",
        r#"Room(1).send({"type": "chat.message", "username": "a", "mesage": "b"})"#,
        ["Argument 1 to \"send\" of \"Room\" has incompatible type", NOT_SENT],
    ),
    wrong(
        "value",
        r#"Room(1).send({"type": "chat.message", "username": "a", "message": 7})"#,
        ["TypedDict item \"message\" has type \"str\"", NOT_SENT],
    ),
    wrong(
        "foreign_event",
        r#"Room(1).send({"type": "chat.topic", "topic": "a"})"#,
        ["Argument 1 to \"send\" of \"Room\" has incompatible type", NOT_SENT],
    ),
    wrong(
        "optional_value",
        r#"message: ChatMessage = {"type": "chat.message", "username": "a", "message": "b", "quoted": "c"}"#,
        ["TypedDict item \"quoted\"", "\"Literal['c']\" is not assignable to \"int\""],
    ),
    wrong(
        "missing_field",
        r#"join: ChatJoin = {"type": "chat.join"}"#,
        ["Missing key \"username\"", "\"username\" is required"],
    ),
    wrong(
        "further_field",
        r#"join: ChatJoin = {"type": "chat.join", "username": "a", "room": 1}"#,
        ["Extra key \"room\"", "\"room\" is an undefined item"],
    ),
    wrong("name", r#"Room("1")"#, ["expected \"int\"", "\"Literal['1']\" is not assignable to \"int\""]),
    wrong("no_name", "Room()", ["Missing positional argument \"id\"", "Argument missing for parameter \"id\""]),
    wrong("frozen", "Room(1).id = 2", ["\"id\" defined in \"Room\" is read-only", "Attribute \"id\" is read-only"]),
    wrong(
        "key",
        "def f(event: ChatMessage) -> None:\n    print(event[\"mesage\"])",
        ["TypedDict \"ChatMessage\" has no key \"mesage\"", "\"mesage\" is not a defined key in \"ChatMessage\""],
    ),
    wrong(
        "missing_handler",
        "class C:\n    async def chat_join(self, event: ChatJoin) -> None: ...\n\n\nhandlers: type[RoomHandlers] = C",
        ["variable has type \"type[RoomHandlers]\"", "\"chat_message\" is not present"],
    ),
    wrong(
        "wrong_handler",
        "class C:\n    async def chat_join(self, event: ChatMessage) -> None: ...\n    async def chat_message(self, event: \
         ChatMessage) -> None: ...\n\n\nhandlers: type[RoomHandlers] = C",
        ["variable has type \"type[RoomHandlers]\"", "\"chat_join\" is an incompatible type"],
    ),
    // Another Python process may send the other form.
    wrong(
        "narrow_handler",
        "class C:\n    async def chat_join(self, event: ChatJoin) -> None: ...\n    async def chat_topic(self, event: ChatTopic) \
         -> None: ...\n\n\nhandlers: type[LobbyHandlers] = C",
        ["variable has type \"type[LobbyHandlers]\"", "\"chat_topic\" is an incompatible type"],
    ),
];

/// Returns the generated files, the right programs, and the wrong ones.
fn programs() -> Folder {
    let folder = generated();
    for name in ["chat.py", "kinds.py"] {
        folder.write(name, &fs::read_to_string(package().join("contract/programs").join(name)).unwrap());
    }
    for Wrong { name, code, .. } in WRONG {
        folder.write(&format!("wrong_{name}.py"), &format!("from chat_events import *\n\n{code}\n"));
    }
    folder
}

/// Compares the errors of a tool, by their files, with the mistakes.
fn assert_judged(tool: usize, mut errors: BTreeMap<String, Vec<String>>) {
    for Wrong { name, errors: words, .. } in WRONG {
        let found = errors.remove(&format!("wrong_{name}.py")).unwrap_or_default();
        // pyright indents with spaces that are not to be broken.
        let is_found = found.first().is_some_and(|error| error.replace('\u{a0}', " ").contains(words[tool]));
        assert!(found.len() == 1 && is_found, "{name}: {found:#?}");
    }
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn mypy_accepts_right_program_and_finds_each_mistake() {
    let folder = programs();
    let output = python("mypy")
        .args(["--strict", "--no-incremental", "--output", "json", "--python-version", "3.11", "."])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let error: Value = serde_json::from_str(line).unwrap();
        if error["severity"] == "error" {
            errors
                .entry(error["file"].as_str().unwrap().to_owned())
                .or_default()
                .push(error["message"].as_str().unwrap().to_owned());
        }
    }
    assert_judged(0, errors);
}

#[test]
fn pyright_accepts_right_program_and_finds_each_mistake() {
    let folder = programs();
    let interpreter = package().join("django/.venv/bin/python");
    // The strict mode reports what follows from a mistake, too.
    let config = json!({
        "typeCheckingMode": "standard",
        "strict": ["chat.py", "kinds.py", "chat_events.py", "kinds_events.py"],
        "pythonVersion": "3.11",
    });
    folder.write("pyrightconfig.json", &config.to_string());
    let output = Command::new("node")
        .arg(node_module("pyright/index.js"))
        .arg("--outputjson")
        .arg("--pythonpath")
        .arg(interpreter)
        .current_dir(folder.path())
        .output()
        .expect("node runs: `scripts/test` installs it");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for error in report["generalDiagnostics"].as_array().unwrap() {
        let file = error["file"].as_str().unwrap().rsplit('/').next().unwrap();
        errors.entry(file.to_owned()).or_default().push(error["message"].as_str().unwrap().to_owned());
    }
    assert_judged(1, errors);
}

#[test]
fn generated_modules_run_in_python() {
    let folder = programs();
    let run = package().join("contract/programs/run.py");
    let output = python("python")
        .arg(run)
        .env("PYTHONPATH", folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"done\n");
}
