//! The groups and consumers to which a route sends, and the check of a message against their types.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::codec::Envelope;
use crate::consumer::{Consumer, HandlerInfo};
use crate::error::{DecodeError, LayerError, field_path, shown, shown_error};
use crate::event::{ByName, Event, EventInfo, EventVisitor, NameMismatch};
use crate::layer::{ChannelLayer, Outgoing, USER_CLOSE, UserConnections};
use crate::name::{ChannelName, GroupName};
use crate::web::publish::refusal::WrongMessage;
use crate::web::publish::request::{Message, UserKey, event_name, unknown_field};
use crate::websocket::CloseCode;

/// The most groups that an error lists.
const MOST_LISTED: usize = 20;

/// The groups and consumers of a route.
#[derive(Clone, Default)]
pub(super) struct Targets {
    groups: Vec<GroupTarget>,
    consumers: Vec<ConsumerTarget>,
    /// Whether the route closes the connections of users.
    users: bool,
    ignores_unknown_fields: bool,
}

/// A type of groups.
#[derive(Clone, Copy)]
struct GroupTarget {
    pattern: &'static str,
    events: &'static [EventInfo],
    /// Returns the group with this name.
    named: fn(&str) -> Result<GroupName, NameMismatch>,
    /// Decodes the event as its type, and encodes it for the group. Returns `None` if the group does not carry it.
    encode: fn(&ChannelLayer, &Envelope) -> Option<Result<Outgoing, WrongMessage>>,
}

/// A type of consumers.
#[derive(Clone, Copy)]
struct ConsumerTarget {
    name: &'static str,
    handlers: &'static [HandlerInfo],
    /// Whether the consumer also takes all other events.
    takes_all: bool,
}

/// A message that is checked and encoded.
pub(super) enum Checked {
    Group(GroupName, Outgoing),
    Channel(ChannelName, Envelope),
    User(UserConnections, CloseCode, String),
}

/// The event for a user, without its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserClose {
    #[serde(rename = "type")]
    _name: IgnoredAny,
    /// Default: 3000, as for a login that has ended.
    code: Option<u16>,
    #[serde(default)]
    reason: String,
}

impl Targets {
    pub(super) fn add_group<G: ByName>(&mut self) {
        self.groups.push(GroupTarget {
            pattern: G::PATTERN,
            events: G::EVENTS,
            named: named::<G>,
            encode: |layer, envelope| {
                let visitor = EncodeFor::<G> { layer, envelope, group: PhantomData };
                G::with_event(envelope.event_name(), visitor)
            },
        });
    }

    pub(super) fn add_consumer<C: Consumer>(&mut self) {
        let info = const { &C::INFO };
        self.consumers.push(ConsumerTarget {
            name: info.name,
            handlers: info.handlers,
            takes_all: info.fallback.is_some(),
        });
    }

    pub(super) fn add_users(&mut self) {
        self.users = true;
    }

    pub(super) fn ignore_unknown_fields(&mut self) {
        self.ignores_unknown_fields = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.consumers.is_empty() && !self.users
    }

    /// Checks and encodes a message. `body` is the buffer that contains it.
    ///
    /// # Errors
    /// If the target is unknown or does not accept the event, or the event does not fit its type.
    pub(super) fn check(
        &self,
        layer: &ChannelLayer,
        message: &Message<'_>,
        body: &Bytes,
    ) -> Result<Checked, WrongMessage> {
        let event = message.event;
        let name = event_name(event).map_err(|reason| match event.get().starts_with('{') {
            true => WrongMessage::Field { event: "?".to_owned(), field: "type".to_owned(), reason },
            false => WrongMessage::NotAnEvent { event: shown(event.get()).to_owned() },
        })?;
        let envelope = Envelope::from_json(name.into_owned(), body.slice_ref(event.get().as_bytes()));
        match (&message.group, &message.channel, &message.user) {
            (Some(group), None, None) => self.check_group(layer, group, event, &envelope),
            (None, Some(channel), None) => self.check_channel(layer, channel, event, &envelope),
            (None, None, Some(user)) => self.check_user(layer, user, event, &envelope),
            _ => Err(WrongMessage::NoTarget),
        }
    }

    fn check_group(
        &self,
        layer: &ChannelLayer,
        name: &str,
        event: &RawValue,
        envelope: &Envelope,
    ) -> Result<Checked, WrongMessage> {
        let mut not_carried = None;
        let mut mismatch = None;
        for target in &self.groups {
            let group = match (target.named)(name) {
                Ok(group) => group,
                Err(NameMismatch::Pattern) => continue,
                Err(NameMismatch::Field(field)) => {
                    mismatch.get_or_insert((target.pattern, field));
                    continue;
                }
            };
            let Some(info) = target.events.iter().find(|info| info.name == envelope.event_name()) else {
                not_carried.get_or_insert(target);
                continue;
            };
            self.check_fields(event, envelope, (info.fields)())?;
            let Some(outgoing) = (target.encode)(layer, envelope) else { continue };
            return Ok(Checked::Group(group, outgoing?));
        }
        if let Some(target) = not_carried {
            let carried = target.events.iter().map(|event| event.name).collect();
            let (group, event) = (target.pattern.to_owned(), shown(envelope.event_name()).to_owned());
            return Err(WrongMessage::NotCarried { group, event, carried });
        }
        let hint = match mismatch {
            Some((pattern, field)) => format!("a part of it is not a value of `{field}` in `{pattern}`"),
            None => self.listed(),
        };
        Err(WrongMessage::UnknownGroup { name: shown(name).to_owned(), hint })
    }

    /// Returns the patterns of the groups, for an error.
    fn listed(&self) -> String {
        let patterns: Vec<_> = self.groups.iter().take(MOST_LISTED).map(|group| group.pattern).collect();
        match self.groups.len() {
            0 => "this route has no groups; add one with `.group::<Room>()`".to_owned(),
            length if length > MOST_LISTED => format!("the groups are `{}`, ..", patterns.join("`, `")),
            _ => format!("the groups are `{}`", patterns.join("`, `")),
        }
    }

    /// The name of a channel does not say which consumer reads it, so the event must fit one of the consumers.
    fn check_channel(
        &self,
        layer: &ChannelLayer,
        channel: &str,
        event: &RawValue,
        envelope: &Envelope,
    ) -> Result<Checked, WrongMessage> {
        if self.consumers.is_empty() {
            return Err(WrongMessage::NoConsumers);
        }
        let channel = ChannelName::new(channel).map_err(|error| WrongMessage::ChannelName(shown_error(error)))?;
        let handlers = || self.consumers.iter().flat_map(|consumer| consumer.handlers);
        let mut outcome = Err(None);
        for handler in handlers().filter(|handler| handler.event == envelope.event_name()) {
            let fits = self.check_fields(event, envelope, (handler.fields)());
            match fits.and_then(|()| (handler.decodes)(envelope).map_err(|error| wrong_field(envelope, error))) {
                Ok(()) => outcome = Ok(()),
                Err(error) => outcome = outcome.map_err(|earlier: Option<WrongMessage>| earlier.or(Some(error))),
            }
        }
        if self.consumers.iter().any(|consumer| consumer.takes_all) && matches!(outcome, Err(None)) {
            outcome = Ok(());
        }
        match outcome {
            Ok(()) => {
                let value = envelope.to_value().map_err(|error| wrong_field(envelope, error))?;
                let encoded = Envelope::from_value(&value, layer.backend().format());
                Ok(Checked::Channel(channel, encoded.map_err(|error| unencodable(envelope, error))?))
            }
            Err(Some(wrong)) => Err(wrong),
            Err(None) => {
                let event = shown(envelope.event_name()).to_owned();
                Err(WrongMessage::NotHandled { event, handled: handlers().map(|handler| handler.event).collect() })
            }
        }
    }

    fn check_user(
        &self,
        layer: &ChannelLayer,
        user: &UserKey,
        event: &RawValue,
        envelope: &Envelope,
    ) -> Result<Checked, WrongMessage> {
        if !self.users {
            return Err(WrongMessage::NoUsers);
        }
        if envelope.event_name() != USER_CLOSE {
            return Err(WrongMessage::NotForUsers { event: shown(envelope.event_name()).to_owned() });
        }
        let mut reader = serde_json::Deserializer::from_str(event.get());
        let close: UserClose = serde_path_to_error::deserialize(&mut reader).map_err(|error| WrongMessage::Field {
            event: USER_CLOSE.to_owned(),
            field: shown(&field_path(error.path(), &error.inner().to_string())).to_owned(),
            reason: shown_error(error.into_inner()),
        })?;
        let code = match close.code {
            None => CloseCode::UNAUTHORIZED,
            Some(code) => CloseCode::new(code).ok_or_else(|| WrongMessage::Field {
                event: USER_CLOSE.to_owned(),
                field: "code".to_owned(),
                reason: format!("{code} is not a close code that may be sent, such as 4001"),
            })?,
        };
        let user = user.to_string();
        if user.is_empty() {
            return Err(WrongMessage::NoTarget);
        }
        Ok(Checked::User(layer.user(user), code, close.reason))
    }

    fn check_fields(
        &self,
        event: &RawValue,
        envelope: &Envelope,
        known: &'static [&'static str],
    ) -> Result<(), WrongMessage> {
        // serde does not know the fields of an event with a flattened one.
        if self.ignores_unknown_fields || known.is_empty() {
            return Ok(());
        }
        match unknown_field(event, known) {
            None => Ok(()),
            Some(field) => {
                Err(WrongMessage::UnknownField { event: shown(envelope.event_name()).to_owned(), field, known })
            }
        }
    }
}

/// Returns the group of a type with this name.
fn named<G: ByName>(name: &str) -> Result<GroupName, NameMismatch> {
    let group = G::from_name(name)?.name().map_err(|_| NameMismatch::Pattern)?;
    // A field may be read from several texts: nobody is in the group `order-007`.
    if group.as_str() == name { Ok(group) } else { Err(NameMismatch::Pattern) }
}

/// Encodes an event for a group.
struct EncodeFor<'a, G> {
    layer: &'a ChannelLayer,
    envelope: &'a Envelope,
    group: PhantomData<fn() -> G>,
}

impl<G: ByName> EventVisitor for EncodeFor<'_, G> {
    type Output = Result<Outgoing, WrongMessage>;

    fn visit<E: Event>(self) -> Self::Output {
        let event: E = self.envelope.decode().map_err(|error| wrong_field(self.envelope, error))?;
        self.layer.encode_for::<G, E>(&event).map_err(|error| unencodable(self.envelope, error))
    }
}

fn wrong_field(envelope: &Envelope, error: DecodeError) -> WrongMessage {
    let event = shown(envelope.event_name()).to_owned();
    match error {
        DecodeError::Payload { path, source, .. } => WrongMessage::Field {
            event,
            field: shown(path.trim_matches(['.', '?'])).to_owned(),
            reason: shown_error(source),
        },
        other => WrongMessage::Field { event, field: String::new(), reason: shown_error(other) },
    }
}

fn unencodable(envelope: &Envelope, error: LayerError) -> WrongMessage {
    match error {
        LayerError::TooLarge { .. } => WrongMessage::TooLarge(shown_error(error)),
        other => WrongMessage::Field {
            event: shown(envelope.event_name()).to_owned(),
            field: String::new(),
            reason: shown_error(crate::error::Error::from(other)),
        },
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups.iter().map(|group| group.pattern);
        f.debug_list().entries(groups).entries(self.consumers.iter().map(|consumer| consumer.name)).finish()
    }
}
