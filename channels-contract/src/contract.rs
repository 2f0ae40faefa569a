//! A contract: what an application says and hears, in the shapes of the wire.

use std::path::PathBuf;

use indexmap::{IndexMap, IndexSet};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::discriminator::Discriminator;
use crate::facts::{AnswerFields, CommandFacts, ConsumerFacts, EventFacts, GroupFacts, MessageFacts, TypeFacts};
use crate::schema::{self, Definitions};
use crate::shape::{Object, Rest, Shape};
use crate::types::{Direction, Role, TypeCollector, Types};

/// The contract of an application. `contract!` makes it.
#[derive(Debug, Clone)]
pub struct Contract {
    pub(crate) name: String,
    /// The folder of the package, to which the paths of files are relative.
    pub(crate) folder: PathBuf,
    pub(crate) routes: Vec<Route>,
    pub(crate) groups: Vec<Group>,
    /// All events: those of the groups, and those that are sent to single channels.
    pub(crate) events: Vec<Event>,
    pub(crate) types: Types,
    /// The mistakes, as sentences. A contract with mistakes is not written.
    pub(crate) problems: Vec<String>,
}

/// A consumer at an address.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// `/ws/chat/{room}/`.
    pub(crate) address: String,
    pub(crate) consumer: String,
    pub(crate) docs: Option<String>,
    pub(crate) tag: String,
    pub(crate) answers: AnswerFields,
    pub(crate) commands: Vec<Command>,
    pub(crate) messages: Vec<Message>,
    /// Whether the consumer also sends messages that are not in the contract.
    pub(crate) others: bool,
    /// Whether the consumer must tell its client of missed events.
    pub(crate) history_lost: bool,
}

/// A command of a client.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) docs: Option<String>,
    /// The fields beside the tag.
    pub(crate) fields: Shape,
    pub(crate) answer: Option<Answer>,
}

/// The shapes of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) ok: Shape,
    pub(crate) error: Option<Shape>,
}

/// A message for a client.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// A value that has one of them is this message.
    pub(crate) discriminators: Vec<Discriminator>,
    /// The fields with the position of the message in a history.
    pub(crate) positions: Vec<String>,
    /// The fields which say why events were missed.
    pub(crate) causes: Vec<String>,
}

/// An event of the channel layer.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// `chat.message`.
    pub(crate) name: String,
    /// `ChatMessage`.
    pub(crate) ty: String,
    pub(crate) docs: Option<String>,
    /// The fields that a Rust process sends.
    pub(crate) written: Shape,
    /// The fields that a Rust process accepts.
    pub(crate) read: Shape,
}

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// `Room`.
    pub(crate) name: String,
    pub(crate) docs: Option<String>,
    /// `chat_{room}`.
    pub(crate) pattern: String,
    /// The fields of its name.
    pub(crate) fields: Vec<(String, Shape)>,
    /// The index of the field that may contain the text around it.
    pub(crate) rest: usize,
    /// The names of its events.
    pub(crate) events: Vec<String>,
}

/// The name of the runtime's error message, which a client receives for a frame that is not a command of the consumer.
pub(crate) const COMMAND_ERROR: &str = "CommandError";

impl Contract {
    /// Makes the contract of an application. `folder` is the folder of its package.
    pub fn new(
        name: &str,
        folder: &str,
        routes: &[(&str, ConsumerFacts)],
        groups: &[GroupFacts],
        direct: &[EventFacts],
    ) -> Self {
        let mut collected = Collected { types: TypeCollector::new(), roots: Vec::new() };
        let routes: Vec<_> =
            routes.iter().map(|(address, facts)| (*address, *facts, collected.consumer(facts))).collect();
        let mut events: Vec<EventFacts> = Vec::new();
        for event in groups.iter().flat_map(|group| group.events).chain(direct) {
            if !events.iter().any(|known| known.name == event.name) {
                events.push(*event);
            }
        }
        let events: Vec<_> = events.into_iter().map(|facts| (facts, collected.event(&facts))).collect();
        let groups: Vec<_> = groups.iter().map(|facts| (*facts, collected.group(facts))).collect();

        let mut problems = Vec::new();
        let Collected { types, roots } = collected;
        let (types, written, read) = types.finish(&roots, &mut problems);
        let mut reader = Reader { types: &types, written: &written, read: &read, problems: &mut problems };
        let routes: Vec<_> =
            routes.into_iter().map(|(address, facts, schemas)| reader.route(address, &facts, schemas)).collect();
        let events: Vec<_> = events.into_iter().map(|(facts, schemas)| reader.event(&facts, schemas)).collect();
        let groups = groups.into_iter().map(|(facts, schemas)| reader.group(&facts, schemas)).collect();
        check_namesakes(&routes, &events, &types, &mut problems);
        let mut known = IndexSet::new();
        problems.retain(|problem| known.insert(problem.clone()));
        Self { name: name.into(), folder: folder.into(), routes, groups, events, types, problems }
    }
}

/// The first pass: the schemas of all types, which name definitions.
struct Collected {
    types: TypeCollector,
    roots: Vec<(Direction, TypeFacts)>,
}

/// The schemas of a reply and of a refusal.
type AnswerSchemas = (Option<Value>, Option<Value>);

struct ConsumerSchemas {
    commands: Vec<(Option<Value>, Option<AnswerSchemas>)>,
    messages: Vec<Option<Value>>,
}

impl Collected {
    fn schema(&mut self, direction: Direction, facts: TypeFacts) -> Option<Value> {
        self.roots.push((direction, facts));
        facts.schema.map(|of| self.types.schema(direction, of))
    }

    fn consumer(&mut self, facts: &ConsumerFacts) -> ConsumerSchemas {
        let commands = facts.commands.iter().map(|CommandFacts { payload, answer, .. }| {
            let answer = answer.map(|answer| {
                let ok = self.schema(Direction::Written, answer.ok);
                (ok, answer.error.and_then(|error| self.schema(Direction::Written, error)))
            });
            (self.schema(Direction::Read, *payload), answer)
        });
        let commands = commands.collect();
        let messages =
            facts.messages.iter().map(|MessageFacts { ty, .. }| self.schema(Direction::Written, *ty)).collect();
        if facts.refuses && !facts.commands.is_empty() {
            self.schema(Direction::Written, command_error());
        }
        ConsumerSchemas { commands, messages }
    }

    fn event(&mut self, facts: &EventFacts) -> [Option<Value>; 2] {
        let ty = TypeFacts { name: facts.ty, schema: facts.schema };
        [self.schema(Direction::Written, ty), self.schema(Direction::Read, ty)]
    }

    fn group(&mut self, facts: &GroupFacts) -> Vec<Option<Value>> {
        facts.fields.iter().map(|field| self.schema(Direction::Written, field.ty)).collect()
    }
}

/// The second pass: the shapes of the schemas.
struct Reader<'a> {
    types: &'a Types,
    written: &'a Definitions,
    read: &'a Definitions,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn shape(&mut self, direction: Direction, place: &str, facts: TypeFacts, schema: Option<&Value>) -> Shape {
        let Some(schema) = schema else {
            let name = facts.name;
            self.problems.push(format!(
                "{place} has the type `{name}`, which has no schema: write `#[derive(JsonSchema)]` above it"
            ));
            return Shape::Any;
        };
        let definitions = match direction {
            Direction::Written => self.written,
            Direction::Read => self.read,
        };
        let mut shape = schema::read(schema, definitions).unwrap_or_else(|problem| {
            self.problems.push(match problem.strip_prefix('@') {
                Some(problem) => format!("{place}: {problem}"),
                None => format!("{place} has the type `{}`: {problem}", facts.name),
            });
            Shape::Any
        });
        self.types.rename(direction, &mut shape);
        shape
    }

    fn route(&mut self, address: &str, facts: &ConsumerFacts, schemas: ConsumerSchemas) -> Route {
        let consumer = facts.name;
        let commands = facts.commands.iter().zip(schemas.commands).map(|(command, (payload, answer))| {
            let CommandFacts { name, docs, payload: ty, .. } = *command;
            let place = format!("the command `{name}` of `{consumer}`");
            let fields = self.shape(Direction::Read, &place, ty, payload.as_ref());
            let fields = match self.types.resolve(&fields) {
                Shape::Null => Shape::Object(Object::default()),
                _ => fields,
            };
            let answer = command.answer.zip(answer).map(|(facts, (ok, error))| Answer {
                ok: self.shape(
                    Direction::Written,
                    &format!("the answer to `{name}` of `{consumer}`"),
                    facts.ok,
                    ok.as_ref(),
                ),
                error: facts.error.map(|facts| {
                    let place = format!("the refusal of `{name}` of `{consumer}`");
                    self.shape(Direction::Written, &place, facts, error.as_ref())
                }),
            });
            Command { name: name.into(), docs: given(docs), fields, answer }
        });
        let commands: Vec<Command> = commands.collect();
        for command in &commands {
            self.check_fields(facts, command);
        }
        let mut shapes: IndexMap<String, Shape> = IndexMap::new();
        for (MessageFacts { place, ty, .. }, schema) in facts.messages.iter().zip(schemas.messages) {
            let place = match *place {
                "sends" => format!("a message of `{consumer}`"),
                method => format!("the message of `{consumer}::{method}`"),
            };
            let shape = self.shape(Direction::Written, &place, *ty, schema.as_ref());
            shapes.entry(message_name(&shape, ty.name)).or_insert(shape);
        }
        if facts.refuses && !commands.is_empty() {
            shapes.entry(COMMAND_ERROR.into()).or_insert_with(|| self.command_error(facts.answers.error));
        }
        let messages = self.messages(facts, &shapes);
        Route {
            address: address.into(),
            consumer: consumer.into(),
            docs: given(facts.docs),
            tag: facts.tag.into(),
            answers: facts.answers,
            commands,
            messages,
            others: facts.others,
            history_lost: facts.history_lost,
        }
    }

    /// Reports the fields of a command that have another meaning: no client can send them.
    fn check_fields(&mut self, facts: &ConsumerFacts, command: &Command) {
        let (consumer, Command { name, fields, answer, .. }) = (facts.name, command);
        let ConsumerFacts { tag, answers: AnswerFields { reference, .. }, .. } = *facts;
        let is_name = Discriminator::HasValue(tag.into(), name.as_str().into());
        for form in self.types.resolve(fields).members() {
            let Shape::Object(object) = self.types.resolve(form) else { continue };
            if answer.is_some() && object.fields.contains_key(reference) {
                self.problems.push(format!(
                    "the field `{reference}` of the command `{name}` of `{consumer}` would be the reference of its answer: rename the \
                     field, or write `#[consumer(ref = \"..\")]` with another name"
                ));
            }
            if object.fields.contains_key(tag) && !is_name.may_pass(&Shape::Object(object.clone()), self.types) {
                self.problems.push(format!(
                    "the field `{tag}` of the command `{name}` of `{consumer}` would be the name of the command: rename the field, or write \
                     `#[consumer(tag = \"..\")]` with another name"
                ));
            }
        }
    }

    /// Returns the shape of the runtime's refusal. A consumer may give the field `error` another name.
    fn command_error(&self, field: &str) -> Shape {
        let named = Shape::Named(COMMAND_ERROR.into());
        match self.types.resolve(&named) {
            Shape::Object(Object { fields, rest }) if field != "error" => {
                let fields = fields.values().map(|value| (field.to_owned(), value.clone())).collect();
                Shape::Object(Object { fields, rest: rest.clone() })
            }
            _ => named,
        }
    }

    fn messages(&mut self, facts: &ConsumerFacts, shapes: &IndexMap<String, Shape>) -> Vec<Message> {
        let consumer = facts.name;
        let is_unknown = |shape: &Shape| *self.types.resolve(shape) == Shape::Any;
        if let Some((name, _)) = shapes.iter().find(|(_, shape)| is_unknown(shape)).filter(|_| shapes.len() > 1) {
            self.problems.push(format!(
                "the message `{name}` of `{consumer}` can be any JSON, so a client cannot tell the other messages from it: send a type \
                 with fields"
            ));
            return Vec::new();
        }
        let all: Vec<&Shape> = shapes.values().collect();
        let mut messages = Vec::new();
        for (at, (name, shape)) in shapes.iter().enumerate() {
            let discriminators = Discriminator::of(at, &all, self.types).unwrap_or_else(|other| {
                let pair = [at.min(other), at.max(other)].map(|at| &shapes.get_index(at).expect("a message").0[..]);
                self.problems.push(format!(
                    "messages `{}` and `{}` of `{consumer}` cannot be told apart: give them a tag, such as \
                     `#[serde(tag = \"type\")]`",
                    pair[0], pair[1]
                ));
                Vec::new()
            });
            self.check_answer(facts, name, shape);
            let (positions, causes) = self.roles(consumer, name, shape);
            messages.push(Message { name: name.clone(), shape: shape.clone(), discriminators, positions, causes });
        }
        if facts.history_lost && !messages.iter().any(|message| !message.causes.is_empty()) {
            self.problems.push(format!(
                "`{consumer}` has a `#[history_lost]`, but none of its messages has itself a field of the type `Cause`, by which a client \
                 knows that it has missed events: send `lost.cause` in a message that `sends(..)` lists"
            ));
        }
        messages
    }

    /// Reports a message that a client can take for the answer to a command.
    fn check_answer(&mut self, facts: &ConsumerFacts, name: &str, shape: &Shape) {
        let AnswerFields { reference, ok, error } = facts.answers;
        let is_answer = |form: &Shape| match self.types.resolve(form) {
            Shape::Object(Object { fields, .. }) => {
                fields.contains_key(reference) && (fields.contains_key(ok) || fields.contains_key(error))
            }
            _ => false,
        };
        let is_answered = facts.commands.iter().any(|command| command.answers);
        if is_answered && self.types.resolve(shape).members().iter().any(is_answer) {
            self.problems.push(format!(
                "the message `{name}` of `{}` looks like an answer, which has the fields `{reference}` and `{ok}` or `{error}`: rename one \
                 of them",
                facts.name
            ));
        }
    }

    /// Returns the fields of a message with positions, and those which say why events were missed. Reports those that a client would
    /// not find.
    fn roles(&mut self, consumer: &str, name: &str, shape: &Shape) -> (Vec<String>, Vec<String>) {
        let (mut positions, mut causes) = (Vec::new(), Vec::new());
        let types = self.types;
        for form in types.resolve(shape).members() {
            let Shape::Object(object) = types.resolve(form) else { continue };
            for (key, field) in &object.fields {
                let found = match types.role(&field.shape) {
                    Some(Role::Position) => &mut positions,
                    Some(Role::Cause) => &mut causes,
                    None => {
                        for inner in types.needed([&field.shape]) {
                            if types.by_name.get(inner).is_some_and(|ty| ty.role.is_some()) {
                                self.problems.push(format!(
                                    "the field `{key}` of the message `{name}` of `{consumer}` contains a `{inner}`, and a client \
                                     finds it only in a field of the message itself: move it there"
                                ));
                            }
                        }
                        continue;
                    }
                };
                if !found.contains(key) {
                    found.push(key.clone());
                }
            }
        }
        if !causes.is_empty() && positions.is_empty() {
            self.problems.push(format!(
                "the message `{name}` of `{consumer}` says that events were missed, but has no field of the type `Position`: send \
                 `lost.at` too, or the client is told again after each reconnect"
            ));
        }
        (positions, causes)
    }

    fn event(&mut self, facts: &EventFacts, [written, read]: [Option<Value>; 2]) -> Event {
        let place = format!("the event `{}`", facts.name);
        let ty = TypeFacts { name: facts.ty, schema: facts.schema };
        let mut shape = |direction, schema: Option<Value>| match self.shape(direction, &place, ty, schema.as_ref()) {
            // An event without fields.
            Shape::Null => Shape::Object(Object::default()),
            shape => shape,
        };
        let (written, read) = (shape(Direction::Written, written), shape(Direction::Read, read));
        Event { name: facts.name.into(), ty: facts.ty.into(), docs: given(facts.docs), written, read }
    }

    fn group(&mut self, facts: &GroupFacts, schemas: Vec<Option<Value>>) -> Group {
        // The name of a group is text: a field without a schema is only shown.
        let fields = facts.fields.iter().zip(schemas).map(|(field, schema)| {
            let shape = match schema {
                Some(schema) => self.shape(Direction::Written, facts.name, field.ty, Some(&schema)),
                None => Shape::Any,
            };
            (field.field.to_owned(), shape)
        });
        Group {
            name: facts.name.into(),
            docs: given(facts.docs),
            pattern: facts.pattern.into(),
            fields: fields.collect(),
            rest: facts.rest,
            events: facts.events.iter().map(|event| event.name.to_owned()).collect(),
        }
    }
}

fn given(docs: &str) -> Option<String> {
    let lines: Vec<&str> = docs.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    let docs = lines.join("\n").trim().to_owned();
    (!docs.is_empty()).then_some(docs)
}

/// Returns the name of a message: that of its type, or the words of a type without a name.
fn message_name(shape: &Shape, written: &str) -> String {
    match shape {
        Shape::Named(name) => name.clone(),
        _ => written.split(|next: char| !(next.is_alphanumeric() || next == '_')).collect(),
    }
}

/// Reports names that would be those of two types in another language.
fn check_namesakes(routes: &[Route], events: &[Event], types: &Types, problems: &mut Vec<String>) {
    let mut consumers: IndexMap<&str, &str> = IndexMap::new();
    for route in routes {
        if types.by_name.contains_key(&route.consumer) {
            let name = &route.consumer;
            problems.push(format!(
                "`{name}` is a consumer and a type of its messages: give the type another name with `#[schemars(rename = \"..\")]`"
            ));
        }
        if let Some(other) = consumers.insert(&route.consumer, &route.address) {
            problems.push(format!(
                "`{}` is at `{other}` and at `{}`: a contract lists a consumer once",
                route.consumer, route.address
            ));
        }
    }
    let mut names: IndexMap<&str, &str> = IndexMap::new();
    for event in events {
        if let Some(other) = names.insert(&event.ty, &event.name) {
            problems.push(format!(
                "the events `{other}` and `{}` are both structs with the name `{}`: rename one of them",
                event.name, event.ty
            ));
        }
    }
}

/// The answer to a command that is refused by the runtime.
fn command_error() -> TypeFacts {
    struct CommandError;

    impl JsonSchema for CommandError {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            COMMAND_ERROR.into()
        }

        fn schema_id() -> std::borrow::Cow<'static, str> {
            "channels_runtime::CommandError".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            schemars::json_schema!({
                "description": "The answer to a frame that is none of the consumer's commands.",
                "type": "object",
                "properties": {
                    "error": {
                        "type": "object",
                        "properties": { "code": { "type": "string" }, "message": { "type": "string" } },
                        "required": ["code", "message"],
                    },
                },
                "required": ["error"],
            })
        }
    }

    TypeFacts { name: COMMAND_ERROR, schema: Some(|generator| generator.subschema_for::<CommandError>()) }
}

impl Command {
    /// Returns the fields of the command, or `None` if the shape is not an object, which the macros refuse.
    pub(crate) fn object<'a>(&'a self, types: &'a Types) -> Option<&'a Object> {
        match types.resolve(&self.fields) {
            Shape::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Returns whether the command has no fields at all.
    pub(crate) fn is_empty(&self, types: &Types) -> bool {
        self.object(types).is_some_and(|object| object.fields.is_empty() && !matches!(object.rest, Rest::Each(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{CHAT, facts, multichat};

    fn problems(consumer: ConsumerFacts) -> Vec<String> {
        Contract::new("chat", ".", &[("/chat/", consumer)], &[], &[]).problems
    }

    const fn sent<T: JsonSchema>(name: &'static str) -> MessageFacts {
        MessageFacts { place: "sends", ty: facts::<T>(name), is_json: true }
    }

    const QUIET: ConsumerFacts = ConsumerFacts { commands: &[], messages: &[], ..CHAT };

    mod other {
        #[derive(serde::Serialize, schemars::JsonSchema)]
        pub(super) struct Line {
            pub(super) words: u8,
        }
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Line {
        text: String,
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Line2 {
        number: u8,
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Text {
        text: String,
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Large {
        amount: u128,
    }

    #[test]
    fn two_types_of_one_name_are_a_problem() {
        const MESSAGES: &[MessageFacts] = &[sent::<Line>("Line"), sent::<other::Line>("other::Line")];
        assert_eq!(
            problems(ConsumerFacts { messages: MESSAGES, ..QUIET })[0],
            "two types are called `Line`: give one of them another name with `#[schemars(rename = \"..\")]`"
        );
        // The second type has the name that schemars would give to a namesake.
        const NUMBERED: &[MessageFacts] = &[sent::<Line>("Line"), sent::<Line2>("Line2")];
        assert_eq!(problems(ConsumerFacts { messages: NUMBERED, ..QUIET }), Vec::<String>::new());
    }

    #[test]
    fn messages_that_cannot_be_told_apart_are_a_problem() {
        const MESSAGES: &[MessageFacts] = &[sent::<Line>("Line"), sent::<Text>("Text")];
        assert_eq!(
            problems(ConsumerFacts { messages: MESSAGES, ..QUIET }),
            [
                "messages `Line` and `Text` of `ChatConsumer` cannot be told apart: give them a tag, such as `#[serde(tag = \"type\")]`"
            ]
        );
    }

    #[derive(serde::Serialize, JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Endless {
        Text(String),
        Again(Box<Self>),
    }

    #[test]
    fn a_type_that_is_a_form_of_itself_is_a_problem() {
        const MESSAGES: &[MessageFacts] = &[sent::<Endless>("Endless")];
        assert_eq!(
            problems(ConsumerFacts { messages: MESSAGES, ..QUIET }),
            ["`Endless` contains itself without an object or a list in between, so it may never end"]
        );
    }

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Branch {
        r#ref: String,
        command: u8,
    }

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Named {
        r#ref: String,
        command: String,
    }

    #[test]
    fn a_field_that_no_client_can_send_is_a_problem() {
        const WHO: CommandFacts = CHAT.commands[3];
        const COMMANDS: &[CommandFacts] = &[
            CommandFacts { payload: facts::<Branch>("Branch"), ..WHO },
            // Without an answer, `ref` is a field like any other, and a text can be the name of the command.
            CommandFacts { name: "go", payload: facts::<Named>("Named"), answers: false, answer: None, ..WHO },
        ];
        assert_eq!(
            problems(ConsumerFacts { commands: COMMANDS, ..QUIET }),
            [
                "the field `ref` of the command `who` of `ChatConsumer` would be the reference of its answer: rename the field, or write \
                 `#[consumer(ref = \"..\")]` with another name",
                "the field `command` of the command `who` of `ChatConsumer` would be the name of the command: rename the field, or write \
                 `#[consumer(tag = \"..\")]` with another name",
            ]
        );
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Built {
        r#ref: String,
        error: Option<String>,
    }

    #[test]
    fn a_message_that_looks_like_an_answer_is_a_problem() {
        const MESSAGES: &[MessageFacts] = &[sent::<Built>("Built")];
        let asked = ConsumerFacts { commands: CHAT.commands, messages: MESSAGES, ..CHAT };
        assert_eq!(
            problems(asked),
            [
                "the message `Built` of `ChatConsumer` looks like an answer, which has the fields `ref` and `ok` or `error`: rename one of \
                 them"
            ]
        );
        assert_eq!(problems(ConsumerFacts { commands: &CHAT.commands[..3], ..asked }), Vec::<String>::new());
    }

    #[test]
    fn keys_of_a_map_are_in_the_contract() {
        const COUNTED: &[CommandFacts] = &[CommandFacts {
            payload: facts::<std::collections::HashMap<u32, bool>>("HashMap<u32, bool>"),
            ..CHAT.commands[0]
        }];
        let contract = Contract::new("c", ".", &[("/", ConsumerFacts { commands: COUNTED, ..QUIET })], &[], &[]);
        assert_eq!(contract.routes[0].commands[0].fields.to_string(), r#"{[string~"^\\d+$"]: bool}"#);
    }

    #[test]
    fn a_number_that_json_readers_cannot_hold_is_a_problem() {
        const MESSAGES: &[MessageFacts] = &[sent::<Large>("Large")];
        assert_eq!(
            problems(ConsumerFacts { messages: MESSAGES, ..QUIET }),
            ["`Large.amount`: readers of JSON cannot hold `u128`: send it as a string, or use `u64`"]
        );
    }

    #[test]
    fn a_consumer_that_can_lose_events_tells_its_client() {
        let problems = problems(ConsumerFacts { history_lost: true, ..QUIET });
        assert!(
            problems[0].starts_with("`ChatConsumer` has a `#[history_lost]`, but none of its messages"),
            "{problems:?}"
        );
    }

    #[test]
    fn the_refusal_has_the_field_of_the_consumer() {
        let refusal = |contract: &Contract| contract.routes[0].messages.last().map(|message| message.shape.to_string());
        assert_eq!(refusal(&multichat()).as_deref(), Some("CommandError"));
        let answers = AnswerFields { error: "problem", ..CHAT.answers };
        let renamed = Contract::new("chat", ".", &[("/chat/", ConsumerFacts { answers, ..CHAT })], &[], &[]);
        assert_eq!(renamed.problems, Vec::<String>::new());
        assert_eq!(refusal(&renamed).as_deref(), Some("{\"problem\": {\"code\": string, \"message\": string}}"));
    }
}
