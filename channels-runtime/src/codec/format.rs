//! The serialisation formats of the channel layer.

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
}
