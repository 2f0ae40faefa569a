//! A group: its handlers, and the class that makes its name and sends to it.

use std::fmt::Write;

use indexmap::IndexMap;

use super::module::{Module, input};
use super::source::{docstring, is_keyword, string};
use crate::contract::{Contract, Event, Group};
use crate::shape::{Range, Shape};

/// The functions of the module, each with the name by which it is used.
pub(super) const HELPERS: [(&str, &str); 4] = [
    (
        "_check_name(",
        r#"

_NAME = re.compile("[A-Za-z0-9_.-]{1,99}")


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"group name {name!r} is not 1 to 99 characters of `A-Z a-z 0-9 - _ .`")
"#,
    ),
    (
        "_check_integer(",
        r#"

def _check_integer(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"`{field}` of a group's name is {value}, and must be {least} to {most}")
"#,
    ),
    (
        "_check_fields(",
        r#"

def _check_fields(name: str, before: str, rest: int, *fields: tuple[str, str, str]) -> None:
    start = len(before)
    for at, (field, value, after) in enumerate(fields):
        end = start + len(value)
        wrong = None
        if at < rest and name.find(after, start) != end:
            wrong = after
        elif at > rest and name.rfind(before, start - len(before), end) != start - len(before):
            wrong = before
        if wrong is not None:
            raise ValueError(
                f"group name {name!r} could also be that of another group: its field `{field}` contains {wrong!r}, "
                "which separates it from the next field"
            )
        start, before = end + len(after), after
"#,
    ),
    (
        "_layer(",
        r#"

def _layer(alias: str) -> Any:
    from channels.layers import get_channel_layer  # type: ignore[import-untyped,unused-ignore]

    layer = get_channel_layer(alias)
    if layer is None:
        raise RuntimeError(f"`CHANNEL_LAYERS` in the settings has no layer {alias!r}")
    return layer
"#,
    ),
];

/// A part of a pattern.
enum Part {
    Literal(String),
    Field(Attribute),
}

/// A field of the name.
#[derive(Clone)]
struct Attribute {
    /// Its name in Rust.
    field: String,
    /// Its name in Python.
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Integer(Range),
    Bool,
    /// Anything else is only known as the text in the name.
    Text,
}

impl Attribute {
    /// Returns the expression with the text of the field.
    fn text(&self) -> String {
        let name = &self.name;
        match self.kind {
            Kind::Text => format!("self.{name}"),
            Kind::Integer(_) => format!("str(self.{name})"),
            Kind::Bool => format!("str(self.{name}).lower()"),
        }
    }

    /// Returns the text of the field in an f-string.
    fn replacement(&self) -> String {
        match self.kind {
            Kind::Integer(_) | Kind::Text => format!("{{self.{}}}", self.name),
            Kind::Bool => format!("{{{}}}", self.text()),
        }
    }
}

pub(super) fn write(module: &mut Module<'_>, contract: &Contract, group: &Group) {
    let events: Vec<&Event> = contract.events.iter().filter(|event| group.events.contains(&event.name)).collect();
    handlers(module, group, &events);
    sender(module, group, &events);
}

/// Writes the protocol of the consumers in a group.
fn handlers(module: &mut Module<'_>, group: &Group, events: &[&Event]) {
    let name = &group.name;
    let mut methods: IndexMap<String, Vec<String>> = IndexMap::new();
    for event in events {
        let method = event.name.replace('.', "_");
        if is_keyword(&method) {
            module.problems.push(format!(
                "the event `{}` of the group `{name}` needs a method `{method}`, which is a keyword of Python: give the event \
                 another name",
                event.name
            ));
        }
        // Other Python processes send to the group, too.
        let forms = methods.entry(method).or_default();
        forms.push(event.ty.clone());
        if event.read != event.written {
            forms.push(input(event));
        }
    }
    let docs = format!(
        "The methods of a consumer in the group `{name}`. Channels ends a consumer that lacks one.\n\nA type checker compares a \
         consumer with them at `handlers: type[{name}Handlers] = ChatConsumer`."
    );
    let text = &mut module.text;
    let _ = write!(text, "\n\nclass {name}Handlers(Protocol):\n{}", docstring(&docs, "    "));
    for (method, forms) in methods {
        let _ = write!(text, "\n    async def {method}(self, event: {}, /) -> None: ...\n", forms.join(" | "));
    }
}

/// Writes the class that makes the name of a group and sends to it.
fn sender(module: &mut Module<'_>, group: &Group, events: &[&Event]) {
    let attributes = attributes(module, group);
    let parts = parts(&group.pattern, &attributes);
    let docs = match &group.docs {
        Some(docs) => format!("{docs}\n\nThe group `{}`.", group.pattern),
        None => format!("The group `{}`.", group.pattern),
    };
    let text = &mut module.text;
    let _ = write!(text, "\n\n@dataclass(frozen=True)\nclass {}:\n{}\n", group.name, docstring(&docs, "    "));
    for Attribute { name, kind, .. } in &attributes {
        let annotation = match kind {
            Kind::Integer(_) => "int",
            Kind::Bool => "bool",
            Kind::Text => "str",
        };
        let _ = writeln!(text, "    {name}: {annotation}");
    }
    text.push_str("    alias: ClassVar[str] = \"default\"\n");

    text.push_str("\n    def __post_init__(self) -> None:\n");
    for Attribute { field, name, kind } in &attributes {
        if let Kind::Integer(Range { least, most }) = kind {
            let _ = writeln!(text, "        _check_integer({}, self.{name}, {least}, {most})", string(field));
        }
    }
    text.push_str("        _check_name(str(self))\n");
    if attributes.len() > 1 {
        text.push_str(&check_fields(group.rest, &parts));
    }

    let name: String = parts
        .iter()
        .map(|part| match part {
            Part::Literal(literal) => literal.replace('{', "{{").replace('}', "}}"),
            Part::Field(attribute) => attribute.replacement(),
        })
        .collect();
    let prefix = if attributes.is_empty() { "" } else { "f" };
    let _ = write!(text, "\n    def __str__(self) -> str:\n        return {prefix}\"{name}\"\n");

    let sent = events.iter().map(|event| if event.read == event.written { event.ty.clone() } else { input(event) });
    let sent: Vec<String> = sent.collect();
    let sent = sent.join(" | ");
    let _ = write!(
        text,
        "\n    async def asend(self, event: {sent}) -> None:\n        await _layer(self.alias).group_send(str(self), event)\n\
         \n    def send(self, event: {sent}) -> None:\n        async_to_sync(self.asend)(event)\n"
    );
}

/// Returns the fields of a group's name. One that cannot have its name in Python gets `_` at its end.
fn attributes(module: &Module<'_>, group: &Group) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::new();
    for (field, shape) in &group.fields {
        let kind = match module.types.resolve(shape) {
            Shape::Integer(range) => Kind::Integer(*range),
            Shape::Bool => Kind::Bool,
            _ => Kind::Text,
        };
        let mut name = field.clone();
        // A field that is called `str` would hide the type in the rest of the class.
        let is_ours = |name: &str| ["alias", "asend", "bool", "int", "send", "str"].contains(&name);
        while is_keyword(&name) || is_ours(&name) || attributes.iter().any(|other| other.name == name) {
            name.push('_');
        }
        attributes.push(Attribute { field: field.clone(), name, kind });
    }
    attributes
}

/// Takes a pattern apart: `room-{id}`.
fn parts(pattern: &str, attributes: &[Attribute]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some((literal, (field, after))) =
        rest.split_once('{').and_then(|(literal, after)| Some((literal, after.split_once('}')?)))
    {
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        if let Some(attribute) = attributes.iter().find(|attribute| attribute.field == field) {
            parts.push(Part::Field(attribute.clone()));
        }
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    parts
}

/// Returns the call that refuses values with which two groups would have one name.
fn check_fields(rest: usize, parts: &[Part]) -> String {
    let literal = |at: usize| match parts.get(at) {
        Some(Part::Literal(literal)) => string(literal),
        _ => string(""),
    };
    let mut call =
        format!("        _check_fields(\n            str(self),\n            {},\n            {rest},\n", literal(0));
    for (at, part) in parts.iter().enumerate() {
        if let Part::Field(attribute) = part {
            let (field, value, after) = (string(&attribute.field), attribute.text(), literal(at + 1));
            let _ = writeln!(call, "            ({field}, {value}, {after}),");
        }
    }
    call + "        )\n"
}
