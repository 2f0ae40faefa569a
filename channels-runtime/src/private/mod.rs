//! The items that the macros' expansions name. Not part of the public API: it changes without notice.
//!
//! `answers` tells commands that answer from others, `calls` runs methods and decodes messages, `fields` bounds the fields of events and groups, and `type_facts` holds checks that
//! avoid a second error for one mistake.

mod answers;
mod calls;
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
pub use crate::event::{Carries, Event, EventInfo, Group, GroupInfo, Handles, JoinedBy, Joins, Sends};
pub use crate::event::{
    HandlesAt, HandlesHistoryLost, History, HistoryLost, Kept, Plain, Position, ReachesOthers, Recoverable,
};
pub use crate::layer::Gap;
pub use crate::name::{GroupName, NameError, NameField};
pub use crate::websocket::EncodedFrame;
pub use crate::websocket::{CloseCode, Frame, FromFrame, FromJson, IntoFrame, ToJson};
pub use answers::{Answer, ErrorOf, NeverSent, Replies, Returns};
pub use calls::{Accept, LossNotice, MadeByDefault, Outcome, OwnContext, Refused, Undecoded};
pub use calls::{connected, connected_by_default, connecting, connecting_blocking, own_context};
pub use calls::{decode_frame, decoded, loss_notice, refused, render_once, rendered, rendered_already, undecoded};
pub use calls::{named_command, ran, run, run_blocking};
#[cfg(feature = "contract")]
pub use channels_contract::schemars;
pub use fields::{Key, Part, Travels, Whole, group_name, joined_group_name, key, part, write_field};
pub use serde;
pub use std::num::NonZeroU64;
pub use type_facts::{CommandOf, HandlesListed, IsVolatile, JoinsListed, KindOf, NameOf, NotACommand, NotAnEvent};
pub use type_facts::{Nothing, NothingElse, OtherKind, Retained};
pub use type_facts::{joined, sent};

/// Keeps what a contract needs if the feature `contract` is on. So the macros need no feature of their own.
#[cfg(feature = "contract")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_contract {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Drops what a contract needs if the feature `contract` is off.
#[cfg(not(feature = "contract"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_contract {
    ($($tokens:tt)*) => {};
}

/// Reports `contract!` if the feature `contract` is off.
#[cfg(not(feature = "contract"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_contract {
    () => {
        compile_error!(
            "`contract!` needs the feature `contract`: write `channels-runtime = { .., features = [\"contract\"] }`"
        );
    };
}

/// Accepts `contract!`.
#[cfg(feature = "contract")]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_contract {
    () => {};
}

/// Defines a type with a schema that may be missing: the field of a mirror of an event. A missing schema accepts everything.
#[cfg(feature = "contract")]
#[doc(hidden)]
#[macro_export]
macro_rules! __field_schema {
    ($name:ident, $schema:expr) => {
        #[derive(::core::default::Default)]
        struct $name;

        #[automatically_derived]
        impl $crate::__private::schemars::JsonSchema for $name {
            fn inline_schema() -> ::core::primitive::bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, ::core::primitive::str> {
                ::std::borrow::Cow::Borrowed(::core::stringify!($name))
            }

            fn json_schema(
                generator: &mut $crate::__private::schemars::SchemaGenerator,
            ) -> $crate::__private::schemars::Schema {
                let schema: $crate::__private::facts::SchemaFn = $schema;
                match schema {
                    ::core::option::Option::Some(schema) => schema(generator),
                    ::core::option::Option::None => ::core::convert::From::from(true),
                }
            }
        }
    };
}

#[cfg(feature = "contract")]
pub use crate::__field_schema as field_schema;
pub use crate::{__if_contract as if_contract, __needs_contract as needs_contract};
