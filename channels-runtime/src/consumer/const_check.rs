//! Checks at compile time: the names of handlers, and whether the parts of an application fit together.
//!
//! The macros' expansions call these functions in constants. A failed check panics with a message. `#[track_caller]` makes the
//! compiler show the message at the caller.

use crate::consumer::info::ConsumerInfo;
use crate::event::{EventInfo, GroupInfo};

/// Checks that the name in `#[handler]` is the name of the payload's event. `event` is empty if the payload is not an event,
/// which the compiler reports itself.
#[track_caller]
pub const fn check_name(handler: &str, written: &str, payload: &str, event: &str) {
    if event.is_empty() || is_same(written, event) {
        return;
    }
    let message = Message::new()
        .and(&["handler `", handler, "` is for \"", written, "\", but `", payload, "` is the event \"", event, "\": "])
        .and(&["write `#[handler(\"", event, "\")]`"]);
    panic!("{}", message.as_str());
}

/// Checks that the type of a command is not an enum, a list, or another type that is certainly not a struct with named fields.
/// `kind` is empty for any other type.
#[track_caller]
pub const fn check_command(method: &str, command: &str, payload: &str, kind: &str) {
    if kind.is_empty() {
        return;
    }
    let message = Message::new()
        .and(&[
            "`",
            payload,
            "` is ",
            kind,
            ", but the command \"",
            command,
            "\" is a struct with named fields: take one that ",
        ])
        .and(&[
            "derives `Deserialize`, or receive any JSON: `#[receive] async fn ",
            method,
            "(&mut self, cx: &mut Context<Self>, ",
        ])
        .and(&["Json(command): Json<", payload, ">)`"]);
    panic!("{}", message.as_str());
}

/// Checks that the error of a command that does not answer is not one that a client could be sent: its author may expect that the
/// client receives it. `is_sendable` is whether serde can serialise the error.
#[track_caller]
pub const fn check_silence(method: &str, output: &str, is_sendable: bool) {
    if !is_sendable {
        return;
    }
    let message = Message::new()
        .and(&["`", method, "` returns `", output, "`, so an error closes the connection and the client does not receive it, "])
        .and(&["although serde can serialise it: to answer the client with it, return a reply in `Ok` (`Result<Reply, Refused>`) "])
        .and(&["or `Result<Result<(), Refused>>`; to close the connection, return `Result<()>` and use `?`"]);
    panic!("{}", message.as_str());
}

/// Checks that a consumer handles each event of the group, and that each name belongs to one type.
#[track_caller]
pub const fn check_group(group: &str, carries: &[EventInfo], consumers: &[ConsumerInfo], events: &[&[EventInfo]]) {
    let mut unhandled = List::new();
    let mut at = 0;
    while at < carries.len() {
        if !is_handled(&carries[at], consumers) {
            unhandled = unhandled.and(carries[at].name);
        }
        check_one_type(carries[at].name, carries[at].defined, events);
        at += 1;
    }
    if unhandled.length > 0 {
        let message = Message::new()
            .and(&["group `", group, "` carries ", unhandled.text.as_str(), ", which no consumer of the application "])
            .and(&["handles: add a `#[handler]`, or remove it from the group"]);
        panic!("{}", message.as_str());
    }
}

/// Checks that a group with a history carries an event that is not volatile: otherwise its history would always be empty. An event
/// is its name and whether it is volatile. The name is empty for a type that is not an event, which the compiler reports itself.
#[track_caller]
pub const fn check_history(group: &str, events: &[(&str, bool)]) {
    let mut at = 0;
    while at < events.len() {
        let (name, volatile) = events[at];
        if name.is_empty() || !volatile {
            return;
        }
        at += 1;
    }
    if events.is_empty() {
        return;
    }
    let message = Message::new()
        .and(&[
            "the history of group `",
            group,
            "` would always be empty, because all events of the group are volatile: ",
        ])
        .and(&["remove `history(..)`, or remove `volatile` from an event that clients must not miss"]);
    panic!("{}", message.as_str());
}

/// Checks that no group before `groups[at]` can have the same name: a member of one would receive the events of the other.
#[track_caller]
pub const fn check_pattern(at: usize, names: &[&str], groups: &[GroupInfo]) {
    let mut other = 0;
    while other < at {
        if overlaps(groups[at].shape, groups[other].shape) {
            let (pattern, before) = (groups[at].pattern, groups[other].pattern);
            let message = Message::new()
                .and(&[
                    "groups `",
                    names[other],
                    "` and `",
                    names[at],
                    "` can have one name, by \"",
                    before,
                    "\" and \"",
                ])
                .and(&[
                    pattern,
                    "\", and their members would receive the events of both: begin one of the names differently",
                ]);
            panic!("{}", message.as_str());
        }
        other += 1;
    }
}

/// Returns whether two names can be equal. See [`Group::SHAPE`](crate::Group::SHAPE).
const fn overlaps(left: &str, right: &str) -> bool {
    ends_meet((left.as_bytes(), 0, false), (right.as_bytes(), 0, false))
}

/// Returns whether the rests of two names can be equal. A rest is the shape, a position in it, and whether the field there has
/// begun. Fields are not empty.
const fn ends_meet(left: (&[u8], usize, bool), right: (&[u8], usize, bool)) -> bool {
    let ((left, at, begun), (right, to, started)) = (left, right);
    if at == left.len() && to == right.len() {
        return true;
    }
    if begun && ends_meet((left, at + 1, false), (right, to, started)) {
        return true;
    }
    if started && ends_meet((left, at, begun), (right, to + 1, false)) {
        return true;
    }
    if at == left.len() || to == right.len() || !can_share(left[at], right[to]) {
        return false;
    }
    match (is_field(left[at]), is_field(right[to])) {
        (false, false) => ends_meet((left, at + 1, false), (right, to + 1, false)),
        (true, false) => ends_meet((left, at, true), (right, to + 1, false)),
        (false, true) => ends_meet((left, at + 1, false), (right, to, true)),
        (true, true) => !(begun && started) && ends_meet((left, at, true), (right, to, true)),
    }
}

const fn is_field(part: u8) -> bool {
    part <= 3
}

/// Returns whether a character of one name can be that of the other.
const fn can_share(left: u8, right: u8) -> bool {
    match (left, right) {
        (1, _) | (_, 1) | (2 | 3, 2 | 3) => true,
        (2, literal) | (literal, 2) => literal.is_ascii_digit() || literal == b'-',
        (3, _) | (_, 3) => false,
        _ => left == right,
    }
}

/// Checks that a consumer handles an event that is sent to single channels.
#[track_caller]
pub const fn check_direct(event: &EventInfo, consumers: &[ConsumerInfo], events: &[&[EventInfo]]) {
    check_one_type(event.name, event.defined, events);
    if !is_handled(event, consumers) {
        let message = Message::new()
            .and(&["no consumer of the application handles \"", event.name, "\", which `direct` lists: "])
            .and(&["add a `#[handler(\"", event.name, "\")]`"]);
        panic!("{}", message.as_str());
    }
}

/// Checks that a group or `direct` lists the event of each handler, and that each name belongs to one type.
#[track_caller]
pub const fn check_consumer(consumer: &ConsumerInfo, events: &[&[EventInfo]]) {
    let mut unreached = List::new();
    let mut at = 0;
    while at < consumer.handlers.len() {
        let (name, defined) = (consumer.handlers[at].event, consumer.handlers[at].defined);
        // `check_group` checks an event that a group lists.
        if !is_listed(name, defined, events) {
            check_one_type(name, defined, events);
        }
        // An empty name means that the payload is not an event, which the compiler reports.
        if !name.is_empty() && first_of(name, events).is_none() {
            unreached = unreached.and(name);
        }
        at += 1;
    }
    if unreached.length > 0 {
        let message = Message::new()
            .and(&["consumer `", consumer.name, "` handles ", unreached.text.as_str(), ", which no group of the "])
            .and(&[
                "application carries: add it to the events of a group, or to `direct: [..]` if it is sent to channels or by a timer \
                 (`cx.after`, `cx.every`)",
            ]);
        panic!("{}", message.as_str());
    }
}

const fn is_handled(event: &EventInfo, consumers: &[ConsumerInfo]) -> bool {
    let mut consumer = 0;
    while consumer < consumers.len() {
        // Errors in its block were reported, and the missing handler may be there.
        if !consumers[consumer].complete {
            return true;
        }
        let handlers = consumers[consumer].handlers;
        let mut at = 0;
        while at < handlers.len() {
            if is_same(handlers[at].event, event.name) {
                return true;
            }
            at += 1;
        }
        consumer += 1;
    }
    false
}

/// Checks that no other type with this name is listed before. So two types with one name are reported once, at the later one.
///
/// Types cannot be compared at compile time, so their definitions' paths are compared. A type without a path counts as equal to
/// every other type.
#[track_caller]
const fn check_one_type(name: &str, defined: &str, events: &[&[EventInfo]]) {
    let Some(first) = first_of(name, events) else { return };
    if !first.is_empty() && !defined.is_empty() && !is_same(first, defined) {
        let message = Message::new()
            .and(&["two types of the application are the event \"", name, "\": `", first, "` and `", defined])
            .and(&["`: give one of them another name"]);
        panic!("{}", message.as_str());
    }
}

const fn is_listed(name: &str, defined: &str, events: &[&[EventInfo]]) -> bool {
    let mut list = 0;
    while list < events.len() {
        let mut at = 0;
        while at < events[list].len() {
            if is_same(events[list][at].name, name) && is_same(events[list][at].defined, defined) {
                return true;
            }
            at += 1;
        }
        list += 1;
    }
    false
}

/// Returns the path of the first listed type with this name.
const fn first_of<'a>(name: &str, events: &[&'a [EventInfo]]) -> Option<&'a str> {
    let mut list = 0;
    while list < events.len() {
        let mut at = 0;
        while at < events[list].len() {
            if is_same(events[list][at].name, name) {
                return Some(events[list][at].defined);
            }
            at += 1;
        }
        list += 1;
    }
    None
}

const fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = left.len();
    // From the end, because event names often differ there: `chat.join`, `chat.left`.
    while at > 0 {
        at -= 1;
        if left[at] != right[at] {
            return false;
        }
    }
    true
}

/// A list of quoted names: `"chat.join", "chat.leave"`.
struct List {
    text: Message,
    length: usize,
}

impl List {
    const fn new() -> Self {
        Self { text: Message::new(), length: 0 }
    }

    const fn and(self, name: &str) -> Self {
        let before = if self.length == 0 { "\"" } else { ", \"" };
        Self { text: self.text.and(&[before, name, "\""]), length: self.length + 1 }
    }
}

/// A message built at compile time, without a heap. Bound: 1,024 bytes; the rest is cut off.
pub(crate) struct Message {
    bytes: [u8; 1024],
    length: usize,
}

impl Message {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; 1024], length: 0 }
    }

    pub(crate) const fn and(mut self, parts: &[&str]) -> Self {
        let mut part = 0;
        while part < parts.len() {
            let bytes = parts[part].as_bytes();
            let mut at = 0;
            while at < bytes.len() && self.length < self.bytes.len() {
                self.bytes[self.length] = bytes[at];
                (at, self.length) = (at + 1, self.length + 1);
            }
            part += 1;
        }
        self
    }

    pub(crate) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(message) => message,
            // The bound has cut a character in half.
            Err(_) => "a name is wrong, and too long to be shown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::info::{AnswerFields, HandlerInfo};
    use crate::event::MailboxPolicy;

    const fn event(name: &'static str, defined: &'static str) -> EventInfo {
        EventInfo { name, payload: std::any::type_name::<()>, fields: || &[], defined }
    }

    const fn handler(event: &'static str, defined: &'static str) -> HandlerInfo {
        let payload = std::any::type_name::<()>;
        let (variant, method) = ("", "");
        HandlerInfo {
            event,
            variant,
            method,
            payload,
            fields: || &[],
            shared: false,
            uncompressed: false,
            returns: None,
            line: 1,
            decodes: |_| Ok(()),
            defined,
        }
    }

    const fn consumer(handlers: &'static [HandlerInfo]) -> ConsumerInfo {
        let (fallback, commands, raw, groups, sends) = (None, &[], None, &[], &[]);
        let mailbox = MailboxPolicy::DropNewest;
        ConsumerInfo {
            name: "Chat",
            handlers,
            fallback,
            commands,
            raw,
            groups,
            sends,
            tag: "type",
            answer: AnswerFields { reference: "ref", ok: "ok", error: "error" },
            mailbox,
            uncompressed: false,
            complete: true,
        }
    }

    const JOIN: EventInfo = event("chat.join", "a::Join");
    const LEAVE: EventInfo = event("chat.leave", "a::Leave");
    const CHAT: ConsumerInfo = consumer(&[handler("chat.join", "a::Join"), handler("chat.leave", "a::Leave")]);

    fn panics(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let panic = std::panic::catch_unwind(check).expect_err("the check fails");
        panic.downcast_ref::<String>().cloned().expect("a message")
    }

    #[test]
    fn correct_application_passes() {
        check_name("join", "chat.join", "Join", "chat.join");
        check_name("join", "chat.join", "NoEvent", "");
        check_group("Room", &[JOIN, LEAVE], &[CHAT], &[&[JOIN, LEAVE]]);
        check_direct(&JOIN, &[CHAT], &[&[JOIN], &[LEAVE]]);
        check_consumer(&CHAT, &[&[JOIN], &[LEAVE]]);
        // A type without a path does not count as a second type.
        check_group("Room", &[event("chat.join", "")], &[CHAT], &[&[JOIN]]);
    }

    #[test]
    fn wrong_handler_name_is_reported() {
        let message = panics(|| check_name("join", "chat.jion", "Join", "chat.join"));
        assert_eq!(
            message,
            "handler `join` is for \"chat.jion\", but `Join` is the event \"chat.join\": write `#[handler(\"chat.join\")]`"
        );
    }

    #[test]
    fn history_of_volatile_events_only_is_reported() {
        check_history("Room", &[("a.b", true), ("c.d", false)]);
        check_history("Room", &[("a.b", true), ("", true)]);
        check_history("Room", &[]);
        let message = panics(|| check_history("Room", &[("a.b", true), ("c.d", true)]));
        assert!(message.starts_with("the history of group `Room` would always be empty"), "{message}");
    }

    #[test]
    fn unhandled_events_are_listed() {
        const WITHOUT_HANDLERS: ConsumerInfo = consumer(&[]);
        let message = panics(|| check_group("Room", &[JOIN, LEAVE], &[WITHOUT_HANDLERS], &[&[JOIN, LEAVE]]));
        assert!(
            message.starts_with("group `Room` carries \"chat.join\", \"chat.leave\", which no consumer"),
            "{message}"
        );
        let message = panics(|| check_direct(&JOIN, &[WITHOUT_HANDLERS], &[&[JOIN]]));
        assert!(message.starts_with("no consumer of the application handles \"chat.join\""), "{message}");
        let message = panics(|| check_consumer(&CHAT, &[&[LEAVE]]));
        assert!(
            message.starts_with("consumer `Chat` handles \"chat.join\", which no group of the application"),
            "{message}"
        );
    }

    #[test]
    fn two_types_with_one_name_are_reported_once() {
        const OTHER: EventInfo = event("chat.join", "b::Join");
        let lists: &[&[EventInfo]] = &[&[JOIN, LEAVE], &[OTHER]];
        check_group("Room", &[JOIN, LEAVE], &[CHAT], lists);
        let message = panics(|| check_group("Other", &[OTHER], &[CHAT], lists));
        assert_eq!(
            message,
            "two types of the application are the event \"chat.join\": `a::Join` and `b::Join`: give one of them \
             another name"
        );
        check_consumer(&CHAT, lists);
        check_consumer(&CHAT, &[&[OTHER], &[JOIN, LEAVE]]);
        let message = panics(|| check_consumer(&CHAT, &[&[OTHER]]));
        assert!(message.contains("`b::Join` and `a::Join`"), "{message}");
        let message = panics(|| check_direct(&OTHER, &[CHAT], &[&[JOIN], &[OTHER]]));
        assert!(message.contains("`a::Join` and `b::Join`"), "{message}");
    }

    #[test]
    fn patterns_with_equal_names_overlap() {
        // `\u{1}` is text, `\u{2}` a number, `\u{3}` a type of the user's.
        for (left, right, is_same) in [
            ("chat_\u{1}", "chat_\u{1}", true),
            ("chat_\u{2}", "chat_\u{1}", true),
            ("chat_\u{2}", "chat_\u{3}", true),
            ("chat_\u{3}", "chat_\u{3}", true),
            ("chat_\u{1}", "chat_lobby", true),
            ("chat_\u{2}", "chat_lobby", false),
            ("chat_\u{2}", "chat_7", true),
            ("chat_\u{3}", "chat_7", false),
            ("chat_\u{1}", "chat_", false),
            ("chat", "chat", true),
            ("chat", "chats", false),
            ("user_\u{1}", "room_\u{1}", false),
            ("user_\u{2}", "user_\u{2}_typing", false),
            ("user_\u{1}", "user_\u{2}_typing", true),
            ("user_\u{1}_a", "user_\u{1}_b", false),
            ("\u{1}_a", "b_\u{1}", true),
            ("\u{1}\u{2}\u{1}", "\u{1}-\u{3}x", true),
            ("\u{2}.\u{2}", "\u{2}.\u{2}.\u{2}", false),
        ] {
            assert_eq!(overlaps(left, right), is_same, "{left:?} and {right:?}");
            assert_eq!(overlaps(right, left), is_same, "{right:?} and {left:?}");
        }
    }

    #[test]
    fn long_message_is_cut_off() {
        let long = "x".repeat(2000);
        assert_eq!(Message::new().and(&[&long]).as_str().len(), 1024);
        let letters = "x".to_owned() + &"ä".repeat(1000);
        assert_eq!(Message::new().and(&[&letters]).as_str(), "a name is wrong, and too long to be shown");
    }
}
