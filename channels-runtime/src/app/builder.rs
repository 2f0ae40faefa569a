//! The settings of an application.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;

use crate::admission::{self, Admission, Hosts, Origins, Proxies};
use crate::app::channels::Channels;
use crate::auth::Identity;
use crate::connection::{HeartbeatPolicy, Limits, Rate};
use crate::error::{Reject, SettingsError};
use crate::layer::ChannelLayer;
use crate::scope::Scope;
use crate::server::{Authenticator, Server, Settings};

impl Channels {
    /// Begins with the defaults: the layer in memory, messages up to 1 MiB.
    pub fn builder() -> ChannelsBuilder {
        ChannelsBuilder::default()
    }
}

/// Sets up [`Channels`].
#[must_use = "call `.build()`"]
pub struct ChannelsBuilder {
    layer: Option<ChannelLayer>,
    max_message: usize,
    outbound: usize,
    inbound: Rate,
    heartbeat: Option<(Duration, Duration)>,
    idle_limit: Option<Duration>,
    connect_deadline: Duration,
    authenticator: Option<Box<Authenticator>>,
    drain_window: Duration,
    shutdown_deadline: Duration,
    admission: admission::Settings,
}

impl Default for ChannelsBuilder {
    fn default() -> Self {
        Self {
            layer: None,
            max_message: 1024 * 1024,
            outbound: 1024 * 1024,
            inbound: Rate { frames: 20_000, bytes: 64 * 1024 * 1024 },
            heartbeat: Some((Duration::from_secs(20), Duration::from_secs(30))),
            idle_limit: None,
            connect_deadline: Duration::from_secs(5),
            authenticator: None,
            drain_window: Duration::from_secs(5),
            shutdown_deadline: Duration::from_secs(10),
            admission: admission::Settings::default(),
        }
    }
}

impl ChannelsBuilder {
    /// The channel layer; the one in memory unless said otherwise.
    pub fn layer(mut self, layer: ChannelLayer) -> Self {
        self.layer = Some(layer);
        self
    }

    /// The largest message that a client may send, in bytes: 1 MiB unless said otherwise. A larger one closes its
    /// connection with 1009.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How many bytes may wait for a client that reads slowly: 1 MiB unless said otherwise, and 4 KiB at the least.
    ///
    /// A consumer's own sends wait for room. A rendered event that finds none closes the connection with 1013, so that no
    /// other member waits.
    pub fn outbound_limit(mut self, bytes: usize) -> Self {
        self.outbound = bytes;
        self
    }

    /// How much one client may send: so many messages and so many bytes in a second, and as much at once after it was
    /// quiet; 20,000 messages and 64 MiB unless said otherwise. Pings count as messages.
    ///
    /// A client that sends more is not read from for a moment ([`ConnectionStats::throttled`](crate::stats::ConnectionStats::throttled) counts how often), so that its
    /// own sends wait. Nothing is lost and the connection stays open: a flood costs the client that makes it. The default
    /// only keeps one client from filling a processor; most applications need far less (a person types 20 messages a
    /// second at the most) and should say so.
    ///
    /// The clock is looked at when the allowance is used up, so that up to twice as much may pass within a second.
    pub fn inbound_limit(mut self, messages: u32, bytes: usize) -> Self {
        self.inbound = Rate { frames: messages, bytes };
        self
    }

    /// How it is noticed that a client is gone without a word (its network, its power, its laptop's lid): every 20 s and 30 s
    /// unless said otherwise.
    ///
    /// A client from which nothing has come for `interval` is sent a ping, which browsers answer by themselves. One from
    /// which nothing has come for `deadline` is given up, and its socket is closed: its groups are left, `#[disconnect]`
    /// gets 1006, and [`ConnectionStats::unanswered`](crate::stats::ConnectionStats::unanswered) counts it. Both may happen up to a quarter of the interval, or of the
    /// time between the two, earlier. Every byte counts as life, and so does it when a client that reads slowly has taken
    /// a part of what waits for it. While a handler runs nobody listens, so the answer may come until it is done.
    ///
    /// A `deadline` that is not longer than the interval is taken as twice the interval. An interval of zero turns the
    /// heartbeat off; a client that vanishes is then noticed only when something is sent to it.
    pub fn heartbeat(mut self, interval: Duration, deadline: Duration) -> Self {
        self.heartbeat = Some((interval, deadline));
        self
    }

    /// How long a client may say nothing before it is closed with 1001: without end unless said otherwise.
    ///
    /// Only its messages count, not its pongs, and not what it is sent. It may take a quarter longer.
    /// [`ConnectionStats::idle`](crate::stats::ConnectionStats::idle) counts them.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = Some(limit);
        self
    }

    /// How long `#[connect]` may take: 5 s unless said otherwise. After that the handshake is answered with 503 and
    /// `Retry-After`.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.connect_deadline = deadline;
        self
    }

    /// Finds out who a client is, before `#[connect]` runs. What it gives is [`Scope::user`]; `Ok(None)` lets the client
    /// in as nobody; `Err` refuses it. A [`Login`](crate::auth::Login) instead of an option also says until when the connection may
    /// last.
    ///
    /// It runs within the [deadline of `#[connect]`](Self::connect_deadline).
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// struct User { name: String }
    ///
    /// let channels = Channels::builder()
    ///     .authenticator(|scope: Scope| async move {
    ///         // Look the session up in your database.
    ///         Ok(scope.cookie("sessionid").map(|session| User { name: session.to_owned() }))
    ///     })
    ///     .build();
    /// ```
    pub fn authenticator<A, F, I>(mut self, authenticator: A) -> Self
    where
        A: Fn(Scope) -> F + Send + Sync + 'static,
        F: Future<Output = Result<I, Reject>> + Send + 'static,
        I: Identity,
    {
        self.authenticator = Some(Box::new(move |scope| {
            let identity = authenticator(scope);
            async move { Ok(identity.await?.into_parts()) }.boxed()
        }));
        self
    }

    /// Allows tokens in this parameter of the query, as in `?token=abc`; none unless said otherwise.
    ///
    /// A query is no good place for a secret: proxies write it into their logs. Ours show none. See
    /// [`Scope::bearer_token`] for the better places.
    pub fn token_parameter(mut self, name: impl Into<String>) -> Self {
        self.admission.token_parameter = Some(name.into());
        self
    }

    /// The pages that may connect: those of the same host and port as the socket, unless said otherwise.
    ///
    /// A browser says with every handshake which page opens it, and sends the user's cookies along whichever it is; so
    /// without this check, any page on the web could act for your users. The patterns are those of Django Channels'
    /// `OriginValidator`: `example.org` (any scheme and port), `.example.org` (that and all below it), `https://example.org`,
    /// `https://example.org:8443`, `*` (all pages). They replace the default, so name your own host as well. What fits none
    /// is refused with 403 and logged.
    ///
    /// A client that sends no `Origin` is no browser, holds nobody's cookies but its own, and passes; see
    /// [`Self::require_origin`].
    ///
    /// ```
    /// # fn main() -> channels_runtime::Result<()> {
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().allowed_origins(["https://example.org", ".example.net"])?.build();
    /// assert!(Channels::builder().allowed_origins(["*.example.org"]).is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When a pattern can never fit anything.
    pub fn allowed_origins<S: AsRef<str>>(
        mut self,
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<Self, SettingsError> {
        self.admission.origins = Origins::listed(patterns)?;
        Ok(self)
    }

    /// Refuses clients that send no `Origin`, with 403: then only browsers get in, and programs that say they were one. (To a
    /// page of the same host a browser sends none with [server-sent events](crate::Channels::sse), but says that it is one.)
    pub fn require_origin(mut self) -> Self {
        self.admission.require_origin = true;
        self
    }

    /// The hosts that a handshake may name in its header `Host`: all unless said otherwise. Django's `ALLOWED_HOSTS`:
    /// `example.org`, `.example.org` (that and all below it), `[::1]`, `*`; the port does not matter. Others are refused with
    /// 400 and logged.
    ///
    /// Say it where the server can be reached at an address that a browser of yours reaches, too, such as 127.0.0.1 or an
    /// intranet: there a page from elsewhere can give its own name your address, and is then of the same host.
    ///
    /// # Errors
    /// When a pattern is no host.
    pub fn allowed_hosts<S: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = S>) -> Result<Self, SettingsError> {
        self.admission.hosts = Hosts::listed(hosts)?;
        Ok(self)
    }

    /// The addresses and networks of your proxies: none unless said otherwise. Only what they say is believed:
    ///
    /// - `X-Forwarded-For` is who the client is ([`Scope::client`], [`Self::max_connections_per_address`]): the last
    ///   address in it that is no proxy of yours, because the client may have written those before it.
    /// - `X-Forwarded-Host` is the host that the client asked for, for [`Self::allowed_hosts`] and for the same host of
    ///   [`Self::allowed_origins`]. A proxy that passes `Host` on needs no word here for that.
    ///
    /// ```
    /// # fn main() -> channels_runtime::Result<()> {
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().trusted_proxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])?.build();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When one is no address and no network.
    pub fn trusted_proxies<S: AsRef<str>>(
        mut self,
        networks: impl IntoIterator<Item = S>,
    ) -> Result<Self, SettingsError> {
        self.admission.proxies = Proxies::new(networks)?;
        Ok(self)
    }

    /// How many connections there may be. One more is answered with 503 and `Retry-After`, before anything of yours runs.
    ///
    /// Unless said otherwise, as many as the process may open files for (`ulimit -n`, looked at when the application is
    /// built), less those that wait to be served and 64 for everything else: where 1,024 files are allowed, 448.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.admission.max_connections = Some(connections);
        self
    }

    /// How many connections there may be from one address. One more is answered with 429 and `Retry-After`. Of an IPv6 address
    /// the first 64 bits count: a home has that many.
    ///
    /// Unless said otherwise, half of [all](Self::max_connections) from one address of the internet, so that nobody takes every
    /// place; and any number from one of this machine or of a private network, because behind a proxy that is not among the
    /// [trusted](Self::trusted_proxies) all clients have one address. What is said here counts for all addresses. An office or a
    /// mobile network may have one, too: think of hundreds rather than of ten.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.admission.max_per_address = Some(connections);
        self
    }

    /// How many handshakes there may be in a second, and at once after a quiet second. One more is answered with 503 and
    /// `Retry-After`, before the authenticator and `#[connect]` run.
    ///
    /// Unless said otherwise, as many as the process may have connections by its open files, which only keeps those in bounds who
    /// come and go at once. Say how many your authenticator and your database can do. When a server starts again, all of its clients knock at once.
    pub fn max_handshakes_per_second(mut self, handshakes: u32) -> Self {
        self.admission.handshakes_per_second = Some(handshakes);
        self
    }

    /// How many sockets may be open that have not sent a whole request yet, or are done with one and may send another: 512
    /// unless said otherwise. When one more comes, the one that has waited longest is dropped. Half of them may be sending the
    /// body of a request; these are not dropped for others.
    pub fn max_waiting_sockets(mut self, sockets: usize) -> Self {
        self.admission.max_waiting = sockets.max(1);
        self
    }

    /// How long a client may take for the head of a request, and before that for a TLS handshake, each: 10 s unless said
    /// otherwise. Then its socket is closed. A head may have 64 KiB and 100 lines; one that is
    /// much larger is answered with 431.
    pub fn header_deadline(mut self, deadline: Duration) -> Self {
        self.admission.header_deadline = deadline;
        self
    }

    /// Over how long connections are closed when the server stops: 5 s unless said otherwise, and less where there are few.
    /// See [`Channels::shutdown`].
    pub fn drain_window(mut self, window: Duration) -> Self {
        self.drain_window = window;
        self
    }

    /// How long [`Channels::serve`] waits for connections and requests to end when the process is told to stop: 10 s unless
    /// said otherwise. Then it returns, whoever is left.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// Builds the application, and makes its layer the one that [`channel_layer("default")`](crate::channel_layer) gives.
    #[must_use]
    pub fn build(self) -> Channels {
        let layer = self.layer.unwrap_or_else(ChannelLayer::in_memory);
        layer.install("default");
        let settings = Settings {
            limits: Limits { max_message: self.max_message, outbound: self.outbound, inbound: self.inbound },
            heartbeat: HeartbeatPolicy::new(self.heartbeat, self.idle_limit),
            connect_deadline: self.connect_deadline,
            authenticator: self.authenticator,
            drain_window: self.drain_window,
            shutdown_deadline: self.shutdown_deadline,
        };
        Channels { server: Server::new(layer, settings, Admission::new(self.admission)) }
    }
}

impl fmt::Debug for ChannelsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelsBuilder").field("layer", &self.layer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation of each method says, and `docs/security.md`.
    #[test]
    fn the_defaults_are_what_is_said() {
        let seconds = Duration::from_secs;
        let ChannelsBuilder {
            layer,
            max_message,
            outbound,
            inbound,
            heartbeat,
            idle_limit,
            connect_deadline,
            authenticator,
            drain_window,
            shutdown_deadline,
            admission,
        } = ChannelsBuilder::default();
        assert!(layer.is_none() && authenticator.is_none());
        assert_eq!((max_message, outbound), (1 << 20, 1 << 20));
        assert_eq!((inbound.frames, inbound.bytes), (20_000, 64 << 20));
        assert_eq!((heartbeat, idle_limit), (Some((seconds(20), seconds(30))), None));
        assert_eq!((connect_deadline, drain_window, shutdown_deadline), (seconds(5), seconds(5), seconds(10)));
        let admission::Settings {
            origins, require_origin, hosts, max_waiting, header_deadline, token_parameter, ..
        } = admission;
        assert_eq!((origins, require_origin, hosts), (Origins::SameHost, false, Hosts::any()));
        assert_eq!((max_waiting, header_deadline, token_parameter), (512, seconds(10), None));
    }
}
