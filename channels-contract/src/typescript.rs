//! The TypeScript client, and its JavaScript with declarations.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::contract::{Contract, Message, Route};
use crate::discriminator::Discriminator;
use crate::outputs::heading;
use crate::shape::{Field, Object, Rest, Shape};

/// The part that is the same for every contract.
const CLIENT: &str = include_str!("client/client.ts");
/// Its JavaScript, which `tsc` makes of it: `scripts/contract-client`.
const CLIENT_JS: &str = include_str!("client/client.js");
/// Its declarations, likewise.
const CLIENT_DECLARATIONS: &str = include_str!("client/client.d.ts");

/// The names of JavaScript and of the client that a type would hide.
const TAKEN: &[&str] = &[
    "AbortSignal",
    "Array",
    "CONTRACT",
    "ChannelsAnswer",
    "ChannelsClient",
    "ChannelsClosed",
    "ChannelsFields",
    "ChannelsMessage",
    "ChannelsName",
    "ChannelsOptions",
    "ChannelsProtocol",
    "ChannelsSpec",
    "ChannelsState",
    "Date",
    "Error",
    "JSON",
    "Map",
    "Math",
    "Number",
    "Object",
    "Promise",
    "Readonly",
    "Record",
    "ReturnType",
    "Set",
    "String",
    "URLSearchParams",
    "WebSocket",
    // The types of TypeScript.
    "any",
    "bigint",
    "boolean",
    "never",
    "number",
    "object",
    "string",
    "symbol",
    "undefined",
    "unknown",
    // The keys that every object has: the client looks up what it knows of a message by its name.
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The names that a function would hide from the client.
const USED: [&str; 8] =
    ["LONGEST", "clearTimeout", "comesBack", "encodeURIComponent", "globalThis", "kindOf", "location", "setTimeout"];

/// The words that cannot be names.
const RESERVED: [&str; 48] = [
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Writes the module.
///
/// # Errors
/// A type has a name that TypeScript or the client uses.
pub(crate) fn typescript(contract: &Contract) -> Result<String, String> {
    let mut text = head(contract);
    let _ = writeln!(text, "export const CONTRACT = {};\n", Value::from(contract.fingerprint()));
    text += &types(contract)?;
    for route in &contract.routes {
        text += &protocol(contract, route);
        let _ = writeln!(text, "{} {{\n  return {};\n}}\n", signature(route, false), construction(route, true));
    }
    text += CLIENT;
    Ok(text)
}

/// Writes the module in JavaScript.
///
/// # Errors
/// As [`typescript`].
pub(crate) fn javascript(contract: &Contract) -> Result<String, String> {
    types(contract)?;
    let mut text = head(contract);
    let _ = writeln!(text, "export const CONTRACT = {};\n", Value::from(contract.fingerprint()));
    for route in &contract.routes {
        text += &docs("", route.docs.as_deref());
        let (name, arguments) =
            (factory(route), if captures(route).is_empty() { "options = {}" } else { "path, options = {}" });
        let _ =
            writeln!(text, "export function {name}({arguments}) {{\n  return {};\n}}\n", construction(route, false));
    }
    text += CLIENT_JS;
    Ok(text)
}

/// Writes the declarations beside the JavaScript.
///
/// # Errors
/// As [`typescript`].
pub(crate) fn declarations(contract: &Contract) -> Result<String, String> {
    let mut text = head(contract);
    let _ = writeln!(text, "export declare const CONTRACT = {};\n", Value::from(contract.fingerprint()));
    text += &types(contract)?;
    for route in &contract.routes {
        text += &protocol(contract, route);
        let _ = writeln!(text, "{};\n", signature(route, true));
    }
    text += CLIENT_DECLARATIONS;
    Ok(text)
}

fn head(contract: &Contract) -> String {
    format!("// {}\n", heading(contract))
}

/// Checks that each name has one meaning in the module.
fn check_names(contract: &Contract) -> Result<(), String> {
    let of = &contract.name;
    let mut names: Vec<String> = Vec::new();
    for route in &contract.routes {
        let (consumer, factory) = (&route.consumer, factory(route));
        let is_used = |name: &str| RESERVED.contains(&name) || names.iter().any(|known| known == name);
        if TAKEN.contains(&consumer.as_str())
            || USED.contains(&factory.as_str())
            || is_used(consumer)
            || is_used(&factory)
        {
            return Err(format!(
                "the consumer `{consumer}` of the contract `{of}` would be the function `{factory}` in TypeScript, where that name or \
                 `{consumer}` has a meaning already: rename the struct"
            ));
        }
        names.extend([consumer.clone(), factory]);
    }
    for name in contract.types.needed(shapes(contract)) {
        if TAKEN.contains(&name) || RESERVED.contains(&name) || names.iter().any(|taken| taken == name) {
            return Err(format!(
                "a type of the contract `{of}` cannot be called `{name}` in TypeScript: give it another name with \
                 `#[schemars(rename = \"..\")]`"
            ));
        }
    }
    Ok(())
}

/// Writes the types that the routes need.
fn types(contract: &Contract) -> Result<String, String> {
    check_names(contract)?;
    let mut text = String::new();
    for name in contract.types.needed(shapes(contract)) {
        let Some(ty) = contract.types.by_name.get(name) else { continue };
        text += &docs("", ty.docs.as_deref());
        let _ = match &ty.shape {
            Shape::Object(object @ Object { rest: Rest::Ignored | Rest::Denied, .. }) => {
                writeln!(text, "export interface {name} {}\n", body(object))
            }
            shape => writeln!(text, "export type {name} = {};\n", of_shape(shape)),
        };
    }
    Ok(text)
}

/// Returns the shapes of everything that travels between the routes and their clients.
pub(crate) fn shapes(contract: &Contract) -> impl Iterator<Item = &Shape> {
    contract.routes.iter().flat_map(|route| {
        let answers = route.commands.iter().filter_map(|command| command.answer.as_ref());
        let answers = answers.flat_map(|answer| std::iter::once(&answer.ok).chain(&answer.error));
        let commands = route.commands.iter().map(|command| &command.fields);
        commands.chain(answers).chain(route.messages.iter().map(|message| &message.shape))
    })
}

/// Writes the type of a consumer's commands, answers and messages.
fn protocol(contract: &Contract, route: &Route) -> String {
    let mut text = docs("", route.docs.as_deref());
    let _ = writeln!(text, "export type {} = {{\n  commands: {{", route.consumer);
    for command in &route.commands {
        text += &docs("    ", command.docs.as_deref());
        let fields =
            if command.is_empty(&contract.types) { "Record<string, never>".into() } else { of_shape(&command.fields) };
        let _ = writeln!(text, "    {}: {fields};", key(&command.name));
    }
    text += "  };\n  answers: {\n";
    for command in &route.commands {
        let Some(answer) = &command.answer else { continue };
        let error = answer.error.as_ref().map_or_else(|| "never".into(), of_shape);
        let _ = writeln!(text, "    {}: {{ ok: {}; error: {error} }};", key(&command.name), of_shape(&answer.ok));
    }
    text += "  };\n  messages: {\n";
    for message in &route.messages {
        let _ = writeln!(text, "    {}: {};", key(&message.name), of_shape(&message.shape));
    }
    text += "  };\n};\n\n";
    text
}

/// Writes the signature of the function that connects: of its definition, or of its declaration.
fn signature(route: &Route, declared: bool) -> String {
    let (name, consumer, captures) = (factory(route), &route.consumer, captures(route));
    let address = commented(&route.address);
    let mut path = String::new();
    if !captures.is_empty() {
        let fields: Vec<String> = captures.iter().map(|capture| format!("{capture}: string | number")).collect();
        path = format!("path: {{ {} }}, ", fields.join("; "));
    }
    let losses: Vec<String> = losses(route).map(|message| of_shape(&message.shape)).collect();
    let options = if losses.is_empty() {
        let (mark, default) = if declared { ("?", "") } else { ("", " = {}") };
        format!("options{mark}: ChannelsOptions<{consumer}>{default}")
    } else {
        // Not optional: the page must load what it has missed.
        let lost = losses.join(" | ");
        format!(
            "options: ChannelsOptions<{consumer}> & {{\n  /** Events were missed and are not sent again: load the current state. \
             */\n  lost: (body: {lost}) => void;\n}}"
        )
    };
    let export = if declared { "export declare" } else { "export" };
    format!(
        "/** Connects to `{consumer}` at `{address}`. */\n{export} function {name}({path}{options}): ChannelsClient<{consumer}>"
    )
}

/// Writes the call of the client's constructor.
fn construction(route: &Route, typed: bool) -> String {
    let address = if captures(route).is_empty() {
        Value::from(route.address.as_str()).to_string()
    } else {
        let parts = parts(&route.address).into_iter().map(|part| match part {
            Part::Text(text) => text.replace('\\', "\\\\").replace('`', "\\`").replace("${", "\\${"),
            Part::Capture(name) => format!("${{encodeURIComponent(path.{name})}}"),
        });
        format!("`{}`", parts.collect::<String>())
    };
    let mut tests = String::new();
    for message in &route.messages {
        if message.discriminators.is_empty() {
            let _ = write!(tests, "\n      {},", json!([message.name]));
        }
        for discriminator in &message.discriminators {
            let name = &message.name;
            let row = match discriminator {
                Discriminator::Has(key) => json!([name, key]),
                Discriminator::HasKind(key, kind) => json!([name, key, kind.as_str()]),
                Discriminator::HasValue(key, value) => {
                    json!([name, key, crate::discriminator::Kind::of_value(value).as_str(), value])
                }
                Discriminator::Is(kind) => json!([name, null, kind.as_str()]),
            };
            let _ = write!(tests, "\n      {row},");
        }
    }
    let positions: serde_json::Map<String, Value> = route
        .messages
        .iter()
        .filter(|message| !message.positions.is_empty())
        .map(|message| (message.name.clone(), json!(message.positions)))
        .collect();
    let losses: serde_json::Map<String, Value> =
        losses(route).map(|message| (message.name.clone(), json!(message.causes))).collect();
    let answers = route.answers;
    let new = if typed { format!("new ChannelsClient<{}>", route.consumer) } else { "new ChannelsClient".into() };
    format!(
        "{new}({address}, {{\n    tag: {},\n    answers: {},\n    tests: [{tests}\n    ],\n    positions: {},\n    losses: \
         {},\n  }}, options)",
        Value::from(route.tag.as_str()),
        json!([answers.reference, answers.ok, answers.error]),
        Value::Object(positions),
        Value::Object(losses),
    )
}

/// Returns the messages which say that events were missed.
fn losses(route: &Route) -> impl Iterator<Item = &Message> {
    route.messages.iter().filter(|message| route.history_lost && !message.causes.is_empty())
}

/// A part of an address.
pub(crate) enum Part<'a> {
    Text(&'a str),
    /// `{room}`.
    Capture(&'a str),
}

/// Splits an address at its captures.
pub(crate) fn parts(address: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = address;
    while let Some((text, (capture, after))) =
        rest.split_once('{').and_then(|(text, after)| Some((text, after.split_once('}')?)))
    {
        parts.push(Part::Text(text));
        parts.push(Part::Capture(capture));
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

fn captures(route: &Route) -> Vec<&str> {
    let captures = parts(&route.address).into_iter().filter_map(|part| match part {
        Part::Capture(name) => Some(name),
        Part::Text(_) => None,
    });
    captures.collect()
}

/// Returns the name of the function that connects: `chatConsumer`.
fn factory(route: &Route) -> String {
    let mut letters = route.consumer.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Returns a text that does not end a comment.
fn commented(text: &str) -> String {
    text.replace("*/", "*\\/")
}

/// Writes documentation.
fn docs(indent: &str, docs: Option<&str>) -> String {
    let Some(docs) = docs else { return String::new() };
    let docs = commented(docs);
    if docs.contains('\n') {
        let lines: String = docs.lines().map(|line| format!("\n{indent} * {line}").trim_end().to_owned()).collect();
        format!("{indent}/**{lines}\n{indent} */\n")
    } else {
        format!("{indent}/** {docs} */\n")
    }
}

/// Returns the type of a shape.
fn of_shape(shape: &Shape) -> String {
    match shape {
        Shape::Any => "unknown".into(),
        Shape::Null => "null".into(),
        Shape::Bool => "boolean".into(),
        Shape::Integer(_) | Shape::Number => "number".into(),
        Shape::Text(_) => "string".into(),
        Shape::Constant(value) => value.to_string(),
        Shape::Array(of, Some((least, most))) if least == most && *least <= 8 => {
            let items: Vec<String> = (0..*least).map(|_| of_shape(of)).collect();
            format!("[{}]", items.join(", "))
        }
        Shape::Array(of, _) => match &**of {
            Shape::Union(_) | Shape::Object(Object { rest: Rest::Each(_), .. }) => format!("({})[]", of_shape(of)),
            of => format!("{}[]", of_shape(of)),
        },
        Shape::Tuple(of) => format!("[{}]", of.iter().map(of_shape).collect::<Vec<_>>().join(", ")),
        Shape::Map(of, _) => format!("{{ [key: string]: {} }}", of_shape(of)),
        Shape::Object(object) => match &object.rest {
            Rest::Ignored | Rest::Denied => body(object),
            Rest::Each(_) => format!("{} & {{ [key: string]: unknown }}", body(object)),
        },
        Shape::Union(of) => of.iter().map(of_shape).collect::<Vec<_>>().join(" | "),
        Shape::Named(name) => name.clone(),
    }
}

/// Writes the fields of an object, in one line if it is short.
fn body(object: &Object) -> String {
    if object.fields.is_empty() {
        return "{ [key: string]: never }".into();
    }
    let fields: Vec<(String, String)> = object
        .fields
        .iter()
        .map(|(name, Field { shape, required, docs: documented })| {
            let mark = if *required { "" } else { "?" };
            let mut text = documented.clone();
            if loses_digits(shape) {
                const WARNING: &str = "JavaScript loses digits above 2^53: send larger numbers as strings.";
                text = Some(text.map_or_else(|| WARNING.to_owned(), |text| format!("{text}\n\n{WARNING}")));
            }
            (docs("  ", text.as_deref()), format!("{}{mark}: {}", key(name), of_shape(shape)))
        })
        .collect();
    let line = fields.iter().map(|(_, field)| field.as_str()).collect::<Vec<_>>().join("; ");
    if fields.iter().all(|(docs, _)| docs.is_empty()) && line.len() < 90 && !line.contains('\n') {
        return format!("{{ {line} }}");
    }
    let lines: String =
        fields.into_iter().map(|(docs, field)| format!("\n{docs}  {field};").replace("\n\n", "\n")).collect();
    format!("{{{lines}\n}}")
}

fn loses_digits(shape: &Shape) -> bool {
    shape.members().iter().any(|member| match member {
        Shape::Integer(range) => !range.is_exact_in_javascript(),
        Shape::Array(of, _) | Shape::Map(of, _) => loses_digits(of),
        _ => false,
    })
}

/// Returns a key of an object type, in quotes if it is not a word. Which letters outside of ASCII are words is not the same in Rust
/// and JavaScript: `m²` is not.
fn key(name: &str) -> String {
    let mut letters = name.chars();
    let is_word = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || first == '$')
        && letters.all(|next| next.is_ascii_alphanumeric() || next == '_' || next == '$');
    if is_word { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{ConsumerFacts, MessageFacts};
    use crate::fixtures::{CHAT, facts, multichat};

    #[test]
    fn the_client_of_multichat_is_as_kept() {
        // `CHANNELS_SNAPSHOT=write cargo test -p channels-contract` writes it.
        let text = typescript(&multichat()).unwrap();
        let own = text.strip_suffix(CLIENT).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/client/multichat.ts");
        if std::env::var_os("CHANNELS_SNAPSHOT").is_some() {
            std::fs::write(path, own).unwrap();
        }
        assert_eq!(own, std::fs::read_to_string(path).unwrap());
    }

    #[test]
    fn consumers_with_names_of_javascript_are_refused() {
        let of = |names: &[&'static str]| {
            let routes: Vec<_> = names.iter().map(|name| (*name, ConsumerFacts { name, ..CHAT })).collect();
            typescript(&Contract::new("multichat", ".", &routes, &[], &[]))
        };
        for names in [&["Delete"][..], &["Location"], &["Map"], &["ComesBack"], &["Chat", "chat"]] {
            let error = of(names).unwrap_err();
            let name = names[names.len() - 1];
            assert!(
                error.starts_with(&format!("the consumer `{name}` of the contract `multichat` would be")),
                "{error}"
            );
        }
        assert!(of(&["chat", "Lobby"]).is_ok_and(|text| text.contains("export function lobby(")));
    }

    #[test]
    fn a_type_with_a_name_of_javascript_is_refused() {
        #[derive(serde::Serialize, schemars::JsonSchema)]
        #[serde(rename = "constructor")]
        struct Constructor {
            built: u8,
        }
        const CONSTRUCTED: &[MessageFacts] =
            &[MessageFacts { place: "sends", ty: facts::<Constructor>("Constructor"), is_json: true }];
        let consumer = ConsumerFacts { messages: CONSTRUCTED, ..CHAT };
        let error = javascript(&Contract::new("multichat", ".", &[("/", consumer)], &[], &[])).unwrap_err();
        assert!(
            error.starts_with("a type of the contract `multichat` cannot be called `constructor` in TypeScript"),
            "{error}"
        );
    }

    #[test]
    fn an_address_does_not_end_its_comment() {
        let text = typescript(&Contract::new("multichat", ".", &[("/*/chat/", CHAT)], &[], &[])).unwrap();
        assert!(text.contains("/** Connects to `ChatConsumer` at `/*\\/chat/`. */"), "{text}");
        assert!(text.contains(r#"("/*/chat/", {"#), "{text}");
    }

    #[test]
    fn keys_that_are_not_words_are_in_quotes() {
        for (name, written) in
            [("a_b$1", "a_b$1"), ("1a", "\"1a\""), ("m²", "\"m²\""), ("", "\"\""), ("a\"b", "\"a\\\"b\"")]
        {
            assert_eq!(key(name), written);
        }
    }

    #[test]
    fn lists_of_open_objects_are_in_parentheses() {
        let of = |text| of_shape(&Shape::read(text).unwrap());
        assert_eq!(of(r#"[{"a": u8, ..: any}]"#), "({ a: number } & { [key: string]: unknown })[]");
    }

    #[test]
    fn an_address_is_split_at_its_captures() {
        let words = |address| {
            parts(address)
                .into_iter()
                .map(|part| match part {
                    Part::Text(text) => format!("'{text}'"),
                    Part::Capture(name) => name.to_owned(),
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(words("/ws/{room}/{user}"), "'/ws/' room '/' user ''");
        assert_eq!(words("/ws/"), "'/ws/'");
        assert_eq!(words("/ws/{room"), "'/ws/{room'");
    }
}
