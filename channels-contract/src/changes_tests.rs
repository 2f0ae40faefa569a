//! Which changes break clients or processes, cell by cell of the table in `docs/contract.md`, and two lists of edits.

use serde_json::{Value, json};

use super::*;
use crate::contract::Contract;
use crate::facts::{AnswerFields, ConsumerFacts};
use crate::fixtures::{CHAT, multichat};

/// The route of `multichat`, as a JSON pointer.
const ROUTE: &str = "/routes/~1chat~1stream~1";

/// Sets values of a lock file by their JSON pointers, and removes those that are `null`.
fn edit(lock: &mut Value, edits: &[(&str, Value)]) {
    for (pointer, value) in edits {
        let pointer = pointer.replace("ROUTE", ROUTE);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        let Some(parent) = lock.pointer_mut(parent).and_then(Value::as_object_mut) else { panic!("no {pointer}") };
        match value {
            Value::Null => drop(parent.shift_remove(&key).unwrap_or_else(|| panic!("no {pointer}"))),
            value => drop(parent.insert(key, value.clone())),
        }
    }
}

/// Returns the changes when `before` is edited into the lock file of `multichat`, and then `after`.
fn changes(before: &[(&str, Value)], after: &[(&str, Value)]) -> Vec<String> {
    let mut old = serde_json::from_str(&Lock::of(&multichat()).to_string()).unwrap();
    edit(&mut old, before);
    let mut new = old.clone();
    edit(&mut new, after);
    let [old, new] = [old, new].map(|lock| Lock::read(&lock.to_string()).unwrap());
    let word = |breaks| if breaks { "break" } else { "note" };
    between(&old, &new).into_iter().map(|change| format!("{}: {}", word(change.breaks), change.text)).collect()
}

fn assert_changes(before: &[(&str, Value)], after: &[(&str, Value)], expected: &[&str]) {
    assert_eq!(changes(before, after), expected, "{after:?}");
}

const PROCESSES: &str = "other processes (old ones, or Django)";

#[test]
fn nothing_changed() {
    assert_changes(&[], &[], &[]);
}

#[test]
fn removed() {
    assert_changes(
        &[],
        &[("ROUTE/commands/leave", Value::Null)],
        &["break: the command `leave` is gone, and old clients send it: keep its `#[receive(\"leave\")]`"],
    );
    assert_changes(&[], &[("ROUTE/messages/Left", Value::Null)], &["note: the message `Left` is gone"]);
    let direct = [("/events/chat.direct", json!({ "id": "u8" }))];
    assert_changes(
        &direct,
        &[("/events/chat.direct", Value::Null)],
        &[&format!("break: the event `chat.direct` is gone, and {PROCESSES} may send it: keep it")],
    );
    assert_changes(
        &[],
        &[
            ("/events/chat.message", Value::Null),
            ("/reads/chat.message", Value::Null),
            ("/groups/room-{id}", json!([])),
        ],
        &[&format!(
            "break: the group `room-{{id}}` no longer carries `chat.message`, which {PROCESSES} may send: keep it in `events(..)`"
        )],
    );
}

#[test]
fn added() {
    assert_changes(&[], &[("ROUTE/commands/mute", json!("InRoom"))], &["note: new command `mute`"]);
    assert_changes(
        &[],
        &[("ROUTE/messages/Muted", json!("has mute")), ("/types/Muted", json!({ "mute": "RoomId" }))],
        &["note: new message `Muted`"],
    );
    assert_changes(
        &[],
        &[("ROUTE/messages/Muted", json!("has mute")), ("/types/Muted", json!({ "mute": "RoomId", "leave": "bool" }))],
        &[
            "break: old clients take the message `Muted` for `Left`, because it `has leave`: rename that field of `Muted`, or give it \
             a tag",
            "note: new message `Muted`",
        ],
    );
    assert_changes(
        &[],
        &[("/events/chat.mute", json!({ "id": "u8" })), ("/groups/room-{id}", json!(["chat.message", "chat.mute"]))],
        &[
            "note: the group `room-{id}` now carries `chat.mute`: a Python consumer in it needs a method `chat_mute`",
            "note: new event `chat.mute`",
        ],
    );
}

#[test]
fn added_beside_a_message_of_any_shape() {
    assert_changes(
        &[("ROUTE/messages", json!({ "All": [] })), ("/types/All", json!("any"))],
        &[("ROUTE/messages/Left", json!("has leave"))],
        &[
            "break: old clients take the message `Left` for `All`, because they know no other message of this consumer: send it as a \
             `All`, or from a consumer at another address",
            "note: new message `Left`",
        ],
    );
}

#[test]
fn required_field_added() {
    assert_changes(
        &[],
        &[("/types/Say/lang", json!("string"))],
        &[
            "break: the command `send` needs a new field `lang: string`, which old clients do not send: give it `#[serde(default)]`",
        ],
    );
    assert_changes(&[], &[("/types/Say/lang?", json!("string"))], &[]);
    assert_changes(&[], &[("/types/Joined/lang", json!("string"))], &[]);
    assert_changes(
        &[],
        &[("/events/chat.message/lang", json!("string")), ("/reads/chat.message/lang", json!("string"))],
        &[&format!(
            "break: the event `chat.message` needs a new field `lang: string`, which {PROCESSES} do not send: give it \
             `#[serde(default)]`"
        )],
    );
    assert_changes(
        &[],
        &[("/events/chat.message/lang", json!("string")), ("/reads/chat.message/lang?", json!("string"))],
        &[],
    );
}

#[test]
fn field_removed() {
    assert_changes(
        &[],
        &[("/types/Say/message", Value::Null)],
        &["note: the field `message` of the command `send` is gone: what old clients send in it is ignored"],
    );
    assert_changes(
        &[("/types/Say/..", json!("none"))],
        &[("/types/Say/message", Value::Null)],
        &[
            "break: the field `message` of the command `send` is refused, and old clients send it: keep the field, or remove \
             `#[serde(deny_unknown_fields)]`",
        ],
    );
    assert_changes(
        &[],
        &[("/types/Joined/title", Value::Null)],
        &["break: the field `title` of the message `Joined` is gone, and old clients read it: keep sending it"],
    );
    assert_changes(
        &[],
        &[("/events/chat.message/message", Value::Null), ("/reads/chat.message/message", Value::Null)],
        &[
            "break: the field `message` of the event `chat.message` is gone, and processes that still run the old version need it: \
             keep sending it",
        ],
    );
}

#[test]
fn required_becomes_optional() {
    assert_changes(&[], &[("/types/Say/message", Value::Null), ("/types/Say/message?", json!("string"))], &[]);
    assert_changes(
        &[],
        &[("/types/Joined/title", Value::Null), ("/types/Joined/title?", json!("string"))],
        &[
            "break: the field `title` of the message `Joined` can now be missing, and old clients read it: send it always",
        ],
    );
    assert_changes(
        &[],
        &[("/events/chat.message/message", Value::Null), ("/events/chat.message/message?", json!("string"))],
        &[
            "break: the field `message` of the event `chat.message` can now be missing, and processes that still run the old \
             version need it: send it always",
        ],
    );
    assert_changes(
        &[("/types/Say/lang?", json!("string"))],
        &[("/types/Say/lang?", Value::Null), ("/types/Say/lang", json!("string"))],
        &["break: the field `lang` of the command `send` is now required, and old clients may leave it out: give it \
             `#[serde(default)]`"],
    );
    assert_changes(
        &[],
        &[("/reads/chat.message/quoted?", Value::Null), ("/reads/chat.message/quoted", json!("u64 | null"))],
        &[&format!(
            "break: the field `quoted` of the event `chat.message` is now required, and {PROCESSES} may leave it out: give it \
             `#[serde(default)]`"
        )],
    );
}

#[test]
fn type_narrowed() {
    assert_changes(
        &[],
        &[("/types/Say/room", json!("string"))],
        &[
            "break: the field `room` of the command `send` takes `string`, and old clients send `u32`: accept that too, or add a \
             command of another name",
        ],
    );
    assert_changes(&[], &[("/types/News/msg_type", json!("0 | 4 | 5"))], &[]);
    assert_changes(
        &[("/events/chat.message/quoted", json!("u64")), ("/reads/chat.message/quoted?", json!("u64"))],
        &[("/events/chat.message/quoted", json!("u8")), ("/reads/chat.message/quoted?", json!("u8"))],
        &[&format!(
            "break: the field `quoted` of the event `chat.message` takes `u8`, and {PROCESSES} send `u64`: accept that too, or add \
             an event of another name"
        )],
    );
}

#[test]
fn type_widened() {
    assert_changes(&[], &[("/types/Say/message", json!("string | number"))], &[]);
    assert_changes(
        &[],
        &[("/types/News/msg_type", json!("u16"))],
        &[
            "break: the field `msg_type` of the message `News` can now be `u16`, and old clients expect `u8`: send the new value in \
             a field of another name",
        ],
    );
    assert_changes(
        &[],
        &[
            ("/events/chat.message/message", json!("string | null")),
            ("/reads/chat.message/message", json!("string | null")),
        ],
        &[
            "break: the field `message` of the event `chat.message` can now be `null`, and processes that still run the old version \
             expect `string`: send the new value in a field of another name",
        ],
    );
}

#[test]
fn value_of_enum_added_and_removed() {
    let moods = |field: &'static str| move |moods: &str| [(field, json!(moods))];
    let (one, two) = (r#""glad""#, r#""glad" | "sad""#);
    let command = moods("/types/Say/mood");
    assert_changes(&command(one), &command(two), &[]);
    assert_changes(
        &command(two),
        &command(one),
        &[
            "break: the field `mood` of the command `send` no longer takes `\"sad\"`, and old clients send it: accept it",
        ],
    );
    let message = moods("/types/Joined/mood");
    assert_changes(
        &message(one),
        &message(two),
        &["note: the field `mood` of the message `Joined` has the new value `\"sad\"`"],
    );
    assert_changes(&message(two), &message(one), &[]);
    let event = |moods: &str| [("/events/chat.message/mood", json!(moods)), ("/reads/chat.message/mood", json!(moods))];
    assert_changes(
        &event(one),
        &event(two),
        &[
            "break: the field `mood` of the event `chat.message` has the new value `\"sad\"`, and processes that still run the old \
             version do not know it: add an event of another name",
        ],
    );
    assert_changes(
        &event(two),
        &event(one),
        &[&format!(
            "break: the field `mood` of the event `chat.message` no longer takes `\"sad\"`, and {PROCESSES} send it: accept it"
        )],
    );
}

#[test]
fn variant_of_enum_added_and_changed() {
    const STEP: &str = r#"{"kind": "go", "by": u8} | {"kind": "stop"}"#;
    const MORE: &str = r#"{"kind": "go", "by": u8} | {"kind": "stop"} | {"kind": "turn"}"#;
    const OTHER: &str = r#"{"kind": "go", "by": u16} | {"kind": "stop"}"#;
    let message = |step: &str| [("/types/Joined/step", json!(step))];
    assert_changes(
        &message(STEP),
        &message(MORE),
        &["note: the field `step.kind` of the message `Joined` has the new value `\"turn\"`"],
    );
    assert_changes(
        &message(STEP),
        &message(OTHER),
        &[
            "break: the field `step.by` of the message `Joined` can now be `u16`, and old clients expect `u8`: send the new value in \
             a field of another name",
        ],
    );
    let command = |step: &str| [("/types/Say/step", json!(step))];
    assert_changes(
        &command(MORE),
        &command(STEP),
        &[
            "break: the field `step.kind` of the command `send` no longer takes `\"turn\"`, and old clients send it: accept it",
        ],
    );
    // The variants of an enum without a tag have one key.
    assert_changes(
        &message(r#""Stop" | {"Go": u8}"#),
        &message(r#""Stop" | {"Go": u8} | {"Turn": u8}"#),
        &["note: the field `step` of the message `Joined` has the new value `\"Turn\"`"],
    );
    assert_changes(
        &message(r#""Stop" | {"Go": u8} | {"Turn": u8}"#),
        &message(r#""Stop" | {"Go": u16} | {"Turn": u8}"#),
        &[
            "break: the field `step.Go` of the message `Joined` can now be `u16`, and old clients expect `u8`: send the new value in \
             a field of another name",
        ],
    );
}

#[test]
fn tag_address_and_pattern_changed() {
    assert_changes(
        &[],
        &[("ROUTE/tag", json!("type"))],
        &[
            "break: the tag of commands at `/chat/stream/` was `command` and is `type`, so no command of an old client is \
             understood: write `#[consumer(tag = \"command\")]`",
        ],
    );
    assert_changes(
        &[],
        &[("ROUTE/answers", json!(["id", "ok", "error"]))],
        &[
            "break: the fields of answers at `/chat/stream/` were `ref`, `ok`, `error` and are `id`, `ok`, `error`, so old clients do \
             not find their answers: keep the old names",
        ],
    );
    let route = json!({ "consumer": "ChatConsumer", "tag": "command" });
    assert_changes(
        &[("ROUTE", route.clone())],
        &[("ROUTE", Value::Null), ("/routes/~1ws~1", route.clone())],
        &[
            "break: the address `/chat/stream/` has become `/ws/`, and old clients connect to the old one: serve both",
            "note: new address `/ws/`",
        ],
    );
    assert_changes(
        &[],
        &[("ROUTE", Value::Null)],
        &["break: the address `/chat/stream/` is gone, and old clients connect to it: keep `ChatConsumer` there"],
    );
    assert_changes(
        &[],
        &[("/groups/room-{id}", Value::Null), ("/groups/room_{id}", json!(["chat.message"]))],
        &[
            &format!(
                "break: the group `room-{{id}}` is gone, and {PROCESSES} may be in it or send to it: keep its name"
            ),
            "note: new group `room_{id}`",
        ],
    );
}

/// No command is answered, but the runtime's refusal has the field, too.
#[test]
fn field_of_refusal_changed() {
    let silent = |error| {
        let answers = AnswerFields { error, ..CHAT.answers };
        let facts = ConsumerFacts { commands: &CHAT.commands[..3], messages: &[], answers, ..CHAT };
        let lock = Lock::of(&Contract::new("multichat", ".", &[("/chat/stream/", facts)], &[], &[]));
        Lock::read(&lock.to_string()).unwrap()
    };
    for (was, is) in [("error", "problem"), ("problem", "error")] {
        let changes = between(&silent(was), &silent(is));
        let text = format!(
            "the field of a refusal at `/chat/stream/` was `{was}` and is `{is}`, so old clients do not know that a command is refused: \
             write `#[consumer(error = \"{was}\")]`"
        );
        assert_eq!(changes, [Change { breaks: true, text }]);
    }
    assert_eq!(between(&silent("problem"), &silent("problem")), []);
}

#[test]
fn answer_changed() {
    let answer = |text: &str| [("ROUTE/commands/who", json!(text))];
    assert_changes(
        &[],
        &[("ROUTE/commands/join", json!("InRoom -> Members"))],
        &["note: the command `join` is now answered"],
    );
    assert_changes(
        &[],
        &answer("InRoom"),
        &[
            "break: the command `who` is no longer answered, and old clients wait for its answer: return a reply from its method",
        ],
    );
    assert_changes(&[], &answer("InRoom -> Members"), &["note: the command `who` is no longer refused"]);
    assert_changes(
        &answer("InRoom -> Members"),
        &answer("InRoom -> Members or Refused"),
        &[
            "break: the command `who` can now be refused, which old clients do not expect: add a command of another name",
        ],
    );
    assert_changes(
        &[],
        &[("/types/Members/names", json!("[string | null]"))],
        &[
            "break: the field `names.*` of the answer to `who` can now be `null`, and old clients expect `string`: send the new value \
             in a field of another name",
        ],
    );
    assert_changes(
        &[],
        &[("/types/Refused", json!(r#""ROOM_INVALID" | "ROOM_ACCESS_DENIED" | "ROOM_FULL""#))],
        &[
            "note: the refusal of `who` has the new value `\"ROOM_FULL\"`",
            "note: the field `error` of the message `Refusal` has the new value `\"ROOM_FULL\"`",
        ],
    );
}

/// Ten edits of an owner who thinks that nobody is hurt, and somebody is.
#[test]
fn ten_breaking_edits_break() {
    let edits: [&[(&str, Value)]; 10] = [
        // The id of a room becomes a number.
        &[("/types/RoomId", json!("u32"))],
        // `message` is renamed to `text` in one place.
        &[("/types/Say/message", Value::Null), ("/types/Say/text", json!("string"))],
        // A list of names becomes a list of objects.
        &[("/types/Members/names", json!(r#"[{"name": string}]"#))],
        // The answer is wrapped.
        &[("ROUTE/commands/who", json!("InRoom -> [Members] or Refused"))],
        // Unknown fields are now refused, with a field removed.
        &[("/types/InRoom/..", json!("none")), ("/types/InRoom/room", Value::Null)],
        // A refusal is told as text.
        &[("/types/Refusal/error", json!("string"))],
        // An event is renamed.
        &[
            ("/events/chat.message", Value::Null),
            ("/reads/chat.message", Value::Null),
            ("/events/chat.said", json!({ "message": "string" })),
            ("/groups/room-{id}", json!(["chat.said"])),
        ],
        // The text of an event may be missing.
        &[("/events/chat.message/message", json!("string | null"))],
        // A number is shown with digits after the point.
        &[("/types/News/msg_type", json!("number"))],
        // A message gets the key by which another is known.
        &[("/types/News/join?", json!("bool"))],
    ];
    for edit in edits {
        let changes = changes(&[], edit);
        assert!(changes.iter().any(|change| change.starts_with("break: ")), "{edit:?}: {changes:#?}");
    }
}

/// Ten edits that hurt nobody.
#[test]
fn ten_harmless_edits_do_not_break() {
    let members = json!({ "names": "[string]", "count": "u32" });
    let edits: [&[(&str, Value)]; 10] = [
        // A consumer is renamed.
        &[("ROUTE/consumer", json!("StreamConsumer"))],
        // The type of a command is renamed.
        &[
            ("/types/Say", Value::Null),
            ("/types/Speak", json!({ "room": "RoomIdInput", "message": "string" })),
            ("ROUTE/commands/send", json!("Speak")),
        ],
        // The type of a message is renamed.
        &[
            ("/types/Joined", Value::Null),
            ("/types/Entered", json!({ "join": "RoomId", "title": "string" })),
            ("ROUTE/messages/Joined", Value::Null),
            ("ROUTE/messages/Entered", json!("has join")),
        ],
        // A field of a group is renamed, and its name stays.
        &[("/groups/room-{id}", Value::Null), ("/groups/room-{room}", json!(["chat.message"]))],
        // An answer says more.
        &[("/types/Members", members)],
        // A refusal has a new reason.
        &[("/types/Refused", json!(r#""ROOM_INVALID" | "ROOM_ACCESS_DENIED" | "ROOM_FULL""#))],
        // A larger number is accepted.
        &[("/types/RoomIdInput", json!("string | u64"))],
        // An optional field in a command, and a field that an old process ignores in an event.
        &[
            ("/types/Say/lang?", json!("string | null")),
            ("/events/chat.message/lang", json!("string | null")),
            ("/reads/chat.message/lang?", json!("string | null")),
        ],
        // A type that is written inline.
        &[("/types/Refusal/error", json!(r#""ROOM_INVALID" | "ROOM_ACCESS_DENIED""#))],
        // A new room of the house: another address, another group, another event.
        &[
            ("/routes/~1other~1", json!({ "consumer": "Other", "tag": "type" })),
            ("/groups/other", json!(["other.event"])),
            ("/events/other.event", json!({})),
        ],
    ];
    for edit in edits {
        let changes = changes(&[], edit);
        assert!(changes.iter().all(|change| change.starts_with("note: ")), "{edit:?}: {changes:#?}");
    }
}

#[test]
fn argument_of_address_renamed() {
    let route = json!({ "consumer": "ChatConsumer", "tag": "command", "commands": { "join": "InRoom" } });
    let other = json!({ "consumer": "ChatConsumer", "tag": "command" });
    let (old, new) = ("/routes/~1ws~1{room}~1", "/routes/~1ws~1{name}~1");
    assert_changes(&[(old, route.clone())], &[(old, Value::Null), (new, route.clone())], &[]);
    assert_changes(
        &[(old, route)],
        &[(old, Value::Null), (new, other)],
        &["break: the command `join` is gone, and old clients send it: keep its `#[receive(\"join\")]`"],
    );
}

#[test]
fn moved_address_is_a_new_one() {
    let route = json!({ "consumer": "ChatConsumer", "tag": "command" });
    assert_changes(
        &[("/routes/~1ws~1", route)],
        &[("/routes/~1ws~1", Value::Null)],
        &["break: the address `/ws/` is gone, and old clients connect to it: keep `ChatConsumer` there"],
    );
}

#[test]
fn sentence_is_written_once() {
    let text = json!({ "message": "string", "lang": "string" });
    assert_changes(
        &[],
        &[("/events/chat.message", text.clone()), ("/reads/chat.message", text)],
        &[
            &format!(
                "break: the event `chat.message` needs a new field `lang: string`, which {PROCESSES} do not send: give it \
                 `#[serde(default)]`"
            ),
            "break: the field `room_id` of the event `chat.message` is gone, and processes that still run the old version need it: \
             keep sending it",
            "break: the field `username` of the event `chat.message` is gone, and processes that still run the old version need it: \
             keep sending it",
        ],
    );
}

#[test]
fn renamed_message_is_noted() {
    assert_changes(
        &[],
        &[
            ("/types/Joined", Value::Null),
            ("/types/Entered", json!({ "join": "RoomId", "title": "string" })),
            ("ROUTE/messages/Joined", Value::Null),
            ("ROUTE/messages/Entered", json!("has join")),
        ],
        &["note: the message `Joined` is now called `Entered`"],
    );
    assert_changes(
        &[],
        &[
            ("/types/Joined", Value::Null),
            ("/types/Entered", json!({ "join": "RoomId" })),
            ("ROUTE/messages/Joined", Value::Null),
            ("ROUTE/messages/Entered", json!("has join")),
        ],
        &[
            "break: old clients take the message `Entered` for `Joined`, because it `has join`: rename that field of `Entered`, or \
             give it a tag",
            "note: the message `Joined` is gone",
            "note: new message `Entered`",
        ],
    );
}
