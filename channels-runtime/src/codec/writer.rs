//! The encoding of values in the two formats of channels_redis.
//!
//! Both formats hold the same values: those that Python's readers accept. A map's keys are strings, and integers have 64 bits.

use std::fmt;
use std::ops::Range;

use crate::codec::format::Format;
use crate::codec::reserved::{TO, TYPE};
use crate::error::EncodeError;

/// The maximum nesting depth of a message, as in serde_json. Receivers refuse a deeper message, which could overflow the stack.
pub(super) const MAX_DEPTH: usize = 127;

/// Appends encoded values to a body.
pub(super) struct Writer<'a> {
    format: Format,
    body: &'a mut Vec<u8>,
    /// The number of open lists and maps.
    depth: usize,
}

/// A list or a map whose end is not written yet.
pub(super) struct Container {
    kind: Kind,
    /// The position of the header.
    start: usize,
    /// The length in the header.
    declared: usize,
    /// The number of items so far.
    items: usize,
    /// The position of the last key's text.
    key: Range<usize>,
    /// The positions of all keys, if two may be equal.
    keys: Option<Vec<Range<usize>>>,
    /// The map is the event itself, and its `type` is written.
    has_type: Option<bool>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    List,
    Map,
}

impl<'a> Writer<'a> {
    pub(super) fn new(format: Format, body: &'a mut Vec<u8>) -> Self {
        Self { format, body, depth: 0 }
    }

    pub(super) fn null(&mut self) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_nil(self.body).map_err(WriteError::new),
            Format::Json => self.text("null"),
        }
    }

    pub(super) fn bool(&mut self, value: bool) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_bool(self.body, value).map_err(WriteError::new),
            Format::Json => self.text(if value { "true" } else { "false" }),
        }
    }

    pub(super) fn signed(&mut self, value: i64) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_sint(self.body, value).map(drop).map_err(WriteError::new),
            Format::Json => serde_json::to_writer(&mut *self.body, &value).map_err(WriteError::new),
        }
    }

    pub(super) fn unsigned(&mut self, value: u64) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_uint(self.body, value).map(drop).map_err(WriteError::new),
            Format::Json => serde_json::to_writer(&mut *self.body, &value).map_err(WriteError::new),
        }
    }

    pub(super) fn single(&mut self, value: f32) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_f32(self.body, value).map_err(WriteError::new),
            // The shortest decimal of an `f32` is another number for Python, which has only `f64`.
            Format::Json => self.float(value.into()),
        }
    }

    pub(super) fn float(&mut self, value: f64) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_f64(self.body, value).map_err(WriteError::new),
            // As Python's `json` writes them. JSON has no literals for these values, and serde_json writes `null`.
            Format::Json if value.is_nan() => self.text("NaN"),
            Format::Json if value.is_infinite() => self.text(if value > 0.0 { "Infinity" } else { "-Infinity" }),
            Format::Json => serde_json::to_writer(&mut *self.body, &value).map_err(WriteError::new),
        }
    }

    pub(super) fn string(&mut self, value: &str) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_str(self.body, value).map_err(WriteError::new),
            Format::Json => serde_json::to_writer(&mut *self.body, value).map_err(WriteError::new),
        }
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> Result<(), WriteError> {
        match self.format {
            Format::Msgpack => rmp::encode::write_bin(self.body, value).map_err(WriteError::new),
            Format::Json => Err(WriteError::new("JSON has no byte strings; send text, such as base64")),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        self.body.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Begins a list or a map. The `length` is `None` if it is unknown.
    pub(super) fn begin(&mut self, kind: Kind, length: Option<usize>) -> Result<Container, WriteError> {
        if self.depth == MAX_DEPTH {
            return Err(WriteError::new(format_args!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        let (start, declared) = (self.body.len(), length.unwrap_or(0));
        write_header(self.format, kind, declared, self.body)?;
        let has_type = (self.depth == 0 && kind == Kind::Map).then_some(false);
        // A derived `Serialize` with `#[serde(flatten)]` does not know its length, and may write a key twice.
        let keys = (kind == Kind::Map && length.is_none()).then(Vec::new);
        self.depth += 1;
        Ok(Container { kind, start, declared, items: 0, key: 0..0, keys, has_type })
    }

    /// Begins the next item of a list.
    pub(super) fn item(&mut self, list: &mut Container) {
        if list.items > 0 && self.format == Format::Json {
            self.body.push(b',');
        }
        list.items += 1;
    }

    /// Writes the next key of a map.
    pub(super) fn key(&mut self, map: &mut Container, key: &str) -> Result<(), WriteError> {
        if let Some(has_type) = &mut map.has_type
            && (key == TO || key == TYPE && std::mem::replace(has_type, true))
        {
            return Err(WriteError::new(format_args!("the layer writes `{key}` itself; rename the field")).within(key));
        }
        self.item(map);
        let start = self.body.len();
        self.string(key)?;
        let end = self.body.len();
        map.key = match self.format {
            Format::Msgpack => end - key.len()..end,
            Format::Json => {
                self.body.push(b':');
                // Without the quotes. Escapes stay: equal keys have equal escapes.
                start + 1..end - 1
            }
        };
        if let Some(keys) = &mut map.keys {
            keys.push(map.key.clone());
        }
        Ok(())
    }

    /// Ends a list or a map.
    pub(super) fn end(&mut self, container: Container) -> Result<(), WriteError> {
        self.depth -= 1;
        if let Some(keys) = container.keys {
            self.check_distinct(keys)?;
        }
        match (self.format, container.kind) {
            (Format::Json, Kind::List) => self.body.push(b']'),
            (Format::Json, Kind::Map) => self.body.push(b'}'),
            (Format::Msgpack, _) if container.items == container.declared => {}
            (Format::Msgpack, kind) => {
                let (mut wrong, mut right) = (Vec::new(), Vec::new());
                write_header(self.format, kind, container.declared, &mut wrong)?;
                write_header(self.format, kind, container.items, &mut right)?;
                self.body.splice(container.start..container.start + wrong.len(), right);
            }
        }
        Ok(())
    }

    fn check_distinct(&self, mut keys: Vec<Range<usize>>) -> Result<(), WriteError> {
        let text = |key: &Range<usize>| &self.body[key.clone()];
        keys.sort_unstable_by(|a, b| text(a).cmp(text(b)));
        match keys.windows(2).find(|pair| text(&pair[0]) == text(&pair[1])) {
            None => Ok(()),
            Some(pair) => {
                let error =
                    WriteError::new("the field occurs twice, once through `#[serde(flatten)]`; rename one of them");
                Err(error.within(&self.text_of(&pair[0])))
            }
        }
    }

    fn text_of(&self, key: &Range<usize>) -> String {
        String::from_utf8_lossy(&self.body[key.clone()]).into_owned()
    }

    /// Returns the error with the position of its value: the last item or key of a container.
    #[cold]
    pub(super) fn locate(&self, container: &Container, error: WriteError) -> WriteError {
        match container.kind {
            Kind::List => error.within(&format!("[{}]", container.items.saturating_sub(1))),
            Kind::Map => error.within(&self.text_of(&container.key)),
        }
    }
}

fn write_header(format: Format, kind: Kind, length: usize, body: &mut Vec<u8>) -> Result<(), WriteError> {
    match format {
        Format::Json => body.push(if kind == Kind::List { b'[' } else { b'{' }),
        Format::Msgpack => {
            let length = u32::try_from(length).map_err(WriteError::new)?;
            match kind {
                Kind::List => rmp::encode::write_array_len(body, length).map_err(WriteError::new)?,
                Kind::Map => rmp::encode::write_map_len(body, length).map_err(WriteError::new)?,
            };
        }
    }
    Ok(())
}

/// The longest key in the path of an error, in bytes. A client may have written the key.
const MAX_KEY: usize = 64;

/// The longest path of an error, in bytes.
const MAX_PATH: usize = 256;

/// The reason why a value cannot be written.
#[derive(Debug)]
pub(super) struct WriteError {
    path: String,
    reason: String,
}

impl WriteError {
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self { path: String::new(), reason: reason.to_string() }
    }

    /// Returns the error with the name of a field, or the index of an item, that contains the position so far.
    pub(super) fn within(mut self, part: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path.insert_str(0, dot);
        self.path.insert_str(0, &part[..boundary(part, MAX_KEY)]);
        if self.path.len() > MAX_PATH {
            self.path.truncate(boundary(&self.path, MAX_PATH));
            self.path.push_str("..");
        }
        self
    }
}

/// Returns the position of the last character's end within the first bytes of a text.
fn boundary(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rfind(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

impl From<WriteError> for EncodeError {
    fn from(error: WriteError) -> Self {
        Self::at(error.path, error.reason)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for WriteError {}

impl serde::ser::Error for WriteError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason)
    }
}
