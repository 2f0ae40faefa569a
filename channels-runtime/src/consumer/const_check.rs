//! What the compiler evaluates: the names of handlers, and whether the parts of an application fit together.
//!
//! Everything here runs at compile time, in expansions, and panics with a sentence. The caller's place is where the
//! compiler shows it, hence `#[track_caller]`.

use crate::consumer::info::ConsumerInfo;
use crate::event::EventInfo;

/// Is this the name of the handler's payload? An empty name is that of a payload that is no event, which is reported.
#[track_caller]
pub const fn check_name(handler: &str, says: &str, payload: &str, event: &str) {
    if event.is_empty() || is_same(says, event) {
        return;
    }
    let message = Message::new()
        .and(&["handler `", handler, "` says \"", says, "\", but `", payload, "` is the event \"", event, "\": "])
        .and(&["write `#[handler(\"", event, "\")]`"]);
    panic!("{}", message.as_str());
}

/// Does some consumer handle each event that the group carries, and is each name that of one type?
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
            .and(&["handles: add a `#[handler]`, or take it out of the group"]);
        panic!("{}", message.as_str());
    }
}

/// Does some consumer handle an event that is sent to single channels?
#[track_caller]
pub const fn check_direct(event: &EventInfo, consumers: &[ConsumerInfo], events: &[&[EventInfo]]) {
    check_one_type(event.name, event.defined, events);
    if !is_handled(event, consumers) {
        let message = Message::new()
            .and(&["no consumer of the application handles \"", event.name, "\", which is said to be sent directly: "])
            .and(&["add a `#[handler(\"", event.name, "\")]`"]);
        panic!("{}", message.as_str());
    }
}

/// Can each handler of the consumer be reached, and by the event that it is for?
#[track_caller]
pub const fn check_consumer(consumer: &ConsumerInfo, events: &[&[EventInfo]]) {
    let mut unreached = List::new();
    let mut at = 0;
    while at < consumer.handlers.len() {
        let (name, defined) = (consumer.handlers[at].event, consumer.handlers[at].defined);
        // One that a group lists is checked there.
        if !is_listed(name, defined, events) {
            check_one_type(name, defined, events);
        }
        // An empty name is that of a payload that is no event, which is reported.
        if !name.is_empty() && first_of(name, events).is_none() {
            unreached = unreached.and(name);
        }
        at += 1;
    }
    if unreached.length > 0 {
        let message = Message::new()
            .and(&["consumer `", consumer.name, "` handles ", unreached.text.as_str(), ", which no group of the "])
            .and(&[
                "application carries: add it to the events of a group, or to `direct: [..]` if it is sent to channels",
            ]);
        panic!("{}", message.as_str());
    }
}

const fn is_handled(event: &EventInfo, consumers: &[ConsumerInfo]) -> bool {
    let mut consumer = 0;
    while consumer < consumers.len() {
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

/// Is this the first type of its name in the lists? So two types of one name are told of once, at the one that is listed later.
///
/// Types cannot be compared at compile time, but the places where they are defined can. A type whose place is not known is taken
/// for the same.
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

/// Where the first type of this name is defined.
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
    // From the end, because names differ there: `chat.join`, `chat.left`.
    while at > 0 {
        at -= 1;
        if left[at] != right[at] {
            return false;
        }
    }
    true
}

/// `"chat.join", "chat.leave"`.
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

/// A sentence made at compile time, where there is no heap. What does not fit is left out.
struct Message {
    bytes: [u8; 1024],
    length: usize,
}

impl Message {
    const fn new() -> Self {
        Self { bytes: [0; 1024], length: 0 }
    }

    const fn and(mut self, parts: &[&str]) -> Self {
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

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(message) => message,
            // Cut in the middle of a letter.
            Err(_) => "a name is wrong, and too long to be shown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::info::HandlerInfo;
    use crate::event::MailboxPolicy;

    const fn event(name: &'static str, defined: &'static str) -> EventInfo {
        EventInfo { name, payload: std::any::type_name::<()>, fields: || &[], defined }
    }

    const fn handler(event: &'static str, defined: &'static str) -> HandlerInfo {
        let payload = std::any::type_name::<()>;
        let (variant, method) = ("", "");
        HandlerInfo { event, variant, method, payload, fields: || &[], shared: false, returns: None, line: 1, defined }
    }

    const fn consumer(handlers: &'static [HandlerInfo]) -> ConsumerInfo {
        let (fallback, commands, raw, groups, sends) = (None, &[], None, &[], &[]);
        let mailbox = MailboxPolicy::DropNewest;
        ConsumerInfo { name: "Chat", handlers, fallback, commands, raw, groups, sends, tag: "type", mailbox }
    }

    const JOIN: EventInfo = event("chat.join", "a::Join");
    const LEAVE: EventInfo = event("chat.leave", "a::Leave");
    const CHAT: ConsumerInfo = consumer(&[handler("chat.join", "a::Join"), handler("chat.leave", "a::Leave")]);

    fn panics(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let panic = std::panic::catch_unwind(check).expect_err("the check finds something");
        panic.downcast_ref::<String>().cloned().expect("a sentence")
    }

    #[test]
    fn what_fits_together_passes() {
        check_name("join", "chat.join", "Join", "chat.join");
        check_name("join", "chat.join", "NoEvent", "");
        check_group("Room", &[JOIN, LEAVE], &[CHAT], &[&[JOIN, LEAVE]]);
        check_direct(&JOIN, &[CHAT], &[&[JOIN], &[LEAVE]]);
        check_consumer(&CHAT, &[&[JOIN], &[LEAVE]]);
        // A type whose place is not known is no second type.
        check_group("Room", &[event("chat.join", "")], &[CHAT], &[&[JOIN]]);
    }

    #[test]
    fn a_handler_of_another_name_is_told_its_own() {
        let says = panics(|| check_name("join", "chat.jion", "Join", "chat.join"));
        assert_eq!(
            says,
            "handler `join` says \"chat.jion\", but `Join` is the event \"chat.join\": write `#[handler(\"chat.join\")]`"
        );
    }

    #[test]
    fn all_that_does_not_fit_is_named() {
        const DEAF: ConsumerInfo = consumer(&[]);
        let says = panics(|| check_group("Room", &[JOIN, LEAVE], &[DEAF], &[&[JOIN, LEAVE]]));
        assert!(says.starts_with("group `Room` carries \"chat.join\", \"chat.leave\", which no consumer"), "{says}");
        let says = panics(|| check_direct(&JOIN, &[DEAF], &[&[JOIN]]));
        assert!(says.starts_with("no consumer of the application handles \"chat.join\""), "{says}");
        let says = panics(|| check_consumer(&CHAT, &[&[LEAVE]]));
        assert!(says.starts_with("consumer `Chat` handles \"chat.join\", which no group of the application"), "{says}");
    }

    #[test]
    fn two_types_of_one_name_are_found_wherever_they_are() {
        const OTHER: EventInfo = event("chat.join", "b::Join");
        let lists: &[&[EventInfo]] = &[&[JOIN, LEAVE], &[OTHER]];
        check_group("Room", &[JOIN, LEAVE], &[CHAT], lists);
        let says = panics(|| check_group("Other", &[OTHER], &[CHAT], lists));
        assert_eq!(
            says,
            "two types of the application are the event \"chat.join\": `a::Join` and `b::Join`: give one of them \
             another name"
        );
        check_consumer(&CHAT, lists);
        check_consumer(&CHAT, &[&[OTHER], &[JOIN, LEAVE]]);
        let says = panics(|| check_consumer(&CHAT, &[&[OTHER]]));
        assert!(says.contains("`b::Join` and `a::Join`"), "{says}");
        let says = panics(|| check_direct(&OTHER, &[CHAT], &[&[JOIN], &[OTHER]]));
        assert!(says.contains("`a::Join` and `b::Join`"), "{says}");
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut() {
        let long = "x".repeat(2000);
        assert_eq!(Message::new().and(&[&long]).as_str().len(), 1024);
        let letters = "x".to_owned() + &"ä".repeat(1000);
        assert_eq!(Message::new().and(&[&letters]).as_str(), "a name is wrong, and too long to be shown");
    }
}
