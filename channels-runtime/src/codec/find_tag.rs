//! The tag of a message from another process: the name of its event.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::codec::key::KeySeed;
use crate::codec::tagged::StringOrNothing;

/// Reads a whole map and returns the value of its tag, if the tag is a string.
///
/// The map is read to its end, to detect an error after the tag.
pub(crate) struct FindTag(pub(crate) &'static str);

impl<'de> DeserializeSeed<'de> for FindTag {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FindTag {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the field `{}`", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<String>, A::Error> {
        let mut found = None;
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            if key.as_str() != self.0 {
                entries.next_value::<IgnoredAny>()?;
            } else if found.replace(entries.next_value_seed(StringOrNothing(PhantomData))?).is_some() {
                // Each reader would choose one of the two.
                return Err(A::Error::duplicate_field(self.0));
            }
        }
        Ok(found.flatten())
    }
}
