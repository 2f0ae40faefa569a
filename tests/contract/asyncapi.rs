//! The AsyncAPI document, as its own parser judges it.

use std::process::Command;

use serde_json::{Value, json};

use crate::files::{Folder, generated, node_module, package};

/// Parses documents, and compares their examples with the schemas.
fn judged(folder: &Folder, names: &[&str]) -> Value {
    node_module("@asyncapi/parser");
    let output = Command::new("node")
        .arg(package().join("contract/parser.mjs"))
        .args(names)
        .current_dir(folder.path())
        .output()
        .expect("node runs: `scripts/test` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn parser_accepts_document_and_its_examples() {
    let folder = generated();
    assert_eq!(
        judged(&folder, &["chat.asyncapi.json", "kinds.asyncapi.json"]),
        json!({ "problems": [], "examples": 14 })
    );
}

#[test]
fn parser_finds_wrong_reference_and_wrong_example() {
    let folder = generated();
    let mut document = folder.json("chat.asyncapi.json");
    document["components"]["messages"]["ChatConsumer.send"]["examples"][0]["payload"]["further"] = 1.into();
    folder.write("example.json", &document.to_string());
    let report = judged(&folder, &["example.json"]);
    assert_eq!(
        report["problems"],
        json!(["example.json: ChatConsumer.send: data must NOT have additional properties"]),
        "the type denies unknown fields"
    );
    document["components"]["messages"]["News"]["payload"]["$ref"] = "#/components/schemas/Nobody".into();
    folder.write("reference.json", &document.to_string());
    let problem = judged(&folder, &["reference.json"])["problems"][0].to_string();
    assert!(problem.contains("invalid-ref"), "{problem}");
}
