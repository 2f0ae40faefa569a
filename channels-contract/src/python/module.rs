//! The module as a whole.

use std::collections::HashSet;
use std::fmt::Write;

use indexmap::IndexMap;

use super::annotation::{Annotation, loses};
use super::group::{self, HELPERS};
use super::names::{Names, Owner, capitalised};
use super::source::{comment, docstring, is_attribute, string};
use crate::contract::{Contract, Event};
use crate::outputs::{heading, numbered};
use crate::shape::{Field, Object, Rest, Shape};
use crate::types::Types;

/// The key of an event with its name.
const TAG: &str = "type";

/// Writes the module.
///
/// # Errors
/// A name cannot be that of a class, a method or a type in Python. The sentences say which.
pub(crate) fn python(contract: &Contract) -> Result<String, String> {
    let mut module = Module {
        types: &contract.types,
        names: Names::default(),
        defined: HashSet::new(),
        text: String::new(),
        problems: Vec::new(),
    };
    module.contract(contract);
    let Module { text, problems, .. } = module;
    if !problems.is_empty() {
        return Err(numbered(&format!("the Python types of `{}` cannot be written", contract.name), &problems));
    }
    let (imports, helpers) = frame(contract, &text);
    let docs =
        docstring(&format!("The events and groups of the contract `{}`, for Python 3.11 or newer.", contract.name), "");
    Ok(format!("# {}\n{docs}{imports}{text}{helpers}", heading(contract)))
}

/// Returns what stands before and after the types: only the imports and functions that they use.
fn frame(contract: &Contract, text: &str) -> (String, String) {
    let helpers: String = HELPERS.iter().filter(|(name, _)| text.contains(name)).map(|(_, helper)| *helper).collect();
    let whole = format!("{text}{helpers}");
    let mut imports = String::from("from __future__ import annotations\n\n");
    if helpers.contains("re.compile") {
        imports.push_str("import re\n");
    }
    if !contract.groups.is_empty() {
        imports.push_str("from dataclasses import dataclass\n");
    }
    let is_word = |next: char| next.is_ascii_alphanumeric() || next == '_';
    let words: HashSet<&str> = whole.split(|next| !is_word(next)).collect();
    let typing = ["Any", "ClassVar", "Literal", "NotRequired", "Protocol", "TypeAlias", "TypedDict", "Union"];
    let typing: Vec<&str> = typing.into_iter().filter(|name| words.contains(name)).collect();
    if !typing.is_empty() {
        let _ = writeln!(imports, "from typing import {}", typing.join(", "));
    }
    if !contract.groups.is_empty() {
        imports.push_str("\nfrom asgiref.sync import async_to_sync\n");
    }
    (format!("{}\n", imports.trim_end()), helpers)
}

pub(super) struct Module<'a> {
    pub(super) types: &'a Types,
    pub(super) names: Names,
    /// The names that stand above the end of `text`.
    defined: HashSet<String>,
    pub(super) text: String,
    pub(super) problems: Vec<String>,
}

/// The fields of a class, and what is said of it.
struct Class<'a> {
    name: &'a str,
    docs: Option<&'a str>,
    /// The name of the event.
    event: Option<&'a str>,
    object: &'a Object,
}

impl Module<'_> {
    fn contract(&mut self, contract: &Contract) {
        for event in &contract.events {
            self.claim(&event.ty, Owner::Event);
            if event.read != event.written {
                self.claim(&input(event), Owner::EventInput);
            }
        }
        for group in &contract.groups {
            self.claim(&group.name, Owner::Group);
            self.claim(&format!("{}Handlers", group.name), Owner::Handlers);
        }
        let roots = contract.events.iter().flat_map(|event| [&event.written, &event.read]);
        // A type stands above those that need it, so that few names have to be quoted.
        let needed: Vec<&str> = self.types.needed(roots).into_iter().rev().collect();
        for name in &needed {
            self.claim(name, Owner::Type);
        }
        for name in needed {
            if let Some(ty) = contract.types.by_name.get(name) {
                self.named(name, ty.docs.as_deref(), None, &ty.shape);
            }
        }
        for event in &contract.events {
            self.event(event);
        }
        for group in &contract.groups {
            group::write(self, contract, group);
        }
    }

    fn claim(&mut self, name: &str, owner: Owner) {
        if let Err(problem) = self.names.claim(name, owner) {
            self.problems.push(problem);
        }
    }

    fn event(&mut self, event: &Event) {
        let docs = event.docs.as_deref();
        self.named(&event.ty, docs, Some(&event.name), &event.written);
        if event.read != event.written {
            let sent = format!("`{}` as Rust accepts it, for sending.", event.ty);
            self.named(&input(event), Some(&sent), Some(&event.name), &event.read);
        }
    }

    /// Writes a type with a name. The type of an event has the event's name in its tag.
    fn named(&mut self, name: &str, docs: Option<&str>, event: Option<&str>, shape: &Shape) {
        let shape = if event.is_some() { self.types.resolve(shape) } else { shape };
        match (shape, event) {
            (Shape::Object(object), _) => self.class(&Class { name, docs, event, object }),
            (Shape::Map(of, _), Some(_)) => {
                let object = Object { rest: Rest::Each(of.clone()), ..Object::default() };
                self.class(&Class { name, docs, event, object: &object });
            }
            (Shape::Union(forms), Some(_)) => {
                let forms = forms.iter().map(|form| {
                    let part = self.names.claim_part(&format!("{name}{}", variant(self.types.resolve(form))));
                    self.named(&part, None, event, form);
                    Annotation::Name(part)
                });
                let forms = forms.collect();
                self.alias(name, docs, &Annotation::union(forms));
            }
            (_, Some(event_name)) => self.problems.push(format!(
                "the event `{event_name}` is a `{shape}`, and the layer carries objects: give `{name}` fields"
            )),
            (shape, None) => {
                let annotation = self.annotation(shape, name);
                self.alias(name, docs, &annotation);
            }
        }
    }

    fn alias(&mut self, name: &str, docs: Option<&str>, annotation: &Annotation) {
        let _ = write!(self.text, "\n\n{name}: TypeAlias = {}\n", annotation.evaluated(&self.defined));
        if let Some(docs) = docs {
            self.text.push_str(&docstring(docs, ""));
        }
        self.defined.insert(name.to_owned());
    }

    fn class(&mut self, class: &Class<'_>) {
        let Class { name, docs, event, object } = *class;
        let mut fields: IndexMap<&str, (Annotation, &Field)> = IndexMap::new();
        for (key, field) in &object.fields {
            if event.is_some() && key == TAG {
                self.problems
                    .push(format!("the event `{name}` has a field `{TAG}`, which holds the name of the event"));
            }
            fields.insert(key, (self.annotation(&field.shape, &format!("{name}{}", capitalised(key))), field));
        }
        let mut docs = docs.map(str::to_owned);
        if let Rest::Each(of) = &object.rest {
            let more = format!("There are further keys with `{of}`. A subclass names them.");
            docs = Some(docs.map_or(more.clone(), |docs| format!("{docs}\n\n{more}")));
        }
        if fields.keys().all(|key| is_attribute(key)) {
            self.class_statement(name, docs.as_deref(), event, &fields);
        } else {
            self.class_call(name, docs.as_deref(), event, &fields);
        }
        self.defined.insert(name.to_owned());
    }

    /// `class Say(TypedDict):`
    fn class_statement(
        &mut self,
        name: &str,
        docs: Option<&str>,
        event: Option<&str>,
        fields: &IndexMap<&str, (Annotation, &Field)>,
    ) {
        let text = &mut self.text;
        let _ = write!(text, "\n\nclass {name}(TypedDict):\n");
        if let Some(docs) = docs {
            text.push_str(&docstring(docs, "    "));
        }
        if let Some(event) = event {
            let _ = writeln!(text, "    {TAG}: Literal[{}]", string(event));
        }
        for (key, (annotation, field)) in fields {
            let annotation = if field.required { annotation.to_string() } else { format!("NotRequired[{annotation}]") };
            let _ = writeln!(text, "    {key}: {annotation}{}", exact(field));
            if let Some(docs) = &field.docs {
                text.push_str(&docstring(docs, "    "));
            }
        }
        if docs.is_none() && event.is_none() && fields.is_empty() {
            text.push_str("    pass\n");
        }
    }

    /// `Say = TypedDict("Say", {"from": str})`, for keys that cannot be attributes of a class.
    fn class_call(
        &mut self,
        name: &str,
        docs: Option<&str>,
        event: Option<&str>,
        fields: &IndexMap<&str, (Annotation, &Field)>,
    ) {
        let text = &mut self.text;
        let _ = write!(text, "\n\n{name} = TypedDict(\n    \"{name}\",\n    {{\n");
        if let Some(event) = event {
            let _ = writeln!(text, "        \"{TAG}\": Literal[{}],", string(event));
        }
        for (key, (annotation, field)) in fields {
            if let Some(docs) = &field.docs {
                text.push_str(&comment(docs, "        "));
            }
            let annotation = annotation.evaluated(&self.defined);
            let annotation = if field.required { annotation } else { format!("NotRequired[{annotation}]") };
            let _ = writeln!(text, "        {}: {annotation},{}", string(key), exact(field));
        }
        text.push_str("    },\n)\n");
        if let Some(docs) = docs {
            text.push_str(&docstring(docs, ""));
        }
    }

    /// Returns the annotation of a shape. Objects in it become classes, whose names begin with `name`.
    fn annotation(&mut self, shape: &Shape, name: &str) -> Annotation {
        match shape {
            Shape::Any => Annotation::Builtin("Any"),
            Shape::Null => Annotation::Builtin("None"),
            Shape::Bool => Annotation::Builtin("bool"),
            Shape::Integer(_) => Annotation::Builtin("int"),
            Shape::Number => Annotation::Builtin("float"),
            Shape::Text(_) => Annotation::Builtin("str"),
            Shape::Constant(value) => Annotation::constant(value),
            Shape::Array(of, _) => Annotation::List(Box::new(self.annotation(of, name))),
            // A layer brings a list.
            Shape::Tuple(of) => {
                let of = of.iter().enumerate().map(|(at, item)| self.annotation(item, &format!("{name}{}", at + 1)));
                let of: Vec<_> = of.collect();
                let item = if of.is_empty() { Annotation::Builtin("Any") } else { Annotation::union(of) };
                Annotation::List(Box::new(item))
            }
            Shape::Map(of, _) => Annotation::Dict(Box::new(self.annotation(of, name))),
            Shape::Object(object) => {
                let part = self.names.claim_part(name);
                self.class(&Class { name: &part, docs: None, event: None, object });
                Annotation::Name(part)
            }
            Shape::Union(members) => {
                let objects = members.iter().filter(|member| matches!(member, Shape::Object(_))).count();
                let members = members.iter().map(|member| {
                    // A single object beside `null` needs no further word.
                    let further =
                        if objects > 1 || self.names.is_claimed(name) { variant(member) } else { String::new() };
                    self.annotation(member, &format!("{name}{further}"))
                });
                Annotation::union(members.collect())
            }
            Shape::Named(name) => Annotation::Name(name.clone()),
        }
    }
}

/// Returns the name of the form of an event that Rust accepts.
pub(super) fn input(event: &Event) -> String {
    format!("{}Input", event.ty)
}

/// Returns the exact shape as a comment, if the annotation says less.
fn exact(field: &Field) -> String {
    if loses(&field.shape) { format!("  # {}", field.shape) } else { String::new() }
}

/// Returns the word that tells a form of a union from the others: its constant, or its only key.
fn variant(form: &Shape) -> String {
    let Shape::Object(object) = form else { return String::new() };
    let constant = object.fields.values().find_map(|field| match &field.shape {
        Shape::Constant(serde_json::Value::String(text)) if field.required => Some(capitalised(text)),
        _ => None,
    });
    let key = || object.fields.keys().next().map(|key| capitalised(key));
    constant.or_else(key).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::facts::{EventFacts, GroupFacts, PartFacts};
    use crate::fixtures::{MESSAGE, ROOM, facts, multichat};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[schemars(rename = "Literal")]
    struct Words {
        word: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Room {
        id: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Fields {
        words: Words,
        room: Room,
    }

    fn event<T: JsonSchema>(name: &'static str, ty: &'static str) -> EventFacts {
        EventFacts { name, ty, docs: "", parts: &[], schema: Some(|generator| T::json_schema(generator)) }
    }

    fn problem(events: &'static [EventFacts]) -> String {
        let room = GroupFacts { events, ..ROOM };
        python(&Contract::new("multichat", ".", &[], &[room], &[])).unwrap_err()
    }

    #[test]
    fn names_with_another_meaning_are_refused() {
        let events = Box::leak(Box::new([
            MESSAGE,
            event::<Fields>("import", "RoomHandlers"),
            event::<()>("a.b", "None"),
            event::<()>("a.c", "ChatMessageInput"),
        ]));
        assert_eq!(
            problem(events),
            "the Python types of `multichat` cannot be written:\n\
             1. the event `None` cannot have this name in Python, where `None` has a meaning already: rename the struct\n\
             2. the form for sending of an event `ChatMessageInput` and the event `ChatMessageInput` would have one name in Python: \
             rename the struct\n\
             3. the event `RoomHandlers` and the list of a group's handlers `RoomHandlers` would have one name in Python: rename the \
             struct\n\
             4. the group `Room` and the type of a field `Room` would have one name in Python: give the type of a field another name \
             with `#[schemars(rename = \"..\")]`\n\
             5. the type of a field `Literal` cannot have this name in Python, where `Literal` has a meaning already: give the type of \
             a field another name with `#[schemars(rename = \"..\")]`\n\
             6. the event `import` of the group `Room` needs a method `import`, which is a keyword of Python: give the event another \
             name"
        );
    }

    #[test]
    fn a_field_of_a_group_does_not_hide_a_type() {
        const FIELDS: &[PartFacts] = &[
            PartFacts { field: "int", ty: facts::<u8>("u8") },
            PartFacts { field: "str", ty: facts::<String>("String") },
        ];
        let room = GroupFacts { pattern: "room-{int}-{str}", fields: FIELDS, rest: 1, ..ROOM };
        let text = python(&Contract::new("multichat", ".", &[], &[room], &[])).unwrap();
        assert!(text.contains("    int_: int\n    str_: str\n"), "{text}");
        assert!(text.contains("return f\"room-{self.int_}-{self.str_}\""), "{text}");
    }

    #[test]
    fn an_event_that_is_no_object_is_refused() {
        let events = Box::leak(Box::new([event::<Vec<u8>>("a.list", "List")]));
        assert_eq!(
            problem(events),
            "the Python types of `multichat` cannot be written:\n\
             1. the event `a.list` is a `[u8]`, and the layer carries objects: give `List` fields"
        );
    }

    #[test]
    fn only_what_is_needed_is_written() {
        let text = python(&multichat()).unwrap();
        for name in ["InRoom", "Refused", "Union", "_check_fields"] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        let empty = python(&Contract::new("empty", ".", &[], &[], &[])).unwrap();
        assert_eq!(empty.lines().count(), 3, "{empty}");
    }
}
