//! The named types of a contract.

use std::cell::RefCell;
use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::facts::TypeFacts;
use crate::schema::{self, Definitions, ROLE};
use crate::shape::Shape;

/// The purpose of a type that comes from `channels-runtime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A position in the history of a group. The client remembers the newest one.
    Position,
    /// The reason why missed events are not sent again.
    Cause,
}

/// A named type.
#[derive(Debug, Clone)]
pub(crate) struct Type {
    pub(crate) shape: Shape,
    pub(crate) docs: Option<String>,
    pub(crate) role: Option<Role>,
}

impl From<Shape> for Type {
    fn from(shape: Shape) -> Self {
        Self { shape, docs: None, role: None }
    }
}

/// The direction in which a value travels, from the view of the Rust process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Written,
    Read,
}

/// Named types by their names. A type that differs by direction has two: `RoomId`, which is written, and `RoomIdInput`, which is
/// read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Types {
    pub(crate) by_name: IndexMap<String, Type>,
    /// The types whose read form is called `..Input`.
    differing: BTreeSet<String>,
}

/// Collects the types of a contract.
pub(crate) struct TypeCollector {
    written: SchemaGenerator,
    read: SchemaGenerator,
}

impl TypeCollector {
    pub(crate) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12;
        Self {
            written: settings().for_serialize().into_generator(),
            read: settings().for_deserialize().into_generator(),
        }
    }

    /// Returns the schema of a type. It may name definitions.
    pub(crate) fn schema(&mut self, direction: Direction, of: fn(&mut SchemaGenerator) -> Schema) -> Value {
        of(self.generator(direction)).into()
    }

    fn generator(&mut self, direction: Direction) -> &mut SchemaGenerator {
        match direction {
            Direction::Written => &mut self.written,
            Direction::Read => &mut self.read,
        }
    }

    /// Reads all definitions. Mistakes are added to `problems`.
    pub(crate) fn finish(
        mut self,
        roots: &[(Direction, TypeFacts)],
        problems: &mut Vec<String>,
    ) -> (Types, Definitions, Definitions) {
        let written = self.written.take_definitions(true);
        let read = self.read.take_definitions(true);
        for name in namesakes(&written, Direction::Written, roots).union(&namesakes(&read, Direction::Read, roots)) {
            problems.push(format!(
                "two types are called `{name}`: give one of them another name with `#[schemars(rename = \"..\")]`"
            ));
        }
        let (mut out, inputs) = (of_definitions(&written, problems), of_definitions(&read, problems));
        let mut differing = BTreeSet::new();
        loop {
            let before = differing.len();
            for (name, Type { shape, .. }) in &inputs {
                let Some(other) = out.get(name) else { continue };
                let mut differs = other.shape != *shape;
                shape.for_each_name(&mut |name| differs |= differing.contains(name));
                if differs {
                    differing.insert(name.clone());
                }
            }
            if differing.len() == before {
                break;
            }
        }
        let mut types = Types { by_name: IndexMap::new(), differing };
        for (name, mut ty) in inputs {
            types.rename(Direction::Read, &mut ty.shape);
            let new_name = types.name(Direction::Read, &name);
            if new_name != name {
                if let Some(other) = out.shift_remove(&name) {
                    types.by_name.insert(name.clone(), other);
                }
                if types.by_name.contains_key(&new_name) || out.contains_key(&new_name) {
                    problems.push(format!(
                        "`{name}` differs when it is read, and `{new_name}` is another type: give that one another name with \
                         `#[schemars(rename = \"..\")]`"
                    ));
                }
            } else {
                out.shift_remove(&name);
            }
            types.by_name.insert(new_name, ty);
        }
        types.by_name.extend(out);
        problems.sort();
        problems.dedup();
        (types, written, read)
    }
}

impl Types {
    /// Returns the name of a type in one direction.
    fn name(&self, direction: Direction, name: &str) -> String {
        match direction {
            Direction::Read if self.differing.contains(name) => format!("{name}Input"),
            Direction::Read | Direction::Written => name.to_owned(),
        }
    }

    /// Replaces the names of types in a shape by their names for one direction.
    pub(crate) fn rename(&self, direction: Direction, shape: &mut Shape) {
        shape.rename(&|name| Some(self.name(direction, name)));
    }

    /// Returns the shape behind names.
    pub(crate) fn resolve<'a>(&'a self, shape: &'a Shape) -> &'a Shape {
        let mut shape = shape;
        // A name that leads to itself was reported.
        for _ in 0..self.by_name.len() {
            match shape {
                Shape::Named(name) => match self.by_name.get(name) {
                    Some(ty) => shape = &ty.shape,
                    None => return shape,
                },
                other => return other,
            }
        }
        shape
    }

    /// Returns the role of a type, or of the only type in an optional one.
    pub(crate) fn role(&self, shape: &Shape) -> Option<Role> {
        shape.members().iter().find_map(|member| match member {
            Shape::Named(name) => self.by_name.get(name)?.role,
            _ => None,
        })
    }

    /// Returns the names of all types that the shapes need, each before those that it needs itself.
    pub(crate) fn needed<'a>(&'a self, roots: impl IntoIterator<Item = &'a Shape>) -> IndexSet<&'a str> {
        let mut needed = IndexSet::new();
        let mut open = Vec::new();
        for root in roots {
            root.for_each_name(&mut |name| open.push(name));
            open.reverse();
            while let Some(name) = open.pop() {
                if needed.insert(name)
                    && let Some(ty) = self.by_name.get(name)
                {
                    let at = open.len();
                    ty.shape.for_each_name(&mut |name| open.push(name));
                    open[at..].reverse();
                }
            }
        }
        needed
    }
}

fn of_definitions(definitions: &Definitions, problems: &mut Vec<String>) -> IndexMap<String, Type> {
    let mut types = IndexMap::new();
    for (name, schema) in definitions {
        if !name.starts_with(|first: char| first.is_alphabetic())
            || !name.chars().all(|next| next.is_alphanumeric() || next == '_')
        {
            problems.push(format!(
                "`{name}` cannot be the name of a type in other languages: use `#[schemars(rename = \"..\")]` with letters and digits"
            ));
        }
        let shape = schema::read(schema, definitions).unwrap_or_else(|problem| {
            problems.push(match problem.strip_prefix('@') {
                Some(problem) => format!("`{name}.{}", problem.replacen(": ", "`: ", 1)),
                None => format!("`{name}`: {problem}"),
            });
            Shape::Any
        });
        let role = match schema.get(ROLE).and_then(Value::as_str) {
            Some("position") => Some(Role::Position),
            Some("cause") => Some(Role::Cause),
            _ => None,
        };
        let docs = schema.get("description").and_then(Value::as_str).map(str::to_owned);
        types.insert(name.clone(), Type { shape, docs, role });
    }
    let endless: Vec<String> = types.keys().filter(|name| is_endless(name, &types)).cloned().collect();
    for name in endless {
        problems.push(format!("`{name}` contains itself without an object or a list in between, so it may never end"));
        types[&name].shape = Shape::Any;
    }
    types
}

/// Returns whether a type is one of its own forms.
fn is_endless(name: &str, types: &IndexMap<String, Type>) -> bool {
    let forms = |name: &str| types.get(name).map(|ty| ty.shape.members()).unwrap_or_default();
    let (mut seen, mut open) = (IndexSet::new(), vec![name]);
    while let Some(next) = open.pop() {
        for form in forms(next) {
            let Shape::Named(form) = form else { continue };
            if form == name {
                return true;
            }
            if seen.insert(form) {
                open.push(form);
            }
        }
    }
    false
}

thread_local! {
    static SEED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A type whose name is that of another type.
struct Seed;

impl JsonSchema for Seed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        SEED.with_borrow(|name| name.clone().into())
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        SEED.with_borrow(|name| format!("channels seed {name}").into())
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

/// Returns the names that two types have. schemars calls the second `Id2`, and that could also be the name of a type.
///
/// A second run settles it, in which another type takes `Id` and `Id2` first: a type that is called `Id2` is then called `Id22`.
fn namesakes(definitions: &Definitions, direction: Direction, roots: &[(Direction, TypeFacts)]) -> BTreeSet<String> {
    let suspects: Vec<(&str, &str)> = definitions
        .keys()
        .filter_map(|name| {
            let base = name.trim_end_matches(|last: char| last.is_ascii_digit());
            (base.len() < name.len() && definitions.contains_key(base)).then_some((base, name.as_str()))
        })
        .collect();
    if suspects.is_empty() {
        return BTreeSet::new();
    }
    let mut second = TypeCollector::new();
    let generator = second.generator(direction);
    for (base, name) in &suspects {
        for seed in [base, name] {
            SEED.set((*seed).to_owned());
            generator.subschema_for::<Seed>();
        }
    }
    for (_, facts) in roots.iter().filter(|(other, _)| *other == direction) {
        if let Some(schema) = facts.schema {
            schema(generator);
        }
    }
    let definitions = generator.definitions();
    let mut namesakes = BTreeSet::new();
    for (base, name) in suspects {
        if !definitions.contains_key(&format!("{name}2")) {
            namesakes.insert(base.to_owned());
        }
    }
    namesakes
}
