//! The recipients of a message. The core layer of channels_redis adds a field for them, because all channels of a process share
//! one queue.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::codec::key::KeySeed;
use crate::codec::tagged::StringOrNothing;

/// Reads a whole map and returns the values of two fields: the tag, as in [`FindTag`](crate::codec::find_tag::FindTag), and the
/// recipients.
#[derive(Clone, Copy)]
pub(crate) struct FindRecipients {
    pub(crate) tag: &'static str,
    pub(crate) to: &'static str,
}

/// The result of [`FindRecipients`]. The strings are borrowed from the message if possible.
pub(crate) struct Recipients<'de> {
    pub(crate) tag: Option<String>,
    /// The field may be one string or a list of strings. Empty if the field is absent.
    pub(crate) to: Vec<Cow<'de, str>>,
}

impl Recipients<'_> {
    pub(crate) fn into_owned(self) -> Recipients<'static> {
        Recipients { tag: self.tag, to: self.to.into_iter().map(|name| Cow::Owned(name.into_owned())).collect() }
    }
}

impl<'de> DeserializeSeed<'de> for FindRecipients {
    type Value = Recipients<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Recipients<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FindRecipients {
    type Value = Recipients<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the field `{}`", self.tag)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Recipients<'de>, A::Error> {
        let (mut tag, mut to) = (None, None);
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            if key.as_str() == self.tag {
                if tag.replace(entries.next_value_seed(StringOrNothing(PhantomData))?).is_some() {
                    return Err(A::Error::duplicate_field(self.tag));
                }
            } else if key.as_str() == self.to {
                if to.replace(entries.next_value_seed(StringOrStrings)?).is_some() {
                    return Err(A::Error::duplicate_field(self.to));
                }
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Recipients { tag: tag.flatten(), to: to.unwrap_or_default() })
    }
}

struct StringOrStrings;

impl<'de> DeserializeSeed<'de> for StringOrStrings {
    type Value = Vec<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StringOrStrings {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a channel or a list of names")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Borrowed(name)])
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(name.into())])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = items.next_element_seed(NameSeed)? {
            names.push(name);
        }
        Ok(names)
    }
}

struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a channel")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.into()))
    }
}
