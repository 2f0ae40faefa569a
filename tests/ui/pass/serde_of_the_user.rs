//! Derives and serde attributes of the user's own stay as they are.

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[event("both")]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Both {
    user_name: String,
}

#[event("one")]
#[derive(serde::Serialize)]
struct One {
    #[serde(rename = "kind")]
    r#type: u8,
}

#[event("none")]
struct None_ {
    #[serde(default)]
    count: u64,
    #[serde(skip)]
    r#type: u8,
}

#[event("wrapped")]
struct Wrapped<T> {
    inner: T,
}

fn main() {
    assert_eq!(Both::TYPE, "both");
    assert_eq!(serde_json::to_string(&One { r#type: 1 }).unwrap(), r#"{"kind":1}"#);
    let none: None_ = serde_json::from_str("{}").unwrap();
    assert_eq!((none.count, none.r#type), (0, 0));
    assert_eq!(<Wrapped<u8> as Event>::TYPE, "wrapped");
    assert_eq!(Wrapped { inner: 1 }.inner, 1);
    assert_eq!(Both { user_name: "a".into() }.user_name, "a");
}
