//! Errors of the channel layer.

use std::error::Error as StdError;
use std::time::Duration;

use crate::error::codec::{DecodeError, EncodeError};
use crate::name::NameError;

/// What a send through the channel layer, or a change of a group, can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The channel's mailbox holds `capacity` messages that its owner has not taken yet. This message was not sent.
    #[error("channel `{channel}` is full: {capacity} messages wait there; send later, or raise `capacity`")]
    ChannelFull {
        /// The channel that was sent to.
        channel: String,
        /// Its limit.
        capacity: usize,
    },
    /// The name of a channel or a group is not legal.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The `prefix` of a pub/sub layer stands before every channel's own name, and none that begins with it is legal.
    #[error(
        "the prefix `{prefix}` cannot begin the name of a channel; it may have {} ASCII letters, digits, hyphens, underscores and periods",
        crate::name::MAX_PREFIX_LENGTH
    )]
    Prefix {
        /// The prefix.
        prefix: String,
        /// What is wrong with a name that begins with it.
        source: NameError,
    },
    /// The event could not be written.
    #[error("event `{event}` cannot be written")]
    Encode {
        /// The name of the event.
        event: String,
        /// Why not.
        source: EncodeError,
    },
    /// A raw message is no event.
    #[error(
        "a raw message must be a JSON object with a `type` that is a string, such as {{\"type\": \"chat.message\", ..}}"
    )]
    NotAnEvent,
    /// This layer can only add channels of this process to a group.
    #[error("channel `{channel}` is not one of this process; a channel joins a group where it lives")]
    NotLocal {
        /// The channel that should have joined.
        channel: String,
    },
    /// Only one worker in a process can read a channel of this layer, and one does.
    #[error("channel `{channel}` has its worker in this process already; raise the `concurrency` of that one")]
    HasWorker {
        /// The channel.
        channel: String,
    },
    /// The other end of the layer (Redis) did not do what was asked.
    #[error("the channel layer cannot be reached: {action} failed")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A question was not answered in time.
    #[error("no `{event}` came from channel `{channel}` within {deadline:?}")]
    NoReply {
        /// The channel that was asked.
        channel: String,
        /// The name of the event that the answer would be.
        event: &'static str,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// A question was answered with another event, or with one that does not fit its type.
    #[error("channel `{channel}` gave an answer that does not fit the question")]
    WrongReply {
        /// The channel that was asked.
        channel: String,
        /// What is wrong with the answer.
        source: DecodeError,
    },
    /// The layer was closed.
    #[error("the channel layer is closed")]
    Closed,
    /// No layer is installed under that name.
    #[error(
        "no channel layer is installed as `{alias}`; call `channels.install(\"{alias}\")`, or `layer.install(\"{alias}\")` for a \
         layer without an application"
    )]
    NoSuchLayer {
        /// The name.
        alias: String,
    },
    /// The blocking twin was called on a thread that runs async code, which it would stop.
    #[error(
        "a blocking call in async code would stop its thread; use the async method of the same name and `.await` it, in a \
         method marked `blocking` within `cx.block_on(async |cx| ..)`"
    )]
    BlockingInAsync,
}
