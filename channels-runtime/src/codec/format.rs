//! The serialisation formats of the layer.

use bytes::Bytes;
use serde::Serialize;

use crate::error::EncodeError;
use crate::support::with_buffer;

/// The format of messages in the layer: the `serializer_format` of channels_redis.
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
                // Structs as maps, and values in readable form (a UUID as a string): both formats have the same shape, and Python can
                // read them.
                Self::Msgpack => value
                    .serialize(&mut rmp_serde::Serializer::new(&mut *body).with_struct_map().with_human_readable())
                    .map_err(EncodeError::new)?,
                Self::Json => serde_json::to_writer(&mut *body, value).map_err(EncodeError::new)?,
            }
            Ok(Bytes::copy_from_slice(body))
        })
    }
}
