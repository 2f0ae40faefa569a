//! Errors of the channel layer.

use std::error::Error as StdError;
use std::time::Duration;

use crate::error::codec::{DecodeError, EncodeError, at};
use crate::error::settings::SettingError;
use crate::name::NameError;

/// The reason why a call of the channel layer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The channel's mailbox holds `capacity` messages that its consumer has not handled yet. The new message was not sent.
    #[error("channel `{channel}` is full: {capacity} messages wait there; send later, or raise `capacity`")]
    ChannelFull {
        /// The channel.
        channel: String,
        /// The capacity of its mailbox.
        capacity: usize,
    },
    /// An event for a group with a history is too large to be kept. It was not sent.
    #[error(
        "the event `{event}` has {bytes} bytes, but a history keeps at most {limit}: send the id of a large value, or declare the event `volatile`"
    )]
    TooLarge {
        /// The name of the event.
        event: &'static str,
        /// The size of the encoded event, in bytes.
        bytes: usize,
        /// The largest size, in bytes.
        limit: usize,
    },
    /// The name of a channel or a group is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The `prefix` of a pub/sub layer is too long or contains control characters. Every channel name of the layer begins with it.
    #[error(
        "the prefix {prefix:?} cannot begin the name of a channel; it may have {} characters, without control characters",
        crate::name::MAX_PREFIX_LENGTH
    )]
    Prefix {
        /// The prefix.
        prefix: String,
        /// The error of a name that begins with the prefix.
        source: NameError,
    },
    /// The settings of the layer cannot be used.
    #[error("the layer cannot be opened with these settings: {0}")]
    Settings(SettingError),
    /// The event could not be encoded.
    #[error("event `{event}` cannot be encoded{at}", at = at(source.field().unwrap_or_default()))]
    Encode {
        /// The name of the event.
        event: String,
        /// The cause.
        source: EncodeError,
    },
    /// A raw message is not an event: it is not a JSON object with a `type`.
    #[error(
        "a raw message must be a JSON object with a `type` that is a string, such as {{\"type\": \"chat.message\", ..}}"
    )]
    NotAnEvent,
    /// A layer adds only channels of its own process to a group.
    #[error("channel `{channel}` is not in this process; only its own process can add it to a group")]
    NotLocal {
        /// The channel.
        channel: String,
    },
    /// The process already has a worker for this channel. On the memory layer it can have only one.
    #[error("channel `{channel}` already has a worker in this process; raise that worker's `concurrency`")]
    HasWorker {
        /// The channel.
        channel: String,
    },
    /// Redis is unreachable, or a command failed.
    #[error("the channel layer is unreachable: {action} failed{}", server.as_ref().map(|server| format!(" at {server}")).unwrap_or_default())]
    Unavailable {
        /// The address of the Redis server without its password, if the failure concerns one server.
        server: Option<String>,
        /// The action that failed.
        action: &'static str,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No reply to a request arrived in time.
    #[error("no `{event}` came from channel `{channel}` within {deadline:?}")]
    NoReply {
        /// The channel of the request.
        channel: String,
        /// The name of the expected event.
        event: &'static str,
        /// The time limit.
        deadline: Duration,
    },
    /// The reply to a request is another event, or does not fit its type.
    #[error("the reply of channel `{channel}` does not fit the request")]
    WrongReply {
        /// The channel of the request.
        channel: String,
        /// The error of decoding the reply.
        source: DecodeError,
    },
    /// The layer was closed.
    #[error("the channel layer is closed")]
    Closed,
    /// No layer is installed under this name.
    #[error(
        "no channel layer is installed as `{alias}`; call `channels.install(\"{alias}\")`, or `layer.install(\"{alias}\")` for a \
         layer without an application"
    )]
    NoSuchLayer {
        /// The name.
        alias: String,
    },
    /// A blocking call was made on a thread that runs async code. It would block that thread.
    #[error(
        "a blocking call in async code would block its thread; `.await` the async method of the same name, in a \
         `blocking` method within `cx.block_on(async |cx| ..)`"
    )]
    BlockingInAsync,
}
