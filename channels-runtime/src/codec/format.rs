//! The serialisation formats of the channel layer.

use bytes::Bytes;
use serde::Serialize;

use crate::error::EncodeError;
use crate::support::with_buffer;

/// The format of messages in the channel layer: the `serializer_format` of channels_redis.
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
                // Structs are maps, and values have their readable form (a UUID is a string). So both formats have the same
                // shape, and Python can read both.
                Self::Msgpack => value
                    .serialize(&mut rmp_serde::Serializer::new(&mut *body).with_struct_map().with_human_readable())
                    .map_err(EncodeError::new)?,
                Self::Json => serde_json::to_writer(&mut *body, value).map_err(EncodeError::new)?,
            }
            Ok(Bytes::copy_from_slice(body))
        })
    }
}
