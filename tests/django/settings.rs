//! Settings of layers, as real channels_redis and redis-py read them.

use std::path::Path;

use serde_json::{Value, json};

use crate::peer::Peer;

/// The entries of `hosts` in this file have the meaning that redis-py gives them. The unit test `host_means_the_same_as_in_redis_py`
/// of channels-runtime compares them with its own. `EXPECTORATE=overwrite` writes the file again.
#[tokio::test]
async fn hosts_have_the_recorded_meaning() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels-runtime/corpus/redis_hosts.json");
    let recorded: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let peer = Peer::start();
    let mut lines = Vec::new();
    for case in &recorded {
        let mut case = case.clone();
        let meaning = peer.begin("host", &json!({"host": case["host"]})).await;
        // Without the text of an error, which changes from one version of Python to the next.
        case["redis_py"] = meaning.unwrap_or_else(|raised| json!({"error": raised.name}));
        lines.push(case.to_string());
    }
    let meanings = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("EXPECTORATE").is_some_and(|mode| mode == "overwrite") {
        std::fs::write(&file, meanings).unwrap();
    } else {
        let now: Vec<Value> = serde_json::from_str(&meanings).unwrap();
        for (now, recorded) in now.iter().zip(&recorded) {
            assert_eq!(now, recorded);
        }
    }
}
