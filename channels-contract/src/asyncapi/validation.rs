//! Whether a value fits a schema, for the keywords that we write.

use serde_json::Value;

/// Returns the place of the first value that does not fit. `whole` is the document.
///
/// # Panics
/// The schema has a keyword that is not known here, or a reference to nothing.
pub(crate) fn misfit(value: &Value, schema: &Value, whole: &Value, place: &str) -> Option<String> {
    let is_of = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("`{other}` is not a type of JSON"),
    };
    let length = || match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Array(items) => items.len() as u64,
        _ => panic!("the type stands before the length"),
    };
    let fits = |schema: &Value| misfit(value, schema, whole, place).is_none();
    for (keyword, given) in schema.as_object().expect("a schema is an object") {
        let is_fit = match keyword.as_str() {
            "$ref" => {
                let pointer = given.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = whole.pointer(pointer).unwrap_or_else(|| panic!("`{given}` is not in the document"));
                return misfit(value, schema, whole, place);
            }
            "const" => value == given,
            "enum" => given.as_array().unwrap().contains(value),
            "type" => match given {
                Value::Array(names) => names.iter().any(|name| is_of(name.as_str().unwrap())),
                name => is_of(name.as_str().unwrap()),
            },
            "minimum" => value.as_f64() >= given.as_f64(),
            "maximum" => value.as_f64() <= given.as_f64(),
            "minLength" | "minItems" => length() >= given.as_u64().unwrap(),
            "maxLength" | "maxItems" => length() <= given.as_u64().unwrap(),
            "anyOf" => given.as_array().unwrap().iter().any(fits),
            "allOf" => given.as_array().unwrap().iter().all(fits),
            "required" => given.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, schema) in given.as_object().unwrap() {
                    let inner =
                        value.get(name).and_then(|value| misfit(value, schema, whole, &format!("{place}.{name}")));
                    if inner.is_some() {
                        return inner;
                    }
                }
                true
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    let schema = match given {
                        Value::Array(schemas) => schemas.get(at),
                        schema => Some(schema),
                    };
                    let inner = schema.and_then(|schema| misfit(item, schema, whole, &format!("{place}.{at}")));
                    if inner.is_some() {
                        return inner;
                    }
                }
                true
            }
            "additionalItems" => value.as_array().unwrap().len() <= schema["items"].as_array().unwrap().len(),
            "additionalProperties" => {
                let known = &schema["properties"];
                let mut more = value.as_object().into_iter().flatten().filter(|(name, _)| known.get(name).is_none());
                match given {
                    Value::Bool(false) => more.next().is_none(),
                    given => more.all(|(_, value)| misfit(value, given, whole, place).is_none()),
                }
            }
            "description" | "format" | "pattern" => true,
            other => panic!("`{other}` is not a keyword that we write"),
        };
        if !is_fit {
            return Some(format!("{place}: {value} and `{keyword}`: {given}"));
        }
    }
    None
}
