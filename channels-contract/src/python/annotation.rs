//! The annotation of a shape: `list[str] | None`.

use std::collections::HashSet;

use serde_json::Value;

use super::source::string;
use crate::shape::Shape;

/// A type expression of Python.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Annotation {
    /// A type of Python: `int`.
    Builtin(&'static str),
    /// A type of the module.
    Name(String),
    /// `Literal[..]`, by the texts of its values.
    Literal(Vec<String>),
    List(Box<Self>),
    /// A dictionary with strings as keys.
    Dict(Box<Self>),
    Union(Vec<Self>),
}

impl Annotation {
    /// Returns one annotation for several. Constants are collected in one `Literal`, and `None` is last.
    pub(super) fn union(members: Vec<Self>) -> Self {
        let mut union: Vec<Self> = Vec::new();
        for member in members {
            let inner = match member {
                Self::Union(inner) => inner,
                other => vec![other],
            };
            for member in inner {
                if union.contains(&member) {
                    continue;
                }
                let known = union.iter_mut().find_map(|known| match known {
                    Self::Literal(values) => Some(values),
                    _ => None,
                });
                match (member, known) {
                    (Self::Literal(more), Some(values)) => {
                        let more: Vec<_> = more.into_iter().filter(|value| !values.contains(value)).collect();
                        values.extend(more);
                    }
                    (member, _) => union.push(member),
                }
            }
        }
        union.sort_by_key(|member| *member == Self::Builtin("None"));
        if union.len() == 1 { union.remove(0) } else { Self::Union(union) }
    }

    /// Returns the annotation of a value of JSON that is always the same.
    pub(super) fn constant(value: &Value) -> Self {
        Self::Literal(vec![match value {
            Value::String(text) => string(text),
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            other => other.to_string(),
        }])
    }

    /// Returns whether every named type in it is defined.
    pub(super) fn is_defined(&self, defined: &HashSet<String>) -> bool {
        match self {
            Self::Builtin(_) | Self::Literal(_) => true,
            Self::Name(name) => defined.contains(name),
            Self::List(of) | Self::Dict(of) => of.is_defined(defined),
            Self::Union(of) => of.iter().all(|member| member.is_defined(defined)),
        }
    }

    /// Returns the text where Python evaluates it. Names that are not defined yet are quoted, and a quoted name has no `|`.
    pub(super) fn evaluated(&self, defined: &HashSet<String>) -> String {
        if self.is_defined(defined) {
            return self.to_string();
        }
        match self {
            Self::Builtin(_) | Self::Literal(_) => self.to_string(),
            Self::Name(name) => format!("\"{name}\""),
            Self::List(of) => format!("list[{}]", of.evaluated(defined)),
            Self::Dict(of) => format!("dict[str, {}]", of.evaluated(defined)),
            Self::Union(of) => {
                let members: Vec<String> = of.iter().map(|member| member.evaluated(defined)).collect();
                format!("Union[{}]", members.join(", "))
            }
        }
    }
}

impl std::fmt::Display for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin(name) => f.write_str(name),
            Self::Name(name) => f.write_str(name),
            Self::Literal(values) => write!(f, "Literal[{}]", values.join(", ")),
            Self::List(of) => write!(f, "list[{of}]"),
            Self::Dict(of) => write!(f, "dict[str, {of}]"),
            Self::Union(of) => {
                for (at, member) in of.iter().enumerate() {
                    write!(f, "{}{member}", if at == 0 { "" } else { " | " })?;
                }
                Ok(())
            }
        }
    }
}

/// Returns whether the annotation of a shape says less than the shape: the length of a list, and its items one by one.
pub(super) fn loses(shape: &Shape) -> bool {
    match shape {
        Shape::Tuple(_) | Shape::Array(_, Some(_)) => true,
        Shape::Array(of, None) | Shape::Map(of, _) => loses(of),
        Shape::Union(of) => of.iter().any(loses),
        _ => false,
    }
}
