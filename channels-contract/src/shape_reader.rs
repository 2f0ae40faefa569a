//! Reads the text of a shape, as it stands in the lock file.

use serde_json::Value;

use crate::shape::{Field, Object, Range, Rest, Shape, Text};

impl Shape {
    /// Reads the text of a shape.
    ///
    /// # Errors
    /// The text is not that of a shape. The sentence says where.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (shape, rest) = Self::read_first(text)?;
        if rest.is_empty() { Ok(shape) } else { Err(Reader { rest, depth: 0 }.expected("the end")) }
    }

    /// Reads the text of a shape, and returns what follows it.
    ///
    /// # Errors
    /// The text does not begin with a shape. The sentence says where.
    pub(crate) fn read_first(text: &str) -> Result<(Self, &str), String> {
        let mut reader = Reader { rest: text, depth: 0 };
        Ok((reader.shape()?, reader.rest))
    }
}

/// The deepest shape that is read. A deeper one would fill the stack.
const DEEPEST: u32 = 128;

struct Reader<'a> {
    rest: &'a str,
    /// The number of shapes around the next one.
    depth: u32,
}

impl<'a> Reader<'a> {
    fn expected(&self, what: &str) -> String {
        match self.rest {
            "" => format!("expected {what} at the end"),
            rest => format!("expected {what} at `{}`", rest.chars().take(20).collect::<String>()),
        }
    }

    /// Skips the token if it is next.
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn need(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.expected(&format!("`{token}`"))) }
    }

    fn shape(&mut self) -> Result<Shape, String> {
        if self.depth == DEEPEST {
            return Err(self.expected(&format!("at most {DEEPEST} types in each other")));
        }
        self.depth += 1;
        let mut members = vec![self.member()?];
        while self.take(" | ") {
            members.push(self.member()?);
        }
        self.depth -= 1;
        Ok(if members.len() == 1 { members.remove(0) } else { Shape::Union(members) })
    }

    fn member(&mut self) -> Result<Shape, String> {
        if self.take("[") {
            let of = Box::new(self.shape()?);
            let length = if self.take("; ") {
                let least = self.length()?;
                Some((least, if self.take("..=") { self.length()? } else { least }))
            } else {
                None
            };
            self.need("]")?;
            return Ok(Shape::Array(of, length));
        }
        if self.take("(") {
            let mut of = Vec::new();
            while !self.take(")") {
                if !of.is_empty() {
                    self.need(", ")?;
                }
                of.push(self.shape()?);
            }
            return Ok(Shape::Tuple(of));
        }
        if self.take("{[string") {
            let keys = if self.take("~") { Some(self.string()?) } else { None };
            self.need("]: ")?;
            let of = Box::new(self.shape()?);
            self.need("}")?;
            return Ok(Shape::Map(of, keys));
        }
        if self.take("{") {
            return Ok(Shape::Object(self.object()?));
        }
        if self.rest.starts_with('"') {
            return Ok(Shape::Constant(self.string()?.into()));
        }
        if self.rest.starts_with(|next: char| next == '-' || next.is_ascii_digit()) {
            let least = self.integer()?;
            if self.take("..=") {
                return Ok(Shape::Integer(Range { least, most: self.integer()? }));
            }
            let number = i64::try_from(least).map(Value::from).or_else(|_| u64::try_from(least).map(Value::from));
            return number.map(Shape::Constant).map_err(|_| self.expected("a smaller number"));
        }
        self.word()
    }

    fn word(&mut self) -> Result<Shape, String> {
        let end = self.rest.find(|next: char| !(next.is_alphanumeric() || next == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(self.expected("a type"));
        }
        self.rest = rest;
        Ok(match word {
            "any" => Shape::Any,
            "null" => Shape::Null,
            "bool" => Shape::Bool,
            "number" => Shape::Number,
            "true" => Shape::Constant(true.into()),
            "false" => Shape::Constant(false.into()),
            "string" => {
                let mut text = Text::default();
                if self.take("(") {
                    text.format = Some(self.string()?);
                    self.need(")")?;
                }
                if self.take("~") {
                    text.pattern = Some(self.string()?);
                }
                Shape::Text(text)
            }
            word => Range::of(word).map_or_else(|| Shape::Named(word.to_owned()), Shape::Integer),
        })
    }

    fn object(&mut self) -> Result<Object, String> {
        let mut object = Object::default();
        let mut first = true;
        while !self.take("}") {
            if !std::mem::take(&mut first) {
                self.need(", ")?;
            }
            if self.take("..: none") {
                object.rest = Rest::Denied;
            } else if self.take("..: ") {
                object.rest = Rest::Each(Box::new(self.shape()?));
            } else {
                let name = self.string()?;
                let required = !self.take("?");
                self.need(": ")?;
                object.fields.insert(name, Field { shape: self.shape()?, required, docs: None });
            }
        }
        Ok(object)
    }

    /// Reads a JSON string.
    fn string(&mut self) -> Result<String, String> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        match values.next() {
            Some(Ok(text)) => {
                self.rest = &self.rest[values.byte_offset()..];
                Ok(text)
            }
            _ => Err(self.expected("a string")),
        }
    }

    fn digits(&mut self) -> &'a str {
        let sign = usize::from(self.rest.starts_with('-'));
        let end = self.rest[sign..].find(|next: char| !next.is_ascii_digit()).map_or(self.rest.len(), |end| end + sign);
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }

    fn integer(&mut self) -> Result<i128, String> {
        self.digits().parse().map_err(|_| self.expected("an integer"))
    }

    fn length(&mut self) -> Result<u64, String> {
        self.digits().parse().map_err(|_| self.expected("a length"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shapes() -> impl Strategy<Value = Shape> {
        let leaf = prop_oneof![
            Just(Shape::Any),
            Just(Shape::Null),
            Just(Shape::Bool),
            Just(Shape::Number),
            (any::<i64>(), any::<u64>())
                .prop_map(|(least, most)| { Shape::Integer(Range { least: least.into(), most: most.into() }) }),
            Just(Shape::Integer(Range { least: 0, most: 255 })),
            any::<i64>().prop_map(|number| Shape::Constant(number.into())),
            any::<String>().prop_map(|text| Shape::Constant(text.into())),
            any::<bool>().prop_map(|flag| Shape::Constant(flag.into())),
            (any::<Option<String>>(), any::<Option<String>>())
                .prop_map(|(format, pattern)| Shape::Text(Text { format, pattern })),
            "[A-Z][A-Za-z0-9_]{0,8}".prop_map(Shape::Named),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let rest = prop_oneof![
                Just(Rest::Ignored),
                Just(Rest::Denied),
                inner.clone().prop_map(|shape| Rest::Each(Box::new(shape)))
            ];
            let field =
                (inner.clone(), any::<bool>()).prop_map(|(shape, required)| Field { shape, required, docs: None });
            prop_oneof![
                (inner.clone(), any::<Option<(u64, u64)>>())
                    .prop_map(|(shape, length)| Shape::Array(Box::new(shape), length)),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Shape::Tuple),
                (inner.clone(), any::<Option<String>>()).prop_map(|(shape, keys)| Shape::Map(Box::new(shape), keys)),
                (prop::collection::vec((any::<String>(), field), 0..4), rest).prop_map(|(fields, rest)| {
                    Shape::Object(Object { fields: fields.into_iter().collect(), rest })
                }),
                prop::collection::vec(inner, 2..4).prop_map(Shape::union),
            ]
        })
    }

    #[test]
    fn text_that_would_fill_the_stack_is_refused() {
        for open in ["[", "(", "{[string]: ", "{\"a\": "] {
            let error = Shape::read(&open.repeat(200_000)).unwrap_err();
            assert!(error.starts_with("expected at most 128 types in each other at"), "{error}");
        }
        let deep = format!("{}u8{}", "[".repeat(127), "]".repeat(127));
        assert_eq!(Shape::read(&deep).unwrap().to_string(), deep);
    }

    proptest! {
        #[test]
        fn the_text_of_a_shape_is_read_back(shape in shapes()) {
            let text = shape.to_string();
            prop_assert_eq!(Shape::read(&text), Ok(shape), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Shape::read(&text);
        }
    }
}
