//! The JSON Schema of a shape, in draft 07, which AsyncAPI reads.

use serde_json::{Map, Value, json};

use super::document::reference;
use crate::shape::{Field, Object, Range, Rest, Shape, Text, integer_of};

/// The largest integer that JavaScript reads exactly.
const EXACT: i128 = (1 << 53) - 1;

/// Returns the schema of a shape.
pub(crate) fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Null => json!({ "type": "null" }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(range) => integer(*range),
        Shape::Number => json!({ "type": "number" }),
        Shape::Text(text) => string(text),
        Shape::Constant(value) => json!({ "const": value }),
        Shape::Array(of, bounds) => {
            let mut schema = json!({ "type": "array", "items": schema(of) });
            if let Some((least, most)) = *bounds {
                schema["minItems"] = least.into();
                if most != u64::MAX {
                    schema["maxItems"] = most.into();
                }
            }
            schema
        }
        Shape::Tuple(of) if of.is_empty() => json!({ "type": "array", "maxItems": 0 }),
        Shape::Tuple(of) => json!({
            "type": "array",
            "items": of.iter().map(schema).collect::<Vec<_>>(),
            "additionalItems": false,
            "minItems": of.len(),
            "maxItems": of.len(),
        }),
        Shape::Map(of, None) => json!({ "type": "object", "additionalProperties": schema(of) }),
        Shape::Map(of, Some(keys)) => json!({
            "type": "object",
            "patternProperties": { keys.as_str(): schema(of) },
            "additionalProperties": false,
        }),
        Shape::Object(of) => object(of),
        Shape::Union(of) => union(of),
        Shape::Named(name) => json!({ "$ref": reference("schemas", name) }),
    }
}

fn integer(range: Range) -> Value {
    let mut schema = json!({ "type": "integer" });
    if let Some(name) = range.name() {
        schema["format"] = name.replacen('i', "int", 1).replacen('u', "uint", 1).into();
    }
    // A reader in JavaScript would read a larger bound as another one.
    for (key, bound) in [("minimum", range.least), ("maximum", range.most)] {
        if bound.abs() <= EXACT {
            schema[key] = i64::try_from(bound).unwrap_or_default().into();
        }
    }
    schema
}

fn string(text: &Text) -> Value {
    let mut schema = json!({ "type": "string" });
    match text.format.as_deref() {
        Some("char") => {
            schema["minLength"] = 1.into();
            schema["maxLength"] = 1.into();
        }
        Some(format) => schema["format"] = format.into(),
        None => {}
    }
    if let Some(pattern) = &text.pattern {
        schema["pattern"] = pattern.as_str().into();
    }
    schema
}

fn object(Object { fields, rest }: &Object) -> Value {
    let properties = fields.iter().map(|(name, Field { shape, docs, .. })| {
        let schema = schema(shape);
        (name.clone(), docs.as_ref().map_or(schema.clone(), |docs| described(schema, docs)))
    });
    let properties: Map<String, Value> = properties.collect();
    let required: Vec<&str> =
        fields.iter().filter(|(_, field)| field.required).map(|(name, _)| name.as_str()).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    match rest {
        Rest::Ignored => {}
        Rest::Denied => schema["additionalProperties"] = false.into(),
        Rest::Each(of) => schema["additionalProperties"] = self::schema(of),
    }
    schema
}

fn union(members: &[Shape]) -> Value {
    let constants: Vec<&Value> = members
        .iter()
        .filter_map(|member| match member {
            Shape::Constant(value) => Some(value),
            _ => None,
        })
        .collect();
    let others = members.iter().filter(|member| !matches!(member, Shape::Constant(_)));
    let mut choices: Vec<Value> = match constants[..] {
        [] => Vec::new(),
        [value] => vec![json!({ "const": value })],
        _ if constants.iter().all(|value| value.is_string()) => vec![json!({ "type": "string", "enum": constants })],
        _ if constants.iter().all(|value| integer_of(value).is_some()) => {
            vec![json!({ "type": "integer", "enum": constants })]
        }
        _ => vec![json!({ "enum": constants })],
    };
    choices.extend(others.map(schema));
    match choices.len() {
        1 => choices.remove(0),
        _ => json!({ "anyOf": choices }),
    }
}

/// Adds documentation. Draft 07 ignores keywords beside a `$ref`, so the reference moves into an `allOf`.
pub(super) fn described(mut schema: Value, docs: &str) -> Value {
    if schema.get("$ref").is_some() {
        schema = json!({ "allOf": [schema] });
    }
    let mut described = Map::new();
    described.insert("description".into(), docs.into());
    if let Value::Object(rest) = schema {
        described.extend(rest);
    }
    Value::Object(described)
}
