//! Whether a reader accepts everything that a writer sends.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::shape::{Object, Range, Rest, SIGNED, Shape, Text, UNSIGNED, integer_of};

/// Named types.
pub(crate) type ByName = IndexMap<String, Shape>;

/// A value that the writer may send and the reader does not accept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Misfit {
    /// The place in the value: `room.id`, or empty for the whole.
    pub(crate) path: String,
    pub(crate) reason: Reason,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reason {
    /// The reader needs a field that the writer does not know.
    Unknown(Shape),
    /// The reader needs a field that the writer sometimes leaves out.
    Optional,
    /// The reader refuses a field that the writer sends.
    Denied,
    /// The values are of different shapes.
    Differs { reader: Shape, writer: Shape },
    /// The writer sends one more of several constants.
    NewValue(Value),
}

/// Returns all misfits. An empty list means that the reader accepts everything.
pub(crate) fn misfits(reader: (&Shape, &ByName), writer: (&Shape, &ByName)) -> Vec<Misfit> {
    let mut fit = Fit {
        read: reader.1,
        written: writer.1,
        assumed: IndexSet::new(),
        refuted: HashMap::new(),
        guesses: 0,
        misfits: Vec::new(),
    };
    fit.check(reader.0, writer.0, "");
    fit.misfits
}

/// Returns the fields that the writer sends and the reader ignores. Only those of the value itself, not of values in it.
pub(crate) fn ignored<'a>(reader: (&Shape, &ByName), writer: (&'a Shape, &'a ByName)) -> Vec<&'a str> {
    let (Some(Shape::Object(read)), Some(Shape::Object(written))) =
        (behind(reader.0, reader.1), behind(writer.0, writer.1))
    else {
        return Vec::new();
    };
    let unknown = written.fields.keys().filter(|name| !read.fields.contains_key(*name));
    if matches!(read.rest, Rest::Ignored) { unknown.map(String::as_str).collect() } else { Vec::new() }
}

/// A reader and a writer, by their texts. At least one is a named type.
type Pair = (String, String);

/// The number of places at which the misfits of a pair are reported. Without a limit, types that name each other would be reported
/// along each path between them.
const PLACES: u32 = 8;

struct Fit<'a> {
    read: &'a ByName,
    written: &'a ByName,
    /// Pairs that fit, and pairs that are being checked, in the order of their checks. Assuming that the latter fit is right: a misfit
    /// would be found where it is.
    assumed: IndexSet<Pair>,
    /// Pairs that do not fit, with the number of their checks.
    refuted: HashMap<Pair, u32>,
    /// The number of open calls of `fits`, whose misfits nobody sees.
    guesses: u32,
    misfits: Vec<Misfit>,
}

impl Fit<'_> {
    fn fits(&mut self, reader: &Shape, writer: &Shape) -> bool {
        let before = self.misfits.len();
        self.guesses += 1;
        self.check(reader, writer, "");
        self.guesses -= 1;
        let fits = self.misfits.len() == before;
        self.misfits.truncate(before);
        fits
    }

    fn report(&mut self, path: &str, reason: Reason) {
        self.misfits.push(Misfit { path: path.to_owned(), reason });
    }

    fn differs(&mut self, path: &str, reader: &Shape, writer: &Shape) {
        self.report(path, Reason::Differs { reader: reader.clone(), writer: writer.clone() });
    }

    fn check(&mut self, reader: &Shape, writer: &Shape, path: &str) {
        match (reader, writer) {
            (Shape::Any, _) => {}
            (Shape::Named(_), _) | (_, Shape::Named(_)) => {
                let pair = (reader.to_string(), writer.to_string());
                match self.refuted.get(&pair) {
                    Some(_) if self.guesses > 0 => return self.differs(path, reader, writer),
                    Some(&checks) if checks >= PLACES => return,
                    _ => {}
                }
                let (at, is_new) = self.assumed.insert_full(pair.clone());
                if !is_new {
                    return;
                }
                let before = self.misfits.len();
                let (read, written) = (behind(reader, self.read), behind(writer, self.written));
                match (read, written) {
                    (Some(read), Some(written)) => self.check(read, written, path),
                    _ => self.differs(path, reader, writer),
                }
                if self.misfits.len() > before {
                    // The pairs after it may fit only because this one was assumed to fit.
                    self.assumed.truncate(at);
                    *self.refuted.entry(pair).or_default() += 1;
                }
            }
            (_, Shape::Union(members)) => {
                let unfit: Vec<&Shape> = members.iter().filter(|member| !self.fits(reader, member)).collect();
                let constants = |shape: &Shape| matches!(shape, Shape::Constant(_));
                if !unfit.is_empty() && unfit.iter().all(|shape| constants(shape)) && self.has_constants(reader) {
                    for shape in unfit {
                        if let Shape::Constant(value) = shape {
                            self.report(path, Reason::NewValue(value.clone()));
                        }
                    }
                } else {
                    // Each member says more, unless it is of quite another shape.
                    let before = self.misfits.len();
                    unfit.iter().for_each(|member| self.check(reader, member, path));
                    let is_other =
                        |misfit: &Misfit| misfit.path == path && matches!(misfit.reason, Reason::Differs { .. });
                    if unfit.len() > 1 && self.misfits[before..].iter().any(is_other) {
                        self.misfits.truncate(before);
                        self.differs(path, reader, writer);
                    }
                }
            }
            (Shape::Union(members), _) => {
                if members.iter().any(|member| self.fits(member, writer)) {
                    return;
                }
                // With a single candidate, its own misfits say more.
                match (self.variant(members, writer), writer) {
                    (Variant::Known(member), _) => self.check(member, writer, path),
                    (Variant::New(key, value), _) => {
                        let path = key.map_or_else(|| path.to_owned(), |key| join(path, &key));
                        self.report(&path, Reason::NewValue(value));
                    }
                    (Variant::Unclear, Shape::Constant(value)) if self.has_constants(reader) => {
                        self.report(path, Reason::NewValue(value.clone()));
                    }
                    (Variant::Unclear, _) => self.differs(path, reader, writer),
                }
            }
            (Shape::Object(read), Shape::Object(written)) => self.check_object(read, written, path),
            (Shape::Object(object), Shape::Map(of, _)) => {
                for (name, field) in &object.fields {
                    let path = join(path, name);
                    if field.required {
                        self.report(&path, Reason::Optional);
                    }
                    self.check(&field.shape, of, &path);
                }
                match &object.rest {
                    Rest::Ignored => {}
                    Rest::Denied => self.differs(path, reader, writer),
                    Rest::Each(read) => self.check(read, of, path),
                }
            }
            (Shape::Map(of, None), Shape::Object(object)) => {
                for (name, field) in &object.fields {
                    self.check(of, &field.shape, &join(path, name));
                }
                if let Rest::Each(written) = &object.rest {
                    self.check(of, written, path);
                }
            }
            (Shape::Map(read, keys), Shape::Map(written, sent)) if has_keys(keys.as_deref(), sent.as_deref()) => {
                self.check(read, written, &join(path, "*"));
            }
            (Shape::Array(read, bounds), Shape::Array(written, sent)) => {
                let within = match (bounds, sent) {
                    (None, _) => true,
                    (Some((least, most)), Some((from, to))) => least <= from && to <= most,
                    (Some(_), None) => false,
                };
                if within { self.check(read, written, &join(path, "*")) } else { self.differs(path, reader, writer) }
            }
            // A list and a tuple of the same length look alike.
            (Shape::Array(read, bounds), Shape::Tuple(written)) if has_length(*bounds, written.len()) => {
                for (at, written) in written.iter().enumerate() {
                    self.check(read, written, &join(path, &at.to_string()));
                }
            }
            (Shape::Tuple(read), Shape::Array(written, Some((least, most))))
                if least == most && has_length(Some((*least, *most)), read.len()) =>
            {
                for (at, read) in read.iter().enumerate() {
                    self.check(read, written, &join(path, &at.to_string()));
                }
            }
            (Shape::Tuple(read), Shape::Tuple(written)) if read.len() == written.len() => {
                for (at, (read, written)) in read.iter().zip(written).enumerate() {
                    self.check(read, written, &join(path, &at.to_string()));
                }
            }
            _ if is_within(reader, writer) => {}
            _ => self.differs(path, reader, writer),
        }
    }

    fn check_object(&mut self, reader: &Object, writer: &Object, path: &str) {
        for (name, field) in &reader.fields {
            let path = join(path, name);
            match (writer.fields.get(name), &writer.rest) {
                (Some(written), _) => {
                    if field.required && !written.required {
                        self.report(&path, Reason::Optional);
                    }
                    self.check(&field.shape, &written.shape, &path);
                }
                (None, Rest::Each(of)) => {
                    if field.required {
                        self.report(&path, Reason::Optional);
                    }
                    self.check(&field.shape, of, &path);
                }
                (None, _) if field.required => self.report(&path, Reason::Unknown(field.shape.clone())),
                (None, _) => {}
            }
        }
        let more = writer.fields.iter().filter(|(name, _)| !reader.fields.contains_key(*name));
        for (name, field) in more {
            match &reader.rest {
                Rest::Ignored => {}
                Rest::Denied => self.report(&join(path, name), Reason::Denied),
                Rest::Each(of) => self.check(of, &field.shape, &join(path, name)),
            }
        }
        if let Rest::Each(written) = &writer.rest {
            match &reader.rest {
                Rest::Ignored => {}
                Rest::Denied => self.report(&join(path, "*"), Reason::Denied),
                Rest::Each(read) => self.check(read, written, &join(path, "*")),
            }
        }
    }

    /// Finds the member of a union that an object is meant for.
    fn variant<'b>(&self, members: &'b [Shape], writer: &Shape) -> Variant<'b> {
        let Shape::Object(writer) = writer else { return Variant::Unclear };
        let objects: Vec<(&Shape, &Object)> = members
            .iter()
            .filter_map(|member| match behind(member, self.read) {
                Some(Shape::Object(object)) => Some((member, object)),
                _ => None,
            })
            .collect();
        // `"Stop" | {"Go": ..}`
        let only_key = |object: &Object| match object.fields.first() {
            Some((key, field)) if object.fields.len() == 1 && field.required => Some(key.clone()),
            _ => None,
        };
        let is_enum = objects.len() > 1 || members.iter().any(|member| self.has_constants(member));
        if is_enum
            && tags(writer).next().is_none()
            && let Some(key) = only_key(writer)
            && let Some(keys) = objects.iter().map(|(_, object)| only_key(object)).collect::<Option<Vec<_>>>()
        {
            return match keys.iter().position(|other| *other == key) {
                Some(at) => Variant::Known(objects[at].0),
                None => Variant::New(None, key.into()),
            };
        }
        if let [(member, _)] = objects[..] {
            return Variant::Known(member);
        }
        // `{"kind": "go", ..}`
        for (key, value) in tags(writer) {
            let of_members: Vec<_> = objects
                .iter()
                .map(|(member, object)| (member, tags(object).find(|(other, _)| *other == key)))
                .collect();
            if of_members.is_empty() || of_members.iter().any(|(_, tag)| tag.is_none()) {
                continue;
            }
            let mut same = of_members.iter().filter(|(_, tag)| tag.is_some_and(|(_, other)| other == value));
            return match (same.next(), same.next()) {
                (Some((member, _)), None) => Variant::Known(member),
                (None, _) => Variant::New(Some(key.to_owned()), value.clone()),
                _ => Variant::Unclear,
            };
        }
        Variant::Unclear
    }

    /// Returns whether the reader takes constants, so that a further one is a new value of an enum.
    fn has_constants(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Named(name) => {
                self.read.get(name).is_some_and(|shape| !matches!(shape, Shape::Named(_)) && self.has_constants(shape))
            }
            Shape::Union(members) => members.iter().any(|member| matches!(member, Shape::Constant(_))),
            Shape::Constant(_) => true,
            _ => false,
        }
    }
}

/// The member of a union that an object is meant for.
enum Variant<'a> {
    Known(&'a Shape),
    /// This key has a value that no member has there. Without a key, the value is the only key of the object.
    New(Option<String>, Value),
    Unclear,
}

/// Returns the required fields that are always the same.
fn tags(object: &Object) -> impl Iterator<Item = (&str, &Value)> {
    object.fields.iter().filter_map(|(key, field)| match &field.shape {
        Shape::Constant(value) if field.required => Some((key.as_str(), value)),
        _ => None,
    })
}

/// Returns whether every key that a writer sends is one that the reader takes.
fn has_keys(read: Option<&str>, sent: Option<&str>) -> bool {
    read.is_none() || read == sent || (read, sent) == (Some(SIGNED), Some(UNSIGNED))
}

/// Returns whether a list of these bounds can have this length.
fn has_length(bounds: Option<(u64, u64)>, length: usize) -> bool {
    bounds.is_none_or(|(least, most)| (least..=most).contains(&(length as u64)))
}

/// Returns whether every value of the writer is one of the reader. Both are values without parts.
fn is_within(reader: &Shape, writer: &Shape) -> bool {
    match (reader, writer) {
        (Shape::Number, Shape::Integer(_)) => true,
        (Shape::Number, Shape::Constant(value)) => value.is_number(),
        (Shape::Integer(read), Shape::Integer(written)) => read.contains(*written),
        (Shape::Integer(read), Shape::Constant(value)) => {
            integer_of(value).is_some_and(|number| read.contains(Range { least: number, most: number }))
        }
        (Shape::Bool, Shape::Constant(Value::Bool(_))) => true,
        (Shape::Text(Text { format: None, pattern: None }), Shape::Constant(Value::String(_)) | Shape::Text(_)) => true,
        _ => reader == writer,
    }
}

/// Returns the type behind a name, or the shape itself.
fn behind<'a>(shape: &'a Shape, types: &'a ByName) -> Option<&'a Shape> {
    match shape {
        Shape::Named(name) => types.get(name),
        other => Some(other),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::asyncapi::schema::schema;
    use crate::asyncapi::validation::misfit;
    use crate::shape::Field;

    fn reasons(reader: &str, writer: &str) -> Vec<String> {
        let types: ByName = [
            ("Tree", r#"{"value": u8, "next": Tree | null}"#),
            ("Wide", r#"{"value": u16, "next": Wide | null}"#),
            ("Mood", r#""glad" | "sad""#),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Shape::read(text).unwrap()))
        .collect();
        let (reader, writer) = (Shape::read(reader).unwrap(), Shape::read(writer).unwrap());
        misfits((&reader, &types), (&writer, &types))
            .into_iter()
            .map(|misfit| {
                let word = match misfit.reason {
                    Reason::Unknown(shape) => format!("needs {shape}"),
                    Reason::Optional => "may lack".into(),
                    Reason::Denied => "refuses".into(),
                    Reason::Differs { reader, writer } => format!("{reader} <- {writer}"),
                    Reason::NewValue(value) => format!("new {value}"),
                };
                format!("{}: {word}", misfit.path)
            })
            .collect()
    }

    const TAGGED: &str = r#"{"t": "a", "n": u8} | {"t": "b"}"#;
    const KEYED: &str = r#"{"A": u8} | {"B": u8}"#;

    #[test]
    fn a_reader_accepts_what_is_narrower() {
        for (reader, writer) in [
            ("any", "{\"a\": u8}"),
            ("number", "u8"),
            ("u16", "u8"),
            ("i16", "u8"),
            ("u8", "7"),
            ("string", "\"a\""),
            ("string", "string(\"uuid\")"),
            ("string | null", "string"),
            ("Mood", "\"sad\""),
            ("\"glad\" | \"sad\" | null", "Mood"),
            ("Wide", "Tree"),
            ("{\"a\": u8}", "{\"a\": u8, \"b\": string}"),
            ("{\"a\"?: u8}", "{\"b\": string}"),
            ("{\"a\"?: u8}", "{\"a\": u8}"),
            ("{[string]: u8}", "{\"a\": u8}"),
            ("{[string]: u8}", r#"{[string~"^\\d+$"]: u8}"#),
            (r#"{[string~"^\\d+$"]: u8}"#, r#"{[string~"^\\d+$"]: u8}"#),
            (r#"{[string~"^-?\\d+$"]: u8}"#, r#"{[string~"^\\d+$"]: u8}"#),
            ("[u8]", "[u8; 3]"),
            ("(u8, any)", "(u8, string)"),
            ("(u16, any)", "[u8; 2]"),
            ("[u16; 2]", "(u8, 7)"),
            ("[u16]", "(u8, 7)"),
            ("[u16]", "()"),
            ("{\"type\": \"a\"} | {\"type\": \"b\", \"n\": u8}", "{\"type\": \"b\", \"n\": u8}"),
        ] {
            assert_eq!(reasons(reader, writer), Vec::<String>::new(), "{reader} <- {writer}");
        }
    }

    #[test]
    fn a_misfit_names_the_field() {
        for (reader, writer, misfits) in [
            ("u8", "u16", vec![": u8 <- u16"]),
            ("u8", "number", vec![": u8 <- number"]),
            ("string(\"uuid\")", "string", vec![": string(\"uuid\") <- string"]),
            ("string", "string | null", vec![": string <- null"]),
            ("Mood", "\"glad\" | \"sad\" | \"mad\"", vec![": new \"mad\""]),
            ("Mood", "\"mad\"", vec![": new \"mad\""]),
            ("Tree", "Wide", vec!["value: u8 <- u16", "next.value: u8 <- u16"]),
            ("{\"a\": u8, \"b\": string}", "{\"a\": u16}", vec!["a: u8 <- u16", "b: needs string"]),
            ("{\"a\": u8}", "{\"a\"?: u8}", vec!["a: may lack"]),
            ("{\"a\": u8}", "{[string]: u8}", vec!["a: may lack"]),
            (r#"{[string~"^\\d+$"]: u8}"#, "{[string]: u8}", vec![r#": {[string~"^\\d+$"]: u8} <- {[string]: u8}"#]),
            ("{..: none}", "{\"a\"?: u8}", vec!["a: refuses"]),
            ("[u8; 2]", "[u8]", vec![": [u8; 2] <- [u8]"]),
            ("{\"a\": {\"b\": [u8]}}", "{\"a\": {\"b\": [string]}}", vec!["a.b.*: u8 <- string"]),
            ("(u8, u8)", "(u8)", vec![": (u8, u8) <- (u8)"]),
            ("(u8, u8)", "[u8]", vec![": (u8, u8) <- [u8]"]),
            ("(u8, u8)", "[u16; 2]", vec!["0: u8 <- u16", "1: u8 <- u16"]),
            ("[u8; 2]", "(u8, u16)", vec!["1: u8 <- u16"]),
            ("[u8; 2]", "(u8, u8, u8)", vec![": [u8; 2] <- (u8, u8, u8)"]),
            ("Nobody", "u8", vec![": Nobody <- u8"]),
            (TAGGED, r#"{"t": "a", "n": u16}"#, vec!["n: u8 <- u16"]),
            (TAGGED, r#"{"t": "c"}"#, vec!["t: new \"c\""]),
            (TAGGED, r#"{"t": string}"#, vec![": {\"t\": \"a\", \"n\": u8} | {\"t\": \"b\"} <- {\"t\": string}"]),
            (KEYED, r#"{"A": u16}"#, vec!["A: u8 <- u16"]),
            (
                TAGGED,
                r#"{"t": "a", "n": u16} | {"t": "c"} | {"t": "d"}"#,
                vec!["n: u8 <- u16", "t: new \"c\"", "t: new \"d\""],
            ),
            ("u8", "string | null", vec![": u8 <- string | null"]),
            (KEYED, r#"{"C": u16}"#, vec![": new \"C\""]),
            (r#""Stop" | {"A": u8}"#, r#"{"C": u16}"#, vec![": new \"C\""]),
        ] {
            assert_eq!(reasons(reader, writer), misfits, "{reader} <- {writer}");
        }
    }

    /// Such as the nodes of a document. There are more paths between these types than anybody can check.
    #[test]
    fn many_types_that_name_each_other_are_compared() {
        let types = |of: &str, number: &str| -> ByName {
            let fields: Vec<String> =
                (0..20).map(|at| format!("\"f{at}\": {}", of.replace('T', &format!("T{at}")))).collect();
            let shape = |at| format!("{{{}, \"n\": {}}}", fields.join(", "), if at == 19 { number } else { "u8" });
            (0..20).map(|at| (format!("T{at}"), Shape::read(&shape(at)).unwrap())).collect()
        };
        let root = Shape::Named("T0".into());
        for (of, path) in [("[T]", ".n"), ("T | null", ".n"), ("[T] | null", "f1")] {
            let (old, new) = (types(of, "u8"), types(of, "u16"));
            assert_eq!(misfits((&root, &old), (&root, &old)), [], "{of}");
            assert_eq!(misfits((&root, &new), (&root, &old)), [], "{of}");
            let misfits = misfits((&root, &old), (&root, &new));
            assert!(misfits.iter().any(|misfit| misfit.path.ends_with(path)), "{of}: {misfits:?}");
            assert!(misfits.len() < 1_000, "{of}: {}", misfits.len());
        }
    }

    /// Shapes of few words, so that two of them often fit.
    fn shapes() -> impl Strategy<Value = Shape> {
        let leaf = prop::sample::select(vec![
            "any",
            "null",
            "bool",
            "number",
            "u8",
            "u16",
            "1..=5",
            "string",
            r#"string("char")"#,
            r#""x""#,
            r#""y""#,
            "1",
            "7",
            "true",
        ]);
        let leaf = leaf.prop_map(|text| Shape::read(text).unwrap());
        leaf.prop_recursive(3, 12, 3, |inner| {
            let rest = prop_oneof![
                2 => Just(Rest::Ignored),
                1 => Just(Rest::Denied),
                1 => inner.clone().prop_map(|shape| Rest::Each(Box::new(shape))),
            ];
            let field =
                (inner.clone(), any::<bool>()).prop_map(|(shape, required)| Field { shape, required, docs: None });
            let key = prop::sample::select(vec!["a", "b", "t"]).prop_map(str::to_owned);
            let lengths = prop::sample::select(vec![None, Some((1, 2)), Some((0, 3))]);
            prop_oneof![
                (inner.clone(), lengths).prop_map(|(shape, length)| Shape::Array(Box::new(shape), length)),
                prop::collection::vec(inner.clone(), 1..3).prop_map(Shape::Tuple),
                inner.clone().prop_map(|shape| Shape::Map(Box::new(shape), None)),
                (prop::collection::vec((key, field), 0..3), rest).prop_map(|(fields, rest)| {
                    Shape::Object(Object { fields: fields.into_iter().collect(), rest })
                }),
                prop::collection::vec(inner, 2..4).prop_map(Shape::union),
            ]
        })
    }

    /// Returns a value that a writer of this shape sends. `choose` returns a number below its argument.
    fn sent(shape: &Shape, choose: &mut impl FnMut(usize) -> usize) -> Value {
        match shape {
            Shape::Any => [json!(null), json!(7), json!("x"), json!({ "a": 1 }), json!([1])][choose(5)].clone(),
            Shape::Null => Value::Null,
            Shape::Bool => (choose(2) == 1).into(),
            Shape::Integer(range) => json!([range.least, range.most][choose(2)]),
            Shape::Number => [json!(0.5), json!(-3), json!(1e9)][choose(3)].clone(),
            Shape::Text(Text { format: Some(_), .. }) => "c".into(),
            Shape::Text(_) => ["", "x", "text"][choose(3)].into(),
            Shape::Constant(value) => value.clone(),
            Shape::Array(of, bounds) => {
                let (least, most) = bounds.unwrap_or((0, 4));
                let length = least + choose((most - least + 1) as usize) as u64;
                (0..length).map(|_| sent(of, choose)).collect()
            }
            Shape::Tuple(of) => of.iter().map(|item| sent(item, choose)).collect(),
            Shape::Map(of, _) => (0..choose(3)).map(|at| (["a", "z"][at].to_owned(), sent(of, choose))).collect(),
            Shape::Object(Object { fields, rest }) => {
                let mut object = serde_json::Map::new();
                if let Rest::Each(of) = rest {
                    object.extend((0..choose(4)).map(|at| (["a", "t", "z"][at].to_owned(), sent(of, choose))));
                }
                for (name, field) in fields {
                    object.shift_remove(name);
                    if field.required || choose(2) == 1 {
                        object.insert(name.clone(), sent(&field.shape, choose));
                    }
                }
                object.into()
            }
            Shape::Union(of) => sent(&of[choose(of.len())], choose),
            Shape::Named(name) => panic!("`{name}` is not used here"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// The schema of the reader is the judge.
        #[test]
        fn a_reader_without_misfits_accepts_each_value(
            (reader, writer) in (shapes(), shapes()),
            is_same in 0..3_u8,
            choices in prop::collection::vec(any::<u16>(), 1..40),
        ) {
            // A shape often fits a union with it.
            let reader = match is_same {
                0 => reader,
                1 => Shape::union([reader, writer.clone()]),
                _ => writer.clone(),
            };
            let types = ByName::new();
            let found = misfits((&reader, &types), (&writer, &types));
            if is_same > 0 {
                prop_assert!(found.is_empty(), "{} <- {}: {:?}", reader, writer, found);
            }
            if found.is_empty() {
                let mut choices = choices.into_iter().cycle();
                let mut choose = |below: usize| usize::from(choices.next().unwrap()) % below;
                for _ in 0..5 {
                    let value = sent(&writer, &mut choose);
                    let refused = misfit(&value, &schema(&reader), &Value::Null, "value");
                    prop_assert_eq!(refused, None, "{} <- {}: {}", reader, writer, value);
                }
            }
        }
    }
}
