//! The settings of the route.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::error::{BuildError, SettingError};
use crate::event::ByName;
use crate::support::LONGEST;
use crate::web::publish::credentials::{MIN_SECRET, Secrets};
use crate::web::publish::replay::SeenSignatures;
use crate::web::publish::targets::Targets;

/// The settings of a route on which a backend publishes: its secrets, and the groups and consumers that it reaches. From
/// [`Self::builder`]; [`Channels::publish`](crate::Channels::publish) makes the route.
#[derive(Clone)]
pub struct Publish {
    pub(super) settings: Arc<Settings>,
}

/// The checked settings.
pub(super) struct Settings {
    pub(super) secrets: Secrets,
    pub(super) targets: Targets,
    pub(super) body_limit: usize,
    pub(super) rate: u32,
    pub(super) window: Duration,
    /// Here, because a signed request that one route has accepted is refused by the other routes with these settings.
    pub(super) seen: SeenSignatures,
    pub(super) remember: Duration,
}

/// Builds [`Publish`]. [`Self::build`] checks all settings together.
#[must_use = "call `.build()?`"]
pub struct PublishBuilder {
    secrets: Vec<String>,
    targets: Targets,
    body_limit: usize,
    rate: u32,
    window: Duration,
    remember: Duration,
}

impl Publish {
    /// Creates a builder without secrets and without targets.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use channels_runtime::web::Publish;
    ///
    /// #[event("order.paid")]
    /// struct OrderPaid { amount: u32 }
    ///
    /// #[group("order-{id}", events(OrderPaid))]
    /// struct Order { id: u64 }
    ///
    /// # let secret = "a-secret-of-at-least-thirty-two-bytes";
    /// let publish = Publish::builder().secret(secret).group::<Order>().build()?;
    /// let channels = Channels::builder().build()?;
    /// let routes = channels.publish(publish);
    /// assert!(Publish::builder().secret("short").build().is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn builder() -> PublishBuilder {
        PublishBuilder {
            secrets: Vec::new(),
            targets: Targets::default(),
            body_limit: 1024 * 1024,
            rate: 10_000,
            window: Duration::from_secs(300),
            remember: Duration::from_secs(600),
        }
    }
}

impl PublishBuilder {
    /// Adds a secret that the backend shares: at least 32 visible ASCII characters, such as those of
    /// `openssl rand -base64 32`. Required. With
    /// several secrets, each is accepted: add the new one, change the backends, and remove the old one.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Adds a group: the backend may send its events to it. The fields of the group's name implement
    /// [`FromStr`](std::str::FromStr).
    pub fn group<G: ByName>(mut self) -> Self {
        self.targets.add_group::<G>();
        self
    }

    /// Adds a consumer: the backend may send its events to a channel, such as that of one connection or of a
    /// [`Worker`](crate::Worker). A channel's name does not say which consumer reads it, so an event must fit one of the added
    /// consumers.
    pub fn consumer<C: Consumer>(mut self) -> Self {
        self.targets.add_consumer::<C>();
        self
    }

    /// Allows the backend to close the connections of a user, as with
    /// [`UserConnections::close`](crate::layer::UserConnections::close):
    /// `{"user": "42", "event": {"type": "user.close", "code": 4001, "reason": "blocked"}}`. Default: such a message gets 404.
    pub fn users(mut self) -> Self {
        self.targets.add_users();
        self
    }

    /// Ignores fields that an event does not have. Default: they are refused with 422, because they are often a mistyped name of
    /// an optional field.
    pub fn ignore_unknown_fields(mut self) -> Self {
        self.targets.ignore_unknown_fields();
        self
    }

    /// Sets the largest body of a request, in bytes. Default: 1 MiB. A larger one gets 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets the highest number of requests per second with a valid credential. Default: 10,000. One more gets 429 and
    /// `Retry-After`. A request counts once, however many messages it has.
    pub fn max_requests_per_second(mut self, requests: u32) -> Self {
        self.rate = requests;
        self
    }

    /// Sets the age up to which a signed request is accepted. Default: 5 minutes. A timestamp may be a minute in the future.
    pub fn signature_window(mut self, window: Duration) -> Self {
        self.window = window.min(LONGEST);
        self
    }

    /// Sets how long an `Idempotency-Key` is remembered after its request was answered. Default: 10 minutes. At most 10,000 keys
    /// are remembered; then the oldest is forgotten.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.remember = window.min(LONGEST);
        self
    }

    /// Builds the settings.
    ///
    /// # Errors
    /// If settings cannot be used. The error lists all of them, each with a remedy. It does not contain a secret.
    pub fn build(self) -> Result<Publish, BuildError> {
        let mut problems = Vec::new();
        let mut check = |is_right: bool, name: &'static str, problem: String| {
            if !is_right {
                problems.push(SettingError::new(name, problem));
            }
        };
        let missing = "there is none; write `.secret(std::env::var(\"PUBLISH_SECRET\")?)`".to_owned();
        check(!self.secrets.is_empty(), "secret", missing);
        for secret in &self.secrets {
            let problem = match secret.len() {
                0 => format!(
                    "it is empty: is its environment variable set? It needs at least {MIN_SECRET} bytes, as from \
                     `openssl rand -base64 32`"
                ),
                length => format!(
                    "it has {length} bytes, but it needs at least {MIN_SECRET}, as from `openssl rand -base64 32`"
                ),
            };
            check(secret.len() >= MIN_SECRET, "secret", problem);
            let problem = "it has a character that a header cannot hold; write visible ASCII characters".to_owned();
            check(secret.bytes().all(|byte| byte.is_ascii_graphic()), "secret", problem);
        }
        let missing =
            "there is nothing to publish to; write `.group::<Room>()`, `.consumer::<ChatConsumer>()` or `.users()`"
                .to_owned();
        check(!self.targets.is_empty(), "group", missing);
        check(self.body_limit > 0, "body_limit", "0 bytes accept no request; the default is 1 MiB".to_owned());
        check(self.rate > 0, "max_requests_per_second", "0 requests accept none; the default is 10,000".to_owned());
        let zero = || "0 s accept no request; the default is 5 minutes".to_owned();
        check(!self.window.is_zero(), "signature_window", zero());
        check(
            !self.remember.is_zero(),
            "idempotency_window",
            "0 s remember nothing; the default is 10 minutes".to_owned(),
        );
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let Self { secrets, targets, body_limit, rate, window, remember } = self;
        let (secrets, seen) = (Secrets::new(&secrets), SeenSignatures::new(window));
        Ok(Publish { settings: Arc::new(Settings { secrets, targets, body_limit, rate, window, seen, remember }) })
    }
}

// Without the secrets.
impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("targets", &self.settings.targets).finish_non_exhaustive()
    }
}

impl fmt::Debug for PublishBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBuilder").field("targets", &self.targets).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventInfo, EventVisitor, Group, NameMismatch};
    use crate::name::{GroupName, NameError};

    struct Room;

    impl Group for Room {
        type Itself = Self;
        const PATTERN: &'static str = "room";
        const EVENTS: &'static [EventInfo] = &[];

        fn name(&self) -> Result<GroupName, NameError> {
            GroupName::new("room")
        }
    }

    impl ByName for Room {
        fn from_name(_: &str) -> Result<Self, NameMismatch> {
            Ok(Self)
        }

        fn with_event<V: EventVisitor>(_: &str, _: V) -> Option<V::Output> {
            None
        }
    }

    #[test]
    fn build_reports_every_unusable_setting_without_secret() {
        let builder = Publish::builder()
            .secret("short")
            .secret("")
            .secret("a secret with spaces that has enough bytes")
            .body_limit(0)
            .max_requests_per_second(0)
            .signature_window(Duration::ZERO)
            .idempotency_window(Duration::ZERO);
        let error = builder.build().unwrap_err();
        let names: Vec<_> = error.settings().iter().map(SettingError::name).collect();
        assert_eq!(
            names,
            [
                "secret",
                "secret",
                "secret",
                "group",
                "body_limit",
                "max_requests_per_second",
                "signature_window",
                "idempotency_window"
            ]
        );
        let text = error.to_string();
        assert!(text.contains("it has 5 bytes, but it needs at least 32") && !text.contains("short"), "{text}");
        let error = Publish::builder().group::<Room>().build().unwrap_err();
        assert_eq!(error.settings().len(), 1, "{error}");
        assert!(error.to_string().contains("`secret`: there is none; write"), "{error}");
    }

    #[test]
    fn secret_is_not_in_debug() {
        let secret = "0123456789abcdef0123456789abcdef";
        let builder = Publish::builder().secret(secret).group::<Room>();
        assert!(!format!("{builder:?}").contains(secret));
        let publish = builder.build().unwrap();
        let shown = format!("{publish:?}");
        assert!(!shown.contains(secret) && shown.contains("room"), "{shown}");
    }
}
