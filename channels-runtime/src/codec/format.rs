//! The serialisation formats of the layer.

use bytes::Bytes;
use serde::Serialize;

use crate::error::EncodeError;
use crate::support::with_buffer;

/// How the fields are written: the `serializer_format` of channels_redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// msgpack, the default of channels_redis.
    #[default]
    Msgpack,
    /// JSON.
    Json,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Msgpack => "msgpack",
            Self::Json => "json",
        }
    }

    pub(crate) fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes, EncodeError> {
        with_buffer(|body| {
            match self {
                // Structs as maps and readable forms (a UUID as a string), so that both formats have one shape and Python
                // can read it.
                Self::Msgpack => value
                    .serialize(&mut rmp_serde::Serializer::new(&mut *body).with_struct_map().with_human_readable())
                    .map_err(EncodeError::new)?,
                Self::Json => serde_json::to_writer(&mut *body, value).map_err(EncodeError::new)?,
            }
            Ok(Bytes::copy_from_slice(body))
        })
    }
}
