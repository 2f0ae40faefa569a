//! The contracts of the tests: that of a chat, and one with every kind of type.

use std::collections::BTreeMap;

use channels_contract::Contract;
use channels_contract::facts::{
    AnswerFacts, AnswerFields, CommandFacts, ConsumerFacts, EventFacts, GroupFacts, MessageFacts, PartFacts, SchemaFn,
    TypeFacts,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auction;

/// Returns the contracts with their names. `folder` is that of their files.
pub(crate) fn all(folder: &str) -> [(&'static str, Contract); 3] {
    [
        ("auction", auction::contract().in_folder(folder)),
        ("chat", Contract::new("chat", folder, &[("/ws/chat/{room}/", CHAT)], &[ROOM, LOBBY], &[])),
        ("kinds", Contract::new("kinds", folder, &[("/kinds/", KINDS)], &[SEAT, EVERY], &[KIND_MOVED, KIND_TREE])),
    ]
}

const fn facts<T: JsonSchema>(name: &'static str) -> TypeFacts {
    TypeFacts { name, schema: Some(|generator| generator.subschema_for::<T>()) }
}

const fn inlined<T: JsonSchema>() -> SchemaFn {
    Some(|generator| T::json_schema(generator))
}

const fn event<T: JsonSchema>(name: &'static str, ty: &'static str, docs: &'static str) -> EventFacts {
    EventFacts { name, ty, docs, parts: &[], schema: inlined::<T>() }
}

const fn command<T: JsonSchema>(name: &'static str, answer: Option<AnswerFacts>) -> CommandFacts {
    CommandFacts { name, docs: "", payload: facts::<T>("Payload"), answers: answer.is_some(), answer }
}

const fn message<T: JsonSchema>(name: &'static str) -> MessageFacts {
    MessageFacts { place: "sends", ty: facts::<T>(name), is_json: true }
}

const ANSWERS: AnswerFields = AnswerFields { reference: "ref", ok: "ok", error: "error" };

/// Somebody joined.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ChatJoin {
    username: String,
}

/// Somebody says something.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ChatMessage {
    username: String,
    /// The text, with \ and """quotes""".
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quoted: Option<u64>,
}

/// An event that Rust reads with fewer fields than it writes.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ChatTopic {
    topic: String,
    #[serde(default)]
    since: u32,
}

const JOIN: EventFacts = event::<ChatJoin>("chat.join", "ChatJoin", " Somebody joined.");
const MESSAGE: EventFacts = event::<ChatMessage>("chat.message", "ChatMessage", " Somebody says \"something\"");
const TOPIC: EventFacts = event::<ChatTopic>("chat.topic", "ChatTopic", "");

const ROOM: GroupFacts = GroupFacts {
    name: "Room",
    pattern: "room-{id}",
    docs: " The sockets in one room.",
    fields: &[PartFacts { field: "id", ty: facts::<u32>("u32") }],
    rest: 0,
    events: &[JOIN, MESSAGE],
};

const LOBBY: GroupFacts =
    GroupFacts { name: "Lobby", pattern: "lobby", docs: "", fields: &[], rest: 0, events: &[TOPIC, JOIN] };

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Say {
    #[expect(dead_code, reason = "only its schema is used")]
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Who {}

#[derive(Serialize, JsonSchema)]
struct Members {
    names: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum Refused {
    Closed,
    Full { seats: u16 },
}

/// What happened.
#[derive(Serialize, JsonSchema)]
struct News {
    /// The kind.
    msg_type: u8,
    at: (f64, f64),
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

const CHAT: ConsumerFacts = ConsumerFacts {
    name: "ChatConsumer",
    docs: " One room over one socket.",
    tag: "command",
    answers: ANSWERS,
    captures: &["room"],
    commands: &[
        command::<Say>("send", None),
        command::<Who>(
            "who",
            Some(AnswerFacts { ok: facts::<Members>("Members"), error: Some(facts::<Refused>("Refused")) }),
        ),
        command::<Say>("count all/\"those\"", Some(AnswerFacts { ok: facts::<u64>("u64"), error: None })),
    ],
    messages: &[message::<News>("News")],
    others: false,
    untyped: None,
    refuses: true,
    history_lost: false,
};

/// A tree.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Tree {
    value: i64,
    children: Vec<Self>,
}

/// A type that contains itself without an object in between.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Nested {
    Word(String),
    List(Vec<Self>),
    Map(BTreeMap<u32, Self>),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mood {
    Glad,
    #[serde(rename = "it's \"so\" \\ so")]
    Neither,
}

/// A move.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Step {
    /// One field.
    Forward {
        by: u8,
    },
    TurnAround,
    #[serde(rename = "class")]
    Class {
        class: Mood,
    },
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Outside {
    Nothing,
    Number(u8),
    Pair(i8, String),
    Fields {
        #[serde(rename = "from")]
        from_here: Box<Self>,
        back: Option<Box<Nested>>,
    },
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct KindMoved {
    step: Step,
    #[serde(rename = "class")]
    class: Mood,
    /// A key
    /// of two words.
    #[serde(rename = "a-b", default)]
    a_b: Option<Outside>,
    __private: bool,
    nested: Nested,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct KindTree {
    tree: Tree,
    at: (u8, String),
    three: [u8; 3],
    letter: char,
    ratio: f32,
    anything: serde_json::Value,
    counts: BTreeMap<String, u64>,
    one: Outside,
    nothing: (),
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct KindOpen {
    known: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, i32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct KindForms {
    id: u32,
    #[serde(flatten)]
    step: Step,
}

const KIND_MOVED: EventFacts = event::<KindMoved>("kind.moved", "KindMoved", " One.\n\n Two \\ \"\"\" three.");
const KIND_TREE: EventFacts = event::<KindTree>("kind.tree", "KindTree", "");
const KIND_OPEN: EventFacts = event::<KindOpen>("kind.open", "KindOpen", "");
const KIND_FORMS: EventFacts = event::<KindForms>("kind.forms", "KindForms", "");

const SEAT: GroupFacts = GroupFacts {
    name: "Seat",
    pattern: "seat_{class}_{free}_{send}_{number}",
    docs: "",
    fields: &[
        PartFacts { field: "class", ty: facts::<String>("String") },
        PartFacts { field: "free", ty: facts::<bool>("bool") },
        PartFacts { field: "send", ty: TypeFacts { name: "Place", schema: None } },
        PartFacts { field: "number", ty: facts::<i8>("i8") },
    ],
    rest: 2,
    events: &[KIND_OPEN, KIND_FORMS],
};

const EVERY: GroupFacts = GroupFacts {
    name: "Every",
    pattern: "{name}",
    docs: "",
    fields: &[PartFacts { field: "name", ty: facts::<String>("String") }],
    rest: 0,
    events: &[KIND_MOVED, KIND_TREE],
};

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Go {
    #[serde(flatten)]
    step: Step,
    nested: Nested,
    at: (u8, String),
    #[serde(default)]
    three: Option<[u8; 3]>,
    id: i64,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Open {
    known: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Tree>,
}

const KINDS: ConsumerFacts = ConsumerFacts {
    name: "KindConsumer",
    docs: "",
    tag: "type",
    answers: ANSWERS,
    captures: &[],
    commands: &[command::<Go>("go", None), command::<Open>("open", None)],
    messages: &[
        message::<Tree>("Tree"),
        message::<Step>("Step"),
        message::<KindTree>("KindTree"),
        message::<Vec<u16>>("Vec<u16>"),
    ],
    others: true,
    untyped: None,
    refuses: false,
    history_lost: false,
};
