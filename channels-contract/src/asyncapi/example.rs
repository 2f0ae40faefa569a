//! A value of a shape, as an example.

use serde_json::{Map, Value, json};

use crate::shape::{Object, Range, SIGNED, Shape, Text, UNSIGNED};
use crate::types::Types;

/// The largest number of items in a list of an example.
const LONGEST: usize = 64;

/// The largest number of values of named types in an example. Types that name each other would fill pages.
const MOST: usize = 200;

/// Returns a value that fits a shape. Returns `None` for a type that contains itself without an end, for a list that is too long,
/// for a value with too many parts, and for a text with an unknown pattern.
pub(super) fn example(shape: &Shape, types: &Types) -> Option<Value> {
    Examples { types, open: Vec::new(), left: MOST }.of(shape)
}

struct Examples<'a> {
    types: &'a Types,
    /// The named types around the value.
    open: Vec<&'a str>,
    /// The number of values of named types that may follow.
    left: usize,
}

impl<'a> Examples<'a> {
    fn of(&mut self, shape: &'a Shape) -> Option<Value> {
        Some(match shape {
            Shape::Any => json!({}),
            Shape::Null => Value::Null,
            Shape::Bool => true.into(),
            Shape::Integer(range) => integer(*range),
            Shape::Number => json!(0.5),
            Shape::Text(text) => self::text(text)?.into(),
            Shape::Constant(value) => value.clone(),
            Shape::Array(of, bounds) => {
                let (least, most) = bounds.unwrap_or((0, u64::MAX));
                let length = usize::try_from(least.max(1).min(most)).ok().filter(|length| *length <= LONGEST)?;
                match self.of(of) {
                    Some(item) => vec![item; length].into(),
                    None if least == 0 => json!([]),
                    None => return None,
                }
            }
            Shape::Tuple(of) => of.iter().map(|item| self.of(item)).collect::<Option<Vec<_>>>()?.into(),
            // The key is a number, too.
            Shape::Map(of, keys) => {
                match self.of(of).filter(|_| matches!(keys.as_deref(), None | Some(UNSIGNED | SIGNED))) {
                    Some(value) => json!({ "1": value }),
                    None => json!({}),
                }
            }
            Shape::Object(Object { fields, .. }) => {
                let mut object = Map::new();
                for (name, field) in fields {
                    match self.of(&field.shape) {
                        Some(value) => drop(object.insert(name.clone(), value)),
                        None if field.required => return None,
                        None => {}
                    }
                }
                object.into()
            }
            Shape::Union(of) => of.iter().find_map(|member| self.of(member))?,
            Shape::Named(name) => {
                if self.open.contains(&name.as_str()) {
                    return None;
                }
                self.left = self.left.checked_sub(1)?;
                self.open.push(name);
                let value = self.types.by_name.get(name).and_then(|ty| self.of(&ty.shape));
                self.open.pop();
                value?
            }
        })
    }
}

fn integer(Range { least, most }: Range) -> Value {
    let number = 1.clamp(least, most);
    i64::try_from(number).map_or_else(|_| u64::try_from(number).unwrap_or_default().into(), Value::from)
}

fn text(text: &Text) -> Option<&'static str> {
    if text.pattern.is_some() {
        return None;
    }
    Some(match text.format.as_deref() {
        None => "text",
        Some("char") => "a",
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("time" | "partial-time") => "12:00:00Z",
        Some("duration") => "PT1S",
        Some("email") => "ann@example.org",
        Some("hostname") => "example.org",
        Some("ip" | "ipv4") => "127.0.0.1",
        Some("ipv6") => "::1",
        Some("uri" | "uri-reference") => "https://example.org/",
        Some("uuid") => "67e55044-10b1-426f-9247-bb680e5fe0c8",
        Some(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_name_each_other_have_a_short_example() {
        let mut types = Types::default();
        for at in 0..20 {
            let fields: Vec<String> = (0..20).map(|of| format!("\"f{of}\": [T{of}]")).collect();
            let shape = Shape::read(&format!("{{{}}}", fields.join(", "))).unwrap();
            types.by_name.insert(format!("T{at}"), shape.into());
        }
        let example = example(&Shape::Named("T0".into()), &types).unwrap();
        assert!(example.to_string().len() < 100_000, "{}", example.to_string().len());
    }
}
