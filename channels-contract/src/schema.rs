//! Reads JSON Schemas of schemars into shapes.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::shape::{Field, Object, Range, Rest, Shape, Text, integer_of};

/// The key with which a type of `channels-runtime` says what it is for.
pub(crate) const ROLE: &str = "x-channels";

/// The key of a type without a schema, with its name.
pub(crate) const UNKNOWN: &str = "x-rust";

/// The definitions of a generator, by their names.
pub(crate) type Definitions = Map<String, Value>;

/// Reads a schema.
///
/// # Errors
/// The schema says something that a shape cannot. The sentence begins with the path of the field, if it is not the whole.
pub(crate) fn read(schema: &Value, definitions: &Definitions) -> Result<Shape, String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(Shape::Any),
        Value::Object(schema) => schema,
        _ => return Err("no value fits the type".into()),
    };
    if let Some(Value::String(name)) = schema.get(UNKNOWN) {
        return Err(format!("`{name}` has no schema: write `#[derive(JsonSchema)]` above it"));
    }
    if let Some(Value::String(reference)) = schema.get("$ref") {
        let name = definition_of(reference);
        let shape = Shape::Named(name.clone());
        return match of_keywords(schema, definitions)? {
            None => Ok(shape),
            // The variant of an internally tagged enum: the fields of its type, and the tag.
            Some(more) => both(resolved(&shape, definitions)?, more, definitions),
        };
    }
    Ok(of_keywords(schema, definitions)?.unwrap_or(Shape::Any))
}

/// Returns the name in `#/$defs/Say`.
fn definition_of(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~")
}

/// Returns the shape behind a name.
fn resolved(shape: &Shape, definitions: &Definitions) -> Result<Shape, String> {
    match shape {
        Shape::Named(name) => match definitions.get(name) {
            Some(schema) => resolved(&read(schema, definitions)?, definitions),
            None => Err(format!("`{name}` contains itself without an object in between")),
        },
        other => Ok(other.clone()),
    }
}

/// Returns the shape that the keywords of a schema describe, or `None` if it has only annotations.
fn of_keywords(schema: &Map<String, Value>, definitions: &Definitions) -> Result<Option<Shape>, String> {
    let mut shape = None;
    let mut and = |other: Shape| -> Result<(), String> {
        shape = Some(match shape.take() {
            None => other,
            Some(one) => both(one, other, definitions)?,
        });
        Ok(())
    };
    if let Some(value) = schema.get("const") {
        and(constant(value)?)?;
    } else if let Some(Value::Array(values)) = schema.get("enum") {
        let values: Result<Vec<_>, _> = values.iter().map(constant).collect();
        and(Shape::union(values?))?;
    } else if let Some(ty) = schema.get("type") {
        let names = match ty {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            other => Vec::from_iter(other.as_str()),
        };
        let shapes: Result<Vec<_>, _> = names.iter().map(|name| of_type(name, schema, definitions)).collect();
        and(Shape::union(shapes?))?;
    } else if schema.contains_key("properties") {
        and(of_type("object", schema, definitions)?)?;
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(Value::Array(choices)) = schema.get(choice) {
            let shapes: Result<Vec<_>, _> = choices.iter().map(|choice| read(choice, definitions)).collect();
            and(Shape::union(shapes?))?;
        }
    }
    if let Some(Value::Array(parts)) = schema.get("allOf") {
        for part in parts {
            and(read(part, definitions)?)?;
        }
    }
    Ok(shape)
}

fn constant(value: &Value) -> Result<Shape, String> {
    match value {
        Value::Null => Ok(Shape::Null),
        Value::Bool(_) | Value::String(_) => Ok(Shape::Constant(value.clone())),
        Value::Number(number) if !number.is_f64() => Ok(Shape::Constant(value.clone())),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("the constant {value} is not a string, an integer or a boolean"))
        }
    }
}

fn of_type(name: &str, schema: &Map<String, Value>, definitions: &Definitions) -> Result<Shape, String> {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let number = |key: &str| schema.get(key).and_then(integer_of);
    Ok(match name {
        "null" => Shape::Null,
        "boolean" => Shape::Bool,
        "number" => Shape::Number,
        "integer" => Shape::Integer(integer(text("format"), number("minimum"), number("maximum"))?),
        "string" => {
            let is_char = number("minLength") == Some(1) && number("maxLength") == Some(1);
            let format = text("format").map(str::to_owned).or_else(|| is_char.then(|| "char".to_owned()));
            Shape::Text(Text { format, pattern: text("pattern").map(str::to_owned) })
        }
        "array" => array(schema, definitions)?,
        "object" => object(schema, definitions)?,
        other => return Err(format!("`{other}` is not a type of JSON")),
    })
}

fn integer(format: Option<&str>, least: Option<i128>, most: Option<i128>) -> Result<Range, String> {
    let name = match format {
        Some("uint128" | "int128") => {
            let name = if format == Some("uint128") { "u128" } else { "i128" };
            return Err(format!("readers of JSON cannot hold `{name}`: send it as a string, or use `u64`"));
        }
        Some("uint") => "u64".to_owned(),
        Some("int") => "i64".to_owned(),
        Some(format) => format.replace("uint", "u").replace("int", "i"),
        None => "i64".to_owned(),
    };
    let Range { least: lowest, most: highest } =
        Range::of(&name).unwrap_or(Range { least: i64::MIN.into(), most: u64::MAX.into() });
    Ok(Range { least: least.unwrap_or(lowest).max(lowest), most: most.unwrap_or(highest).min(highest) })
}

fn array(schema: &Map<String, Value>, definitions: &Definitions) -> Result<Shape, String> {
    let length = |key: &str| schema.get(key).and_then(Value::as_u64);
    if let Some(Value::Array(items)) = schema.get("prefixItems") {
        let shapes: Result<Vec<_>, _> = items.iter().map(|item| read(item, definitions)).collect();
        return Ok(Shape::Tuple(shapes?));
    }
    let of = schema.get("items").map_or(Ok(Shape::Any), |items| read(items, definitions));
    let of = of.map_err(|error| inside("[]", &error))?;
    let bounds = (length("minItems").unwrap_or(0), length("maxItems").unwrap_or(u64::MAX));
    Ok(Shape::Array(Box::new(of), Some(bounds).filter(|bounds| *bounds != (0, u64::MAX))))
}

fn object(schema: &Map<String, Value>, definitions: &Definitions) -> Result<Shape, String> {
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut fields = IndexMap::new();
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, property) in properties {
            let shape = read(property, definitions).map_err(|error| inside(name, &error))?;
            let docs = property.get("description").and_then(Value::as_str).map(str::to_owned);
            let required = required.contains(&name.as_str());
            fields.insert(name.clone(), Field { shape, required, docs });
        }
    }
    let mut keys = None;
    let rest = match (schema.get("additionalProperties"), schema.get("patternProperties")) {
        (_, Some(Value::Object(patterns))) if !patterns.is_empty() => {
            keys = patterns.keys().next().filter(|_| patterns.len() == 1).cloned();
            let shapes: Result<Vec<_>, _> = patterns.values().map(|pattern| read(pattern, definitions)).collect();
            Rest::Each(Box::new(Shape::union(shapes?)))
        }
        (Some(Value::Bool(false)), _) => Rest::Denied,
        (None, _) => Rest::Ignored,
        (Some(each), _) => Rest::Each(Box::new(read(each, definitions).map_err(|error| inside("{}", &error))?)),
    };
    Ok(match rest {
        Rest::Each(of) if fields.is_empty() => Shape::Map(of, keys),
        rest => Shape::Object(Object { fields, rest }),
    })
}

/// Puts the name of a field before a sentence about its type.
fn inside(name: &str, error: &str) -> String {
    match error.strip_prefix('@') {
        Some(error) => format!("@{name}.{error}"),
        None => format!("@{name}: {error}"),
    }
}

/// Returns the shape of a value that fits both. At least one is an object, or a union of objects.
fn both(one: Shape, other: Shape, definitions: &Definitions) -> Result<Shape, String> {
    if one == Shape::Any || one == other {
        return Ok(other);
    }
    if other == Shape::Any {
        return Ok(one);
    }
    let (one, other) = (resolved(&one, definitions)?, resolved(&other, definitions)?);
    match (one, other) {
        (Shape::Union(members), other) | (other, Shape::Union(members)) => {
            let shapes: Result<Vec<_>, _> =
                members.into_iter().map(|member| both(member, other.clone(), definitions)).collect();
            Ok(Shape::union(shapes?))
        }
        (Shape::Object(mut one), Shape::Object(other)) => {
            for (name, field) in other.fields {
                match one.fields.get_mut(&name) {
                    None => {
                        one.fields.insert(name, field);
                    }
                    Some(known) => {
                        known.required |= field.required;
                        known.shape = both(known.shape.clone(), field.shape, definitions)?;
                    }
                }
            }
            if one.rest == Rest::Ignored {
                one.rest = other.rest;
            }
            Ok(Shape::Object(one))
        }
        (Shape::Object(mut object), Shape::Map(of, _)) | (Shape::Map(of, _), Shape::Object(mut object)) => {
            object.rest = Rest::Each(of);
            Ok(Shape::Object(object))
        }
        (one, other) => Err(format!("a value cannot be both `{one}` and `{other}`")),
    }
}
