//! Numbers in settings. They can be text, because settings often come from environment variables.

use serde_json::Value;

/// Reads a whole number, or text with one, as Python's `int`.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// Reads a number, or text with one, as Python's `float`.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}
