//! The targets of the macros' expansions. Not part of the public API.

mod calls;
mod fields;
mod questions;

pub use crate::codec::{Envelope, ParsedFrame, decode_command, named_command};
pub use crate::consumer::Context;
pub use crate::consumer::{BoxFuture, CommandInfo, Consumer, ConsumerInfo, Decoded, Delivered, HandlerInfo, OnlySends};
pub use crate::consumer::{check_consumer, check_direct, check_group, check_name};
pub use crate::error::{CommandError, DecodeError, Error, Reject, Result};
pub use crate::event::MailboxPolicy;
pub use crate::event::{Carries, Event, EventInfo, Group, GroupInfo, Handles, JoinedBy, Joins, Sends};
pub use crate::layer::Gap;
pub use crate::name::{GroupName, NameError};
pub use crate::websocket::EncodedFrame;
pub use crate::websocket::{CloseCode, Frame, FromFrame, FromJson, IntoFrame, ToJson};
pub use calls::*;
pub use fields::*;
pub use questions::*;
pub use serde;
pub use std::num::NonZeroU64;
