//! The body of a request.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::{field_path, shown, shown_error};
use crate::web::publish::refusal::Refusal;

/// The time in which the body must arrive.
pub(super) const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The most messages in one request.
const MAX_MESSAGES: usize = 1000;

/// One message: its event, and the group, the channel or the user that receives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) group: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) channel: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) user: Option<UserKey>,
    #[serde(borrow)]
    pub(super) event: &'a RawValue,
}

/// The key of a user. A backend may send a primary key as a number.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "the key of a user is a text or a whole number")]
pub(super) enum UserKey {
    Number(i64),
    Text(String),
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Messages<'a>,
}

/// The messages of a batch, at most one more than allowed.
struct Messages<'a>(Vec<Message<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Messages<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;

        impl<'de> Visitor<'de> for Bounded {
            type Value = Vec<Message<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut messages = Vec::new();
                while let Some(message) = items.next_element()? {
                    messages.push(message);
                    if messages.len() > MAX_MESSAGES {
                        return Err(serde::de::Error::custom(format_args!(
                            "a request has at most {MAX_MESSAGES} messages"
                        )));
                    }
                }
                Ok(messages)
            }
        }
        deserializer.deserialize_seq(Bounded).map(Self)
    }
}

/// The messages of a request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) messages: Vec<Message<'a>>,
    /// Whether the request is a batch, whose response has a result for each message.
    pub(super) is_batch: bool,
}

impl<'a> Request<'a> {
    /// Reads `{"group": .., "event": ..}`, the same with `channel` or `user`, or `{"messages": [..]}`.
    ///
    /// # Errors
    /// If the body is not JSON, or not one of these.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        // The key decides which of the two it is, so that an error names the field of that one.
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow, default)]
            messages: Option<&'a RawValue>,
        }
        let kind: Kind<'_> = serde_json::from_slice(body).map_err(|error| refusal(&error, ""))?;
        if kind.messages.is_none() {
            return Ok(Self { messages: vec![parse(body)?], is_batch: false });
        }
        let Batch { messages: Messages(messages) } = parse(body)?;
        if messages.is_empty() { Err(Refusal::Empty) } else { Ok(Self { messages, is_batch: true }) }
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = field_path(error.path(), &error.inner().to_string());
        refusal(error.inner(), &path)
    })
}

fn refusal(error: &serde_json::Error, path: &str) -> Refusal {
    let reason = shown_error(error);
    match error.classify() {
        Category::Data => Refusal::NotAMessage { path: shown(path.trim_matches(['.', '?'])).to_owned(), reason },
        Category::Syntax | Category::Eof | Category::Io => Refusal::NotJson(reason),
    }
}

/// Returns the name of an event.
///
/// # Errors
/// If it is not an object, or its `type` is missing, there twice, or not a text.
pub(super) fn event_name(event: &RawValue) -> Result<Cow<'_, str>, String> {
    #[derive(Deserialize)]
    struct Type<'a> {
        #[serde(borrow, rename = "type")]
        name: Cow<'a, str>,
    }
    if !event.get().starts_with('{') {
        return Err("not an object".to_owned());
    }
    serde_json::from_str(event.get()).map(|Type { name }| name).map_err(shown_error)
}

/// Returns the first field of an event that is not one of these, nor its `type`.
pub(super) fn unknown_field(event: &RawValue, known: &[&str]) -> Option<String> {
    struct Unknown<'k>(&'k [&'k str]);

    impl<'de> Visitor<'de> for Unknown<'_> {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Option<String>, A::Error> {
            let mut unknown = None;
            while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
                if unknown.is_none() && key != "type" && !self.0.contains(&&*key) {
                    unknown = Some(shown(&key).to_owned());
                }
                entries.next_value::<serde::de::IgnoredAny>()?;
            }
            Ok(unknown)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(event.get());
    // It was read before, so it is an object.
    reader.deserialize_map(Unknown(known)).unwrap_or_default()
}
