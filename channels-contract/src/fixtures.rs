//! The contract of the example `multichat`, for tests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::Contract;
use crate::facts::{
    AnswerFields, CommandFacts, ConsumerFacts, EventFacts, GroupFacts, MessageFacts, PartFacts, TypeFacts,
};

/// The id of a room as it travels: a string, and read from a number too.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Spelling", into = "String")]
struct RoomId(String);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Spelling {
    Text(String),
    Number(u32),
}

impl From<Spelling> for RoomId {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Text(text) => Self(text),
            Spelling::Number(number) => Self(number.to_string()),
        }
    }
}

impl From<RoomId> for String {
    fn from(RoomId(id): RoomId) -> Self {
        id
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct InRoom {
    #[expect(dead_code, reason = "only its schema is used")]
    room: RoomId,
}

/// Says something in a room.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Say {
    #[expect(dead_code, reason = "only its schema is used")]
    room: RoomId,
    /// The text.
    #[expect(dead_code, reason = "only its schema is used")]
    message: String,
}

/// The answer to `join`.
#[derive(Serialize, JsonSchema)]
struct Joined {
    join: RoomId,
    title: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct Left {
    leave: RoomId,
}

#[derive(Serialize, JsonSchema)]
struct Refusal {
    error: Refused,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "only its schema is used")]
enum Refused {
    RoomInvalid,
    RoomAccessDenied,
}

/// What happened in a room.
#[derive(Serialize, JsonSchema)]
struct News {
    msg_type: u8,
    room: RoomId,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Who is in a room, for the command `who`, which answers.
#[derive(Serialize, JsonSchema)]
struct Members {
    names: Vec<String>,
}

/// A user sent a message.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ChatMessage {
    room_id: RoomId,
    username: String,
    message: String,
    #[serde(default)]
    quoted: Option<u64>,
}

/// Returns the facts of a type.
pub(crate) const fn facts<T: JsonSchema>(name: &'static str) -> TypeFacts {
    TypeFacts { name, schema: Some(|generator| generator.subschema_for::<T>()) }
}

const fn inlined<T: JsonSchema>() -> crate::facts::SchemaFn {
    Some(|generator| T::json_schema(generator))
}

pub(crate) const CHAT: ConsumerFacts = ConsumerFacts {
    name: "ChatConsumer",
    docs: " Several rooms over one socket.",
    tag: "command",
    answers: AnswerFields { reference: "ref", ok: "ok", error: "error" },
    captures: &[],
    commands: &[
        CommandFacts {
            name: "join",
            docs: " Enters a room.",
            payload: facts::<InRoom>("InRoom"),
            answers: false,
            answer: None,
        },
        CommandFacts { name: "leave", docs: "", payload: facts::<InRoom>("InRoom"), answers: false, answer: None },
        CommandFacts { name: "send", docs: "", payload: facts::<Say>("Say"), answers: false, answer: None },
        CommandFacts {
            name: "who",
            docs: " Asks who is there.",
            payload: facts::<InRoom>("InRoom"),
            answers: true,
            answer: Some(crate::facts::AnswerFacts {
                ok: facts::<Members>("Members"),
                error: Some(facts::<Refused>("Refused")),
            }),
        },
    ],
    messages: &[
        MessageFacts { place: "sends", ty: facts::<Joined>("Joined"), is_json: true },
        MessageFacts { place: "sends", ty: facts::<Left>("Left"), is_json: true },
        MessageFacts { place: "sends", ty: facts::<Refusal>("Refusal"), is_json: true },
        MessageFacts { place: "chat_message", ty: facts::<News>("News"), is_json: true },
    ],
    others: false,
    untyped: None,
    refuses: true,
    history_lost: false,
};

pub(crate) const MESSAGE: EventFacts = EventFacts {
    name: "chat.message",
    ty: "ChatMessage",
    docs: " A user sent a message.",
    parts: &[],
    schema: inlined::<ChatMessage>(),
};

pub(crate) const ROOM: GroupFacts = GroupFacts {
    name: "Room",
    pattern: "room-{id}",
    docs: " The sockets in one room.",
    fields: &[PartFacts { field: "id", ty: facts::<u32>("u32") }],
    rest: 0,
    events: &[MESSAGE],
};

pub(crate) fn multichat() -> Contract {
    let contract = Contract::new("multichat", ".", &[("/chat/stream/", CHAT)], &[ROOM], &[]);
    assert_eq!(contract.problems, Vec::<String>::new());
    contract
}
