//! The shape of a JSON value: what a type looks like on the wire.

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;

/// The shape of a JSON value. All emitters and the lock file are written from this model, and never from a JSON Schema.
///
/// Its text ([`fmt::Display`]) is that of the lock file, and [`Shape::read`] reads it back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Any JSON value.
    Any,
    Null,
    Bool,
    /// An integer within bounds.
    Integer(Range),
    Number,
    Text(Text),
    /// Exactly this string, integer or boolean.
    Constant(Value),
    /// A list. The numbers are its least and its largest length.
    Array(Box<Self>, Option<(u64, u64)>),
    /// A list of fixed length, with a shape for each item.
    Tuple(Vec<Self>),
    /// An object with any keys, or with those that fit a regular expression: the numbers of a `HashMap<u32, T>`.
    Map(Box<Self>, Option<String>),
    Object(Object),
    /// One of several shapes. It has at least two, and none of them is a union.
    Union(Vec<Self>),
    /// A type of [`Types`](crate::types::Types), by its name.
    Named(String),
}

/// The bounds of an integer, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) least: i128,
    pub(crate) most: i128,
}

/// A string, and what is known of its contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    /// A format of JSON Schema (`uuid`, `date-time`), or `char` for a single character.
    pub(crate) format: Option<String>,
    /// A regular expression.
    pub(crate) pattern: Option<String>,
}

/// An object with known keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Object {
    pub(crate) fields: IndexMap<String, Field>,
    pub(crate) rest: Rest,
}

/// The keys of an object that are not fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Rest {
    /// A reader ignores them, a writer writes none.
    #[default]
    Ignored,
    /// A reader refuses them: `#[serde(deny_unknown_fields)]`.
    Denied,
    /// Values of this shape: a flattened map.
    Each(Box<Shape>),
}

/// A field of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) shape: Shape,
    /// Whether the key is always there.
    pub(crate) required: bool,
    /// The documentation, which is not part of the contract.
    pub(crate) docs: Option<String>,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.required == other.required
    }
}

/// The keys of a map by `u32` and the like, as schemars writes them.
pub(crate) const UNSIGNED: &str = r"^\d+$";

/// The keys of a map by `i32` and the like.
pub(crate) const SIGNED: &str = r"^-?\d+$";

/// The integer types of Rust with at most 64 bits, by the names of Rust.
const INTEGERS: [(&str, i128, i128); 8] = [
    ("u8", 0, u8::MAX as i128),
    ("u16", 0, u16::MAX as i128),
    ("u32", 0, u32::MAX as i128),
    ("u64", 0, u64::MAX as i128),
    ("i8", i8::MIN as i128, i8::MAX as i128),
    ("i16", i16::MIN as i128, i16::MAX as i128),
    ("i32", i32::MIN as i128, i32::MAX as i128),
    ("i64", i64::MIN as i128, i64::MAX as i128),
];

/// Returns an integer of JSON.
pub(crate) fn integer_of(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

impl Range {
    /// Returns the range of a Rust type: `u8`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, least, most) = INTEGERS.into_iter().find(|(known, ..)| *known == name)?;
        Some(Self { least, most })
    }

    /// Returns the Rust type with exactly this range.
    pub(crate) fn name(self) -> Option<&'static str> {
        let same = |(_, least, most): &(&str, i128, i128)| (*least, *most) == (self.least, self.most);
        INTEGERS.into_iter().find(same).map(|(name, ..)| name)
    }

    /// Returns whether JavaScript reads every value exactly.
    pub(crate) fn is_exact_in_javascript(self) -> bool {
        const MOST: i128 = (1 << 53) - 1;
        self.least >= -MOST && self.most <= MOST
    }

    /// Returns whether every value of the other range is in this one.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.least <= other.least && other.most <= self.most
    }
}

impl Shape {
    /// Returns one shape for several, without nested unions and without duplicates.
    pub(crate) fn union(shapes: impl IntoIterator<Item = Self>) -> Self {
        let mut members: Vec<Self> = Vec::new();
        for shape in shapes {
            let inner = match shape {
                Self::Union(inner) => inner,
                other => vec![other],
            };
            for member in inner {
                if member == Self::Any {
                    return Self::Any;
                }
                if !members.contains(&member) {
                    members.push(member);
                }
            }
        }
        match members.len() {
            1 => members.remove(0),
            _ => Self::Union(members),
        }
    }

    /// Returns the members of a union, or the shape itself.
    pub(crate) fn members(&self) -> &[Self] {
        match self {
            Self::Union(members) => members,
            other => std::slice::from_ref(other),
        }
    }

    /// Calls `each` for every name of a type in the shape, not those behind the names.
    pub(crate) fn for_each_name<'a>(&'a self, each: &mut impl FnMut(&'a str)) {
        match self {
            Self::Named(name) => each(name),
            Self::Array(of, _) | Self::Map(of, _) => of.for_each_name(each),
            Self::Tuple(of) | Self::Union(of) => of.iter().for_each(|shape| shape.for_each_name(each)),
            Self::Object(object) => {
                object.fields.values().for_each(|field| field.shape.for_each_name(each));
                if let Rest::Each(of) = &object.rest {
                    of.for_each_name(each);
                }
            }
            Self::Any
            | Self::Null
            | Self::Bool
            | Self::Integer(_)
            | Self::Number
            | Self::Text(_)
            | Self::Constant(_) => {}
        }
    }

    /// Replaces the names of types.
    pub(crate) fn rename(&mut self, new: &impl Fn(&str) -> Option<String>) {
        match self {
            Self::Named(name) => {
                if let Some(new) = new(name) {
                    *name = new;
                }
            }
            Self::Array(of, _) | Self::Map(of, _) => of.rename(new),
            Self::Tuple(of) | Self::Union(of) => of.iter_mut().for_each(|shape| shape.rename(new)),
            Self::Object(object) => {
                object.fields.values_mut().for_each(|field| field.shape.rename(new));
                if let Rest::Each(of) = &mut object.rest {
                    of.rename(new);
                }
            }
            Self::Any
            | Self::Null
            | Self::Bool
            | Self::Integer(_)
            | Self::Number
            | Self::Text(_)
            | Self::Constant(_) => {}
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Integer(range) => write!(f, "{range}"),
            Self::Number => f.write_str("number"),
            Self::Text(text) => write!(f, "{text}"),
            Self::Constant(value) => write!(f, "{value}"),
            Self::Array(of, None) => write!(f, "[{of}]"),
            Self::Array(of, Some((least, most))) if least == most => write!(f, "[{of}; {least}]"),
            Self::Array(of, Some((least, most))) => write!(f, "[{of}; {least}..={most}]"),
            Self::Tuple(of) => {
                f.write_str("(")?;
                for (at, shape) in of.iter().enumerate() {
                    write!(f, "{}{shape}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Self::Map(of, keys) => {
                let keys = Text { format: None, pattern: keys.clone() };
                write!(f, "{{[{keys}]: {of}}}")
            }
            Self::Object(object) => write!(f, "{object}"),
            Self::Union(of) => {
                for (at, shape) in of.iter().enumerate() {
                    write!(f, "{}{shape}", if at == 0 { "" } else { " | " })?;
                }
                Ok(())
            }
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}..={}", self.least, self.most),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("string")?;
        if let Some(format) = &self.format {
            write!(f, "({})", Value::from(format.as_str()))?;
        }
        if let Some(pattern) = &self.pattern {
            write!(f, "~{}", Value::from(pattern.as_str()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut before = "";
        for (name, Field { shape, required, .. }) in &self.fields {
            write!(f, "{before}{}{}: {shape}", Value::from(name.as_str()), if *required { "" } else { "?" })?;
            before = ", ";
        }
        match &self.rest {
            Rest::Ignored => {}
            Rest::Denied => write!(f, "{before}..: none")?,
            Rest::Each(of) => write!(f, "{before}..: {of}")?,
        }
        f.write_str("}")
    }
}
