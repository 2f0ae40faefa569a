//! The items that the macros' expansions name. Not part of the public API: it changes without notice.
//!
//! `answers` tells commands that answer from others, `calls` runs methods and decodes messages, `feature_macros` keeps or drops
//! what a feature needs, `fields` bounds the fields of events and groups, and `type_facts` holds checks that avoid a second error
//! for one mistake.

mod answers;
mod calls;
mod feature_macros;
mod fields;
mod type_facts;

pub use crate::codec::{Envelope, ParsedFrame, Received, decode_command};
pub use crate::consumer::Context;
pub use crate::consumer::{
    AnswerFields, Asked, BoxFuture, CommandInfo, Consumer, ConsumerInfo, Decoded, Delivered, HandlerInfo,
    NeedsNoClient, OnlySends,
};
pub use crate::consumer::{check_command, check_consumer, check_direct, check_group};
pub use crate::consumer::{check_history, check_name, check_pattern, check_silence};
#[cfg(feature = "contract")]
pub use crate::contract::{
    Contract, Described, DescribedEvent, DescribedGroup, FactsOf, JsonOf, NotDescribed, NotDescribedEvent, NotJson,
    SchemaOf, check_address, check_described_consumer, check_described_event, check_described_group, facts,
};
pub use crate::error::{CommandError, DecodeError, Error, Reject, Result};
pub use crate::event::MailboxPolicy;
pub use crate::event::Volatile;
pub use crate::event::{ByName, EventVisitor, ListedEvent, NameMismatch, ReadPart, name_parts, read_part};
pub use crate::event::{Carries, Event, EventInfo, Group, GroupInfo, Handles, JoinedBy, Joins, Sends};
pub use crate::event::{
    HandlesAt, HandlesHistoryLost, History, HistoryLost, Kept, Plain, Position, ReachesOthers, Recoverable,
};
pub use crate::layer::Gap;
pub use crate::name::{GroupName, NameError, NameField};
#[cfg(feature = "testing")]
pub use crate::testing::{Answered, Command, SendsToClient};
pub use crate::websocket::EncodedFrame;
pub use crate::websocket::{CloseCode, Frame, FromFrame, FromJson, IntoFrame, ToJson};
pub use answers::{Answer, ErrorOf, NeverSent, Replies, Returns};
pub use calls::{Accept, LossNotice, MadeByDefault, Outcome, OwnContext, Refused, Undecoded};
pub use calls::{connected, connected_by_default, connecting, connecting_blocking, own_context};
pub use calls::{decode_frame, decoded, loss_notice, refused, render_once, rendered, rendered_already, undecoded};
pub use calls::{named_command, ran, run, run_blocking};
#[cfg(feature = "contract")]
pub use channels_contract::{field_schema, schemars};
pub use feature_macros::{if_contract, if_testing, needs_contract};
pub use fields::{Key, Part, Travels, Whole, group_name, joined_group_name, key, part, write_field};
pub use serde;
pub use serde_json::Value;
pub use std::num::NonZeroU64;
pub use type_facts::{CommandOf, HandlesListed, IsVolatile, JoinsListed, KindOf, NameOf, NotACommand, NotAnEvent};
pub use type_facts::{Nothing, NothingElse, OtherKind, Retained};
pub use type_facts::{joined, sent};
