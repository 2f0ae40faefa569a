//! The document as a whole.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::example::example;
use super::schema::{described, schema};
use crate::contract::{COMMAND_ERROR, Command, Contract, Message, Route};
use crate::lock::Lock;
use crate::outputs::heading;
use crate::shape::{Field, Object, Rest, Shape, Text};
use crate::types::Types;

/// Writes the document as JSON.
pub(crate) fn asyncapi(contract: &Contract) -> Result<String, String> {
    Ok(format!("{:#}\n", document(contract)))
}

/// Returns a reference to a component.
pub(super) fn reference(kind: &str, name: &str) -> String {
    format!("#/components/{kind}/{}", key(name))
}

/// Returns a name as a key of the document: letters and digits of ASCII, `.`, `-` and `_`.
fn key(name: &str) -> String {
    let mut key = String::new();
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => key.push(character),
            other => {
                let _ = write!(key, ".x{:x}.", u32::from(other));
            }
        }
    }
    key
}

/// Adds a value under a key, or under one with a number if another value has that key. Returns the key.
fn add(map: &mut Map<String, Value>, wanted: &str, value: Value) -> String {
    let wanted = key(wanted);
    let numbered = (2..).map(|number: u32| format!("{wanted}{number}"));
    let is_free = |key: &String| map.get(key).is_none_or(|known| *known == value);
    let key = [wanted.clone()].into_iter().chain(numbered).find(is_free).expect("there are more numbers than keys");
    map.insert(key.clone(), value);
    key
}

fn document(contract: &Contract) -> Value {
    let hash = Lock::of(contract).hash();
    let mut document = Document {
        types: &contract.types,
        channels: Map::new(),
        operations: Map::new(),
        messages: Map::new(),
        payloads: Vec::new(),
    };
    for route in &contract.routes {
        document.route(route);
    }
    let Document { channels, operations, messages, payloads, .. } = document;
    let schemas = contract.types.needed(&payloads).into_iter().filter_map(|name| {
        let ty = contract.types.by_name.get(name)?;
        let schema = schema(&ty.shape);
        Some((key(name), ty.docs.as_ref().map_or(schema.clone(), |docs| described(schema, docs))))
    });
    let schemas: Map<String, Value> = schemas.collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": contract.name,
            "version": hash,
            "x-contract": contract.fingerprint(),
            "x-generated": heading(contract),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

struct Document<'a> {
    types: &'a Types,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    /// The messages of all channels.
    messages: Map<String, Value>,
    /// The shapes of all messages.
    payloads: Vec<Shape>,
}

/// The messages of a channel.
#[derive(Default)]
struct Channel {
    key: String,
    messages: Map<String, Value>,
}

impl Channel {
    /// Returns references to messages of the channel.
    fn references(&self, keys: &[String]) -> Vec<Value> {
        keys.iter().map(|key| json!({ "$ref": format!("#/channels/{}/messages/{key}", self.key) })).collect()
    }
}

impl Document<'_> {
    fn route(&mut self, route: &Route) {
        let mut channel = Channel { key: key(&route.consumer), ..Channel::default() };
        let (mut plain, mut answered) = (Vec::new(), Vec::new());
        for command in &route.commands {
            let shape = self.command(route, command);
            let name = format!("{}.{}", route.consumer, command.name);
            let at = self.message(&mut channel, &command.name, &name, command.docs.as_deref(), shape);
            match &command.answer {
                None => plain.push(at),
                Some(answer) => {
                    let mut answers = vec![(route.answers.ok, &answer.ok)];
                    answers.extend(answer.error.as_ref().map(|error| (route.answers.error, error)));
                    let answers = answers.into_iter().map(|(field, shape)| {
                        let envelope = envelope(route.answers.reference, field, shape);
                        let (short, long) = (format!("{}.{field}", command.name), format!("{name}.{field}"));
                        self.message(&mut channel, &short, &long, None, envelope)
                    });
                    answered.push((command, at, answers.collect::<Vec<_>>()));
                }
            }
        }
        let sent = route.messages.iter().map(|Message { name, shape, .. }| {
            let long = match shape {
                Shape::Named(name) => name.clone(),
                _ => format!("{}.{name}", route.consumer),
            };
            self.message(&mut channel, name, &long, None, shape.clone())
        });
        let sent: Vec<String> = sent.collect();
        self.operations(route, &channel, &plain, answered, &sent);
        self.channel(route, channel);
    }

    /// Adds a message to a channel. Returns its key there.
    fn message(&mut self, channel: &mut Channel, short: &str, long: &str, docs: Option<&str>, shape: Shape) -> String {
        let mut message = Map::new();
        message.insert("name".into(), short.into());
        if let Some(docs) = docs {
            message.insert("description".into(), docs.into());
        }
        message.insert("payload".into(), schema(&shape));
        if let Some(example) = example(&shape, self.types) {
            message.insert("examples".into(), json!([{ "payload": example }]));
        }
        self.payloads.push(shape);
        let at = add(&mut self.messages, long, message.into());
        add(&mut channel.messages, short, json!({ "$ref": reference("messages", &at) }))
    }

    /// Returns the whole of a command: the tag stands among its fields, because a type that refuses unknown fields would refuse it.
    fn command(&self, route: &Route, command: &Command) -> Shape {
        let tag = Shape::Constant(command.name.as_str().into());
        let mut before = vec![(route.tag.as_str(), tag, true)];
        if command.answer.is_some() {
            before.push((route.answers.reference, reference_shape(), false));
        }
        self.with_fields(&before, &command.fields)
    }

    fn with_fields(&self, before: &[(&str, Shape, bool)], shape: &Shape) -> Shape {
        let (fields, rest) = match self.types.resolve(shape) {
            Shape::Union(forms) => return Shape::union(forms.iter().map(|form| self.with_fields(before, form))),
            Shape::Object(Object { fields, rest }) => (fields.clone(), rest.clone()),
            Shape::Map(of, _) => (Default::default(), Rest::Each(of.clone())),
            _ => Default::default(),
        };
        let before = before.iter().map(|(name, shape, required)| {
            ((*name).to_owned(), Field { shape: shape.clone(), required: *required, docs: None })
        });
        Shape::Object(Object { fields: before.chain(fields).collect(), rest })
    }

    fn operations(
        &mut self,
        route: &Route,
        channel: &Channel,
        plain: &[String],
        answered: Vec<(&Command, String, Vec<String>)>,
        sent: &[String],
    ) {
        let consumer = &route.consumer;
        let of_channel = json!({ "$ref": format!("#/channels/{}", channel.key) });
        if !plain.is_empty() {
            let operation = json!({
                "action": "receive",
                "summary": "Commands that are not answered.",
                "channel": of_channel,
                "messages": channel.references(plain),
            });
            add(&mut self.operations, &format!("{consumer}.receive"), operation);
        }
        // The runtime answers a command that it cannot read, and repeats its reference.
        let malformed = sent.iter().find(|key| *key == COMMAND_ERROR);
        for (command, at, mut answers) in answered {
            answers.extend(malformed.cloned());
            let operation = json!({
                "action": "receive",
                "summary": format!(
                    "The command `{}`. It is answered if it has a `{}`, which its answer repeats.",
                    command.name, route.answers.reference
                ),
                "channel": of_channel,
                "messages": channel.references(&[at]),
                "reply": { "channel": of_channel, "messages": channel.references(&answers) },
            });
            add(&mut self.operations, &format!("{consumer}.receive.{}", command.name), operation);
        }
        if !sent.is_empty() {
            let others = if route.others { " There are others, which the contract does not describe." } else { "" };
            let operation = json!({
                "action": "send",
                "summary": format!("Messages for the client.{others}"),
                "channel": of_channel,
                "messages": channel.references(sent),
            });
            add(&mut self.operations, &format!("{consumer}.send"), operation);
        }
    }

    fn channel(&mut self, route: &Route, Channel { key, messages }: Channel) {
        let mut channel = Map::new();
        channel.insert("address".into(), route.address.as_str().into());
        if let Some(docs) = &route.docs {
            channel.insert("description".into(), docs.as_str().into());
        }
        let parameters: Map<String, Value> = captures(&route.address)
            .map(|name| (name.to_owned(), json!({ "description": format!("The `{name}` of the address.") })))
            .collect();
        if !parameters.is_empty() {
            channel.insert("parameters".into(), parameters.into());
        }
        channel.insert("bindings".into(), json!({ "ws": { "method": "GET", "bindingVersion": "0.1.0" } }));
        channel.insert("messages".into(), messages.into());
        self.channels.insert(key, channel.into());
    }
}

/// Returns the names in the braces of an address.
fn captures(address: &str) -> impl Iterator<Item = &str> {
    address.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// Returns the shape of an answer: `{"ref": .., "ok": ..}`.
fn envelope(reference: &str, field: &str, shape: &Shape) -> Shape {
    let field_of = |shape| Field { shape, required: true, docs: None };
    let fields = [(reference.to_owned(), field_of(reference_shape())), (field.to_owned(), field_of(shape.clone()))];
    Shape::Object(Object { fields: fields.into_iter().collect(), rest: Rest::Ignored })
}

/// Returns the shape of the value that an answer repeats.
fn reference_shape() -> Shape {
    Shape::Union(vec![Shape::Text(Text::default()), Shape::Number])
}

#[cfg(test)]
mod tests {
    use super::super::validation::misfit;
    use super::*;
    use crate::fixtures::multichat;

    #[test]
    fn every_message_has_an_example_that_fits() {
        let document = document(&multichat());
        let messages = document["components"]["messages"].as_object().unwrap();
        assert_eq!(messages.len(), 11, "{messages:?}");
        for (name, message) in messages {
            let example = &message["examples"][0]["payload"];
            assert_eq!(misfit(example, &message["payload"], &document, name), None);
            assert_ne!(
                misfit(&json!([example]), &message["payload"], &document, name),
                None,
                "{name} accepts anything"
            );
        }
    }

    #[test]
    fn a_command_has_its_tag_among_its_fields() {
        let document = document(&multichat());
        let messages = &document["components"]["messages"];
        assert_eq!(
            messages["ChatConsumer.send"],
            json!({
                "name": "send",
                "payload": {
                    "type": "object",
                    "properties": {
                        "command": { "const": "send" },
                        "room": { "$ref": "#/components/schemas/RoomIdInput" },
                        "message": { "description": "The text.", "type": "string" },
                    },
                    "required": ["command", "room", "message"],
                },
                "examples": [{ "payload": { "command": "send", "room": "text", "message": "text" } }],
            })
        );
        let who = &messages["ChatConsumer.who"]["payload"];
        assert_eq!(who["properties"]["ref"], json!({ "anyOf": [{ "type": "string" }, { "type": "number" }] }));
        assert_eq!(who["required"], json!(["command", "room"]));
    }

    #[test]
    fn a_command_that_answers_has_a_reply() {
        let document = document(&multichat());
        assert_eq!(
            document["operations"]["ChatConsumer.receive.who"]["reply"],
            json!({
                "channel": { "$ref": "#/channels/ChatConsumer" },
                "messages": [
                    { "$ref": "#/channels/ChatConsumer/messages/who.ok" },
                    { "$ref": "#/channels/ChatConsumer/messages/who.error" },
                    { "$ref": "#/channels/ChatConsumer/messages/CommandError" },
                ],
            })
        );
        assert_eq!(
            document["components"]["messages"]["ChatConsumer.who.error"]["payload"],
            json!({
                "type": "object",
                "properties": {
                    "ref": { "anyOf": [{ "type": "string" }, { "type": "number" }] },
                    "error": { "$ref": "#/components/schemas/Refused" },
                },
                "required": ["ref", "error"],
            })
        );
    }

    #[test]
    fn only_types_of_messages_are_listed() {
        let document = document(&multichat());
        let schemas: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
        assert_eq!(
            schemas,
            ["RoomIdInput", "Members", "Refused", "Joined", "RoomId", "Left", "Refusal", "News", "CommandError"]
        );
    }

    #[test]
    fn shapes_have_schemas_of_draft_07() {
        for (text, expected) in [
            ("u8", json!({ "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 })),
            ("i64", json!({ "type": "integer", "format": "int64" })),
            ("u64", json!({ "type": "integer", "format": "uint64", "minimum": 0 })),
            ("1..=5", json!({ "type": "integer", "minimum": 1, "maximum": 5 })),
            ("0 | 4 | 5", json!({ "type": "integer", "enum": [0, 4, 5] })),
            (r#""a" | "b" | null"#, json!({ "anyOf": [{ "type": "string", "enum": ["a", "b"] }, { "type": "null" }] })),
            (
                "(u8, any)",
                json!({
                    "type": "array",
                    "items": [{ "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 }, {}],
                    "additionalItems": false,
                    "minItems": 2,
                    "maxItems": 2,
                }),
            ),
            ("[bool; 1..=2]", json!({ "type": "array", "items": { "type": "boolean" }, "minItems": 1, "maxItems": 2 })),
            ("{[string]: null}", json!({ "type": "object", "additionalProperties": { "type": "null" } })),
            (
                r#"{"a"?: bool, ..: none}"#,
                json!({ "type": "object", "properties": { "a": { "type": "boolean" } }, "additionalProperties": false }),
            ),
            (r#"string("char")"#, json!({ "type": "string", "minLength": 1, "maxLength": 1 })),
            (r#"string("uuid")~"a""#, json!({ "type": "string", "format": "uuid", "pattern": "a" })),
        ] {
            assert_eq!(schema(&Shape::read(text).unwrap()), expected, "{text}");
        }
    }
}
