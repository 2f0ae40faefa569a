//! A section of the settings: a JSON object with known keys.

use serde_json::{Map, Value};

use crate::layer::settings::config_error::ConfigError;

/// An object of the settings, and its place for error messages. Reading an entry removes it.
pub(super) struct Section<'a> {
    alias: &'a str,
    path: String,
    entries: Map<String, Value>,
}

impl<'a> Section<'a> {
    /// Reads an object whose keys are all in `legal`.
    pub(super) fn new(
        alias: &'a str,
        path: String,
        value: Value,
        legal: &'static [&'static str],
    ) -> Result<Self, ConfigError> {
        let this = Self::open(alias, path, value)?;
        match this.entries.keys().find(|key| !legal.contains(&key.as_str())) {
            Some(key) => Err(this.wrong(key, format!("unknown key; legal are {}", legal.join(", ")))),
            None => Ok(this),
        }
    }

    /// Reads an object with any keys. Each key must be taken.
    pub(super) fn open(alias: &'a str, path: String, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Object(entries) => Ok(Self { alias, path, entries }),
            other => Err(ConfigError::setting(alias, path, format!("{} is not an object", shown(&other)))),
        }
    }

    pub(super) fn alias(&self) -> &'a str {
        self.alias
    }

    /// Returns the place of an entry in the layer's settings.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}[\"{key}\"]", self.path)
    }

    /// Makes the error of an entry.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::setting(self.alias, self.path_of(key), problem)
    }

    #[cfg(feature = "redis")]
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| !value.is_null())
    }

    #[cfg(feature = "redis")]
    pub(super) fn is_false(&self, key: &str) -> bool {
        self.entries.get(key) == Some(&Value::Bool(false))
    }

    /// Removes all entries and returns them.
    #[cfg(feature = "redis")]
    pub(super) fn take_all(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.entries)
    }

    /// Removes an entry and returns its value.
    pub(super) fn take_value(&mut self, key: &str) -> Option<Value> {
        self.entries.remove(key)
    }

    /// Removes an entry and reads its value. `wanted` describes the valid values. `null` means no value, like `None` in Python.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.take_value(key).filter(|value| !value.is_null()) else { return Ok(None) };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            // Without the value, which may be a misplaced password.
            None => Err(self.wrong(key, format!("{} is not {wanted}", shown(&value)))),
        }
    }

    /// Removes an entry and reads its string.
    pub(super) fn string(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        self.take(key, "a string", |value| value.as_str().map(String::from))
    }
}

/// Describes a value in an error message. Only numbers and booleans are quoted, because the others may hold a secret.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(_) => "this string".into(),
        Value::Array(_) => "this list".into(),
        Value::Object(_) => "this object".into(),
        plain => plain.to_string(),
    }
}
