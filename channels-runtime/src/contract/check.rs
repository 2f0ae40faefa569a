//! Checks of `contract!` at compile time. A failed check panics with a message at the user's token.

use channels_contract::facts::{ConsumerFacts, EventFacts, GroupFacts, TypeFacts};

use crate::consumer::{ConsumerInfo, Message};

/// Checks that every type between a consumer and its clients has a schema.
#[track_caller]
pub const fn check_described_consumer(consumer: &ConsumerFacts) {
    let mut at = 0;
    while at < consumer.commands.len() {
        let command = &consumer.commands[at];
        check_type(&["the command \"", command.name, "\" of `", consumer.name, "` takes `"], &command.payload);
        if command.answers && command.answer.is_none() {
            let message = Message::new()
                .and(&[
                    "the command \"",
                    command.name,
                    "\" of `",
                    consumer.name,
                    "` is answered, but its return type is an ",
                ])
                .and(&["alias: write out `Result<Reply, Refused>`, so that the contract knows both types"]);
            panic!("{}", message.as_str());
        }
        if let Some(answer) = &command.answer {
            let place = ["the command \"", command.name, "\" of `", consumer.name, "` is answered with `"];
            check_type(&place, &answer.ok);
            if let Some(error) = &answer.error {
                check_type(&["the command \"", command.name, "\" of `", consumer.name, "` is refused with `"], error);
            }
        }
        at += 1;
    }
    at = 0;
    while at < consumer.messages.len() {
        let message = &consumer.messages[at];
        if !message.is_json {
            let message = Message::new()
                .and(&["handler `", message.place, "` of `", consumer.name, "` returns `", message.ty.name])
                .and(&["`, whose contents no other language can know: return a `Json<..>` of a type with a schema"]);
            panic!("{}", message.as_str());
        }
        check_type(&["`", consumer.name, "` sends `"], &message.ty);
        at += 1;
    }
    if let Some((call, method)) = consumer.untyped
        && !consumer.others
    {
        let message = Message::new()
            .and(&["`", method, "` of `", consumer.name, "` calls `cx.", call, "(..)`, whose message has no type that "])
            .and(&[
                "another language could know: list a type in `sends(..)` and send it with `cx.send(..)`, or write `sends(.., _)` if no ",
            ])
            .and(&["client needs to know it"]);
        panic!("{}", message.as_str());
    }
}

#[track_caller]
const fn check_type(place: &[&str], ty: &TypeFacts) {
    if ty.schema.is_none() {
        let message =
            Message::new().and(place).and(&[ty.name, "`, which has no schema: write `#[derive(JsonSchema)]` above it"]);
        panic!("{}", message.as_str());
    }
}

/// Checks that every field of an event has a schema.
#[track_caller]
pub const fn check_described_event(event: &EventFacts) {
    let mut at = 0;
    while at < event.parts.len() {
        let part = &event.parts[at];
        if part.ty.schema.is_none() {
            let message = Message::new()
                .and(&[
                    "event \"",
                    event.name,
                    "\" cannot leave Rust: its field `",
                    part.field,
                    "` has the type `",
                    part.ty.name,
                ])
                .and(&[
                    "`, which has no schema: write `#[derive(JsonSchema)]` above it, or `#[schemars(with = \"..\")]` ",
                ])
                .and(&["above the field"]);
            panic!("{}", message.as_str());
        }
        at += 1;
    }
}

/// Checks that every event of a group can be described, and that one of the contract's consumers handles it.
#[track_caller]
pub const fn check_described_group(name: &str, group: &GroupFacts, consumers: &[ConsumerInfo]) {
    let mut at = 0;
    while at < group.events.len() {
        let event = &group.events[at];
        if event.name.is_empty() {
            let message = Message::new()
                .and(&[
                    "group `",
                    name,
                    "` carries an event that a contract cannot describe: a generic struct, or one that ",
                ])
                .and(&["serde reads or writes as another type (`from`, `try_from`, `into`)"]);
            panic!("{}", message.as_str());
        }
        check_described_event(event);
        if !is_handled(event.name, consumers) {
            let message = Message::new()
                .and(&[
                    "group `",
                    name,
                    "` carries \"",
                    event.name,
                    "\", which no consumer in `routes` handles: add the ",
                ])
                .and(&["consumer, or leave the group out of the contract"]);
            panic!("{}", message.as_str());
        }
        at += 1;
    }
}

const fn is_handled(event: &str, consumers: &[ConsumerInfo]) -> bool {
    let mut consumer = 0;
    while consumer < consumers.len() {
        // Errors in its block were reported, and the missing handler may be there.
        if !consumers[consumer].complete {
            return true;
        }
        let mut at = 0;
        while at < consumers[consumer].handlers.len() {
            if is_same(consumers[consumer].handlers[at].event, event) {
                return true;
            }
            at += 1;
        }
        consumer += 1;
    }
    false
}

/// Checks that `#[connect]` has an argument of each name in the address. `captures` are the names in the address.
#[track_caller]
pub const fn check_address(address: &str, captures: &[&str], consumer: &ConsumerFacts) {
    let mut at = 0;
    while at < captures.len() {
        let mut known = false;
        let mut argument = 0;
        while argument < consumer.captures.len() {
            known |= is_same(consumer.captures[argument], captures[at]);
            argument += 1;
        }
        if !known {
            let message = Message::new()
                .and(&["the address \"", address, "\" has the capture `{", captures[at], "}`, but `#[connect]` of `"])
                .and(&[consumer.name, "` has no argument `", captures[at], "`: use the name of its argument"]);
            panic!("{}", message.as_str());
        }
        at += 1;
    }
}

const fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}
