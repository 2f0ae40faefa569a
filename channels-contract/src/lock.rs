//! The lock file: a contract in short lines, so that a reviewer can read the protocol.

use std::path::Path;
use std::{fmt, fs, io};

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::contract::{Answer, COMMAND_ERROR, Contract};
use crate::discriminator::Discriminator;
use crate::shape::{Field, Object, Rest, Shape};

/// The version of the file's format.
const FORMAT: u64 = 1;

/// The field of a refusal, unless a consumer names it.
const ERROR: &str = "error";

/// The content of a lock file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lock {
    pub(crate) contract: String,
    /// By their addresses.
    pub(crate) routes: IndexMap<String, LockedRoute>,
    /// The events of each group, by its pattern.
    pub(crate) groups: IndexMap<String, Vec<String>>,
    /// The fields of each event, as Rust sends them.
    pub(crate) events: IndexMap<String, Shape>,
    /// The fields of the events of which Rust accepts more than it sends.
    pub(crate) reads: IndexMap<String, Shape>,
    pub(crate) types: IndexMap<String, Shape>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockedRoute {
    pub(crate) consumer: String,
    pub(crate) tag: String,
    /// The fields around an answer, if a command is answered: `ref`, `ok` and `error`. Also if only the runtime's refusal has a field
    /// that is not `error`.
    pub(crate) answers: Option<[String; 3]>,
    pub(crate) commands: IndexMap<String, LockedCommand>,
    /// The discriminators of each message. Its shape is the type of the same name.
    pub(crate) messages: IndexMap<String, Vec<Discriminator>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockedCommand {
    pub(crate) fields: Shape,
    pub(crate) answer: Option<Answer>,
}

impl Lock {
    /// Returns the lock file of a contract.
    pub(crate) fn of(contract: &Contract) -> Self {
        let mut types: IndexMap<String, Shape> =
            contract.types.by_name.iter().map(|(name, ty)| (name.clone(), ty.shape.clone())).collect();
        for message in contract.routes.iter().flat_map(|route| &route.messages) {
            types.entry(message.name.clone()).or_insert_with(|| message.shape.clone());
        }
        let routes = contract.routes.iter().map(|route| {
            let fields = route.answers;
            let answers = [fields.reference, fields.ok, fields.error].map(str::to_owned);
            let answered = route.commands.iter().any(|command| command.answer.is_some());
            // The runtime's refusal has the last of them even if no command is answered.
            let refused = fields.error != ERROR && route.messages.iter().any(|message| message.name == COMMAND_ERROR);
            let answers = (answered || refused).then_some(answers);
            let commands = route.commands.iter().map(|command| {
                let locked = LockedCommand { fields: command.fields.clone(), answer: command.answer.clone() };
                (command.name.clone(), locked)
            });
            let messages = route.messages.iter().map(|message| (message.name.clone(), message.discriminators.clone()));
            let locked = LockedRoute {
                consumer: route.consumer.clone(),
                tag: route.tag.clone(),
                answers,
                commands: commands.collect(),
                messages: messages.collect(),
            };
            (route.address.clone(), locked)
        });
        let differing = contract.events.iter().filter(|event| event.read != event.written);
        Self {
            contract: contract.name.clone(),
            routes: routes.collect(),
            groups: contract.groups.iter().map(|group| (group.pattern.clone(), group.events.clone())).collect(),
            events: contract.events.iter().map(|event| (event.name.clone(), event.written.clone())).collect(),
            reads: differing.map(|event| (event.name.clone(), event.read.clone())).collect(),
            types,
        }
    }

    /// Reads a lock file. Returns `None` if the file does not exist.
    ///
    /// # Errors
    /// The file is not a lock file.
    pub(crate) fn load(path: &Path, shown: &Path) -> Result<Option<Self>, String> {
        let shown = shown.display();
        match fs::read_to_string(path) {
            Ok(text) if text.lines().any(|line| line.starts_with("<<<<<<< ")) => Err(format!(
                "`{shown}` has a conflict of a merge: take one side of it (`git checkout --theirs {shown}`), and write it again from \
                 the merged code"
            )),
            Ok(text) => Self::read(&text).map(Some).map_err(|error| {
                format!(
                    "`{shown}` is not a lock file of a contract: {error}. Restore it from git. Without it, nobody knows what old \
                     clients need"
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read `{shown}`: {error}")),
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let Distinct(whole) = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match whole.get("channels").and_then(Value::as_u64) {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(format!("its format is {other}, and this version of channels-contract reads {FORMAT}"));
            }
            None => return Err("it has no `channels`".into()),
        }
        Ok(Self {
            contract: string(&whole, "contract")?,
            routes: entries(&whole, "routes", |_, route| LockedRoute::read(route))?,
            groups: entries(&whole, "groups", |name, events| {
                serde_json::from_value(events.clone()).map_err(|error| format!("the group `{name}`: {error}"))
            })?,
            events: entries(&whole, "events", read_type)?,
            reads: entries(&whole, "reads", read_type)?,
            types: entries(&whole, "types", read_type)?,
        })
    }

    fn to_json(&self) -> Value {
        let mut whole = Map::new();
        whole.insert("channels".into(), FORMAT.into());
        whole.insert("contract".into(), self.contract.as_str().into());
        let routes = self.routes.iter().map(|(address, route)| (address.clone(), route.to_json()));
        whole.insert("routes".into(), Value::Object(routes.collect()));
        if !self.groups.is_empty() {
            let groups = self.groups.iter().map(|(pattern, events)| (pattern.clone(), json!(events)));
            whole.insert("groups".into(), Value::Object(groups.collect()));
        }
        for (key, types) in [("events", &self.events), ("reads", &self.reads), ("types", &self.types)] {
            if !types.is_empty() {
                let types = types.iter().map(|(name, shape)| (name.clone(), type_to_json(shape)));
                whole.insert(key.into(), Value::Object(types.collect()));
            }
        }
        Value::Object(whole)
    }

    /// Returns a short hash (FNV-1a) of everything that the lock file says.
    pub(crate) fn hash(&self) -> String {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let mut whole = self.to_json();
        // The order of fields does not travel.
        whole.sort_all_objects();
        format!("{:08x}", whole.to_string().bytes().fold(0x811c_9dc5, step))
    }
}

impl Contract {
    /// Returns the name and a hash of everything that the lock file says: `auction-5c1f0a9e`. Clients announce it with the option
    /// `announce`, and `ChannelsBuilder::contracts` counts them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{}-{}", self.name, Lock::of(self).hash())
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#}", self.to_json())
    }
}

impl LockedRoute {
    /// Returns the field of a refusal.
    pub(crate) fn error(&self) -> &str {
        self.answers.as_ref().map_or(ERROR, |[.., error]| error)
    }

    fn to_json(&self) -> Value {
        let mut route = Map::new();
        route.insert("consumer".into(), self.consumer.as_str().into());
        route.insert("tag".into(), self.tag.as_str().into());
        if let Some(answers) = &self.answers {
            route.insert("answers".into(), json!(answers));
        }
        let commands = self.commands.iter().map(|(name, command)| (name.clone(), Value::from(command.to_string())));
        route.insert("commands".into(), Value::Object(commands.collect()));
        let messages = self.messages.iter().map(|(name, discriminators)| {
            let discriminators: Vec<String> = discriminators.iter().map(Discriminator::to_string).collect();
            let text = match discriminators.len() {
                1 => Value::from(discriminators[0].as_str()),
                _ => json!(discriminators),
            };
            (name.clone(), text)
        });
        route.insert("messages".into(), Value::Object(messages.collect()));
        Value::Object(route)
    }

    fn read(route: &Value) -> Result<Self, String> {
        let answers = route.get("answers").cloned().map(serde_json::from_value).transpose();
        Ok(Self {
            consumer: string(route, "consumer")?,
            tag: string(route, "tag")?,
            answers: answers.map_err(|error| format!("`answers`: {error}"))?,
            commands: entries(route, "commands", |name, command| {
                let command = command.as_str().map(LockedCommand::read);
                command
                    .unwrap_or_else(|| Err("it is not a text".into()))
                    .map_err(|error| format!("the command `{name}`: {error}"))
            })?,
            messages: entries(route, "messages", |name, discriminators| {
                let texts = match discriminators {
                    Value::Array(texts) => texts.iter().collect(),
                    other => vec![other],
                };
                let discriminators = texts.into_iter().map(|text| text.as_str().and_then(Discriminator::read));
                discriminators.collect::<Option<_>>().ok_or_else(|| {
                    format!(
                        "the discriminator of the message `{name}` is `{discriminators}`",
                        discriminators = route["messages"][name]
                    )
                })
            })?,
        })
    }
}

impl fmt::Display for LockedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fields)?;
        if let Some(Answer { ok, error }) = &self.answer {
            write!(f, " -> {ok}")?;
            if let Some(error) = error {
                write!(f, " or {error}")?;
            }
        }
        Ok(())
    }
}

impl LockedCommand {
    fn read(text: &str) -> Result<Self, String> {
        let (fields, rest) = Shape::read_first(text)?;
        if rest.is_empty() {
            return Ok(Self { fields, answer: None });
        }
        let answer = rest.strip_prefix(" -> ").ok_or_else(|| format!("expected ` -> ` at `{rest}`"))?;
        let (ok, rest) = Shape::read_first(answer)?;
        let error = match rest {
            "" => None,
            rest => {
                Some(Shape::read(rest.strip_prefix(" or ").ok_or_else(|| format!("expected ` or ` at `{rest}`"))?)?)
            }
        };
        Ok(Self { fields, answer: Some(Answer { ok, error }) })
    }
}

/// The key of a flattened map, or of refused fields.
const REST: &str = "..";

/// Returns an object as a map of lines, and any other shape as its text.
fn type_to_json(shape: &Shape) -> Value {
    let Shape::Object(Object { fields, rest }) = shape else { return shape.to_string().into() };
    if fields.keys().any(|name| name.ends_with('?') || name == REST) {
        return shape.to_string().into();
    }
    let lines = fields.iter().map(|(name, Field { shape, required, .. })| {
        let mark = if *required { "" } else { "?" };
        (format!("{name}{mark}"), Value::from(shape.to_string()))
    });
    let mut lines: Map<String, Value> = lines.collect();
    match rest {
        Rest::Ignored => {}
        Rest::Denied => drop(lines.insert(REST.into(), "none".into())),
        Rest::Each(of) => drop(lines.insert(REST.into(), of.to_string().into())),
    }
    Value::Object(lines)
}

fn read_type(name: &str, value: &Value) -> Result<Shape, String> {
    let read =
        |text: &Value| Shape::read(text.as_str().unwrap_or_default()).map_err(|error| format!("`{name}`: {error}"));
    let Value::Object(lines) = value else { return read(value) };
    let mut object = Object::default();
    for (key, text) in lines {
        if key == REST {
            object.rest = if text == "none" { Rest::Denied } else { Rest::Each(Box::new(read(text)?)) };
            continue;
        }
        let (key, required) = key.strip_suffix('?').map_or((key.as_str(), true), |key| (key, false));
        object.fields.insert(key.to_owned(), Field { shape: read(text)?, required, docs: None });
    }
    Ok(Shape::Object(object))
}

/// JSON whose objects have each key once. A merge may put in the same key twice without a conflict, and the second would hide what old
/// clients need.
struct Distinct(Value);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = Distinct;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the JSON of a lock file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Distinct, A::Error> {
                let mut map = Map::new();
                while let Some((key, Distinct(value))) = entries.next_entry::<String, _>()? {
                    if map.contains_key(&key) {
                        return Err(A::Error::custom(format_args!("the key `{key}` is there twice")));
                    }
                    map.insert(key, value);
                }
                Ok(Distinct(map.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Distinct, A::Error> {
                let mut list = Vec::new();
                while let Some(Distinct(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Distinct(list.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Distinct, E> {
                Ok(Distinct(text.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Distinct, E> {
                Ok(Distinct(number.into()))
            }
        }

        deserializer.deserialize_any(Whole)
    }
}

fn string(value: &Value, key: &str) -> Result<String, String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("it has no text `{key}`"))
}

fn entries<T>(
    value: &Value,
    key: &str,
    read: impl Fn(&str, &Value) -> Result<T, String>,
) -> Result<IndexMap<String, T>, String> {
    match value.get(key) {
        None => Ok(IndexMap::new()),
        Some(Value::Object(entries)) => {
            entries.iter().map(|(name, value)| Ok((name.clone(), read(name, value)?))).collect()
        }
        Some(_) => Err(format!("`{key}` is not an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::multichat;

    #[test]
    fn the_lock_of_multichat_is_short_and_is_read_back() {
        let lock = Lock::of(&multichat());
        let text = lock.to_string();
        assert_eq!(Lock::read(&text), Ok(lock));
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({
                "channels": 1,
                "contract": "multichat",
                "routes": { "/chat/stream/": {
                    "consumer": "ChatConsumer",
                    "tag": "command",
                    "answers": ["ref", "ok", "error"],
                    "commands": {
                        "join": "InRoom",
                        "leave": "InRoom",
                        "send": "Say",
                        "who": "InRoom -> Members or Refused",
                    },
                    "messages": {
                        "Joined": "has join",
                        "Left": "has leave",
                        "Refusal": "has error: string",
                        "News": "has msg_type",
                        "CommandError": "has error: object",
                    },
                } },
                "groups": { "room-{id}": ["chat.message"] },
                "events": {
                    "chat.message": { "room_id": "RoomId", "username": "string", "message": "string", "quoted": "u64 | null" },
                },
                "reads": {
                    "chat.message": { "room_id": "RoomIdInput", "username": "string", "message": "string", "quoted?": "u64 | null" },
                },
                "types": {
                    "InRoom": { "room": "RoomIdInput" },
                    "RoomId": "string",
                    "RoomIdInput": "string | u32",
                    "Say": { "room": "RoomIdInput", "message": "string" },
                    "Members": { "names": "[string]" },
                    "Refused": "\"ROOM_INVALID\" | \"ROOM_ACCESS_DENIED\"",
                    "Joined": { "join": "RoomId", "title": "string" },
                    "Left": { "leave": "RoomId" },
                    "Refusal": { "error": "Refused" },
                    "News": { "msg_type": "u8", "room": "RoomId", "username": "string", "message?": "string | null" },
                    "CommandError": { "error": "{\"code\": string, \"message\": string}" },
                },
            })
        );
    }

    #[test]
    fn a_file_that_is_no_lock_is_refused() {
        for (text, sentence) in [
            ("", "EOF"),
            ("{}", "no `channels`"),
            (r#"{"channels": 2}"#, "its format is 2"),
            (r#"{"channels": 1}"#, "no text `contract`"),
            (r#"{"channels": 1, "contract": "c", "types": {"A": "strong"}}"#, ""),
            (r#"{"channels": 1, "contract": "c", "types": {"A": "[string"}}"#, "`A`: expected `]` at the end"),
            (r#"{"channels": 1, "contract": "c", "types": []}"#, "`types` is not an object"),
            (
                r#"{"channels": 1, "contract": "c", "routes": {"/": {"consumer": "C", "tag": "t", "messages": {"M": "had a"}}}}"#,
                "the discriminator of the message `M` is `\"had a\"`",
            ),
        ] {
            match Lock::read(text) {
                Err(error) => assert!(error.contains(sentence), "{text}: {error}"),
                // A name of a type that is not listed fits nothing.
                Ok(_) => assert_eq!(sentence, "", "{text}"),
            }
        }
    }
}
