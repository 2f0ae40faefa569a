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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

type MaybeUser = Option<User>;

#[event("told")]
#[derive(Debug, PartialEq)]
struct Told {
    #[serde(rename = "from")]
    user: User,
    maybe: MaybeUser,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<User>,
}

// An event that holds others of its kind.
#[event("thread")]
struct Thread {
    answers: Vec<Self>,
}

// The same behind another name, which only the user can know.
type Next = Option<Box<Step>>;

#[event("step")]
struct Step {
    #[serde(bound = "")]
    next: Next,
}

#[test]
fn runs() {
    let told: Told = serde_json::from_str(r#"{"from":{"name":"ada"}}"#).unwrap();
    assert_eq!(told, Told { user: User { name: "ada".into() }, maybe: None, others: Vec::new() });
    assert_eq!(serde_json::to_string(&told).unwrap(), r#"{"from":{"name":"ada"},"maybe":null}"#);
    let thread: Thread = serde_json::from_str(r#"{"answers":[{"answers":[]}]}"#).unwrap();
    assert_eq!(thread.answers[0].answers.len(), 0);
    let step: Step = serde_json::from_str(r#"{"next":{"next":null}}"#).unwrap();
    assert!(step.next.unwrap().next.is_none());
    assert_eq!(Both::TYPE, "both");
    assert_eq!(serde_json::to_string(&One { r#type: 1 }).unwrap(), r#"{"kind":1}"#);
    let none: None_ = serde_json::from_str("{}").unwrap();
    assert_eq!((none.count, none.r#type), (0, 0));
    assert_eq!(<Wrapped<u8> as Event>::TYPE, "wrapped");
    assert_eq!(Wrapped { inner: 1 }.inner, 1);
    assert_eq!(Both { user_name: "a".into() }.user_name, "a");
}
