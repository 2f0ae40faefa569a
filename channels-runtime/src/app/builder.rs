//! The settings of an application.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::admission::{self, Admission, Hosts, Origins, Proxies};
use crate::app::channels::Channels;
#[cfg(feature = "jwt")]
use crate::auth::TicketKeys;
use crate::auth::{AsyncIdentity, Identity};
#[cfg(feature = "backend")]
use crate::auth::{ForwardAuth, ForwardAuthCounters};
#[cfg(feature = "backend")]
use crate::backend::Backend;
use crate::connection::{HeartbeatPolicy, Limits, Rate};
use crate::error::{BuildError, Reject, SettingError};
use crate::layer::ChannelLayer;
use crate::scope::Scope;
use crate::server::{Authenticator, Server, Settings, is_fingerprint};
use crate::support::LONGEST;

/// The lowest outbound limit: a connection keeps this much memory while it has pending output.
const LEAST_OUTBOUND: usize = 4 * 1024;

/// The lowest size from which messages are compressed. DEFLATE does not make shorter JSON smaller.
const LEAST_COMPRESSED: usize = 64;

/// The memory for unfinished messages.
const UNFINISHED: usize = 128 * 1024 * 1024;

impl Channels {
    /// Starts with the defaults: the memory layer, and messages up to 1 MiB.
    pub fn builder() -> ChannelsBuilder {
        ChannelsBuilder::default()
    }
}

/// Builds [`Channels`]. Every setting has a default; [`Self::build`] checks all of them together. A time of more than 30 years,
/// such as `Duration::MAX`, counts as 30 years.
#[must_use = "call `.build()?`"]
pub struct ChannelsBuilder {
    layer: Option<ChannelLayer>,
    max_message_size: usize,
    /// `None`: from the size of a message.
    unfinished_limit: Option<usize>,
    outbound_limit: usize,
    inbound_limit: Rate,
    /// The size from which messages are compressed. `None`: never.
    compression: Option<usize>,
    heartbeat: Option<(Duration, Duration)>,
    idle_limit: Option<Duration>,
    connect_deadline: Duration,
    authenticator: Option<Arc<Authenticator>>,
    reauth: Option<Duration>,
    #[cfg(feature = "backend")]
    backend: Option<Backend>,
    #[cfg(feature = "backend")]
    forward_auth: Option<Arc<ForwardAuthCounters>>,
    contracts: Vec<String>,
    drain_window: Option<Duration>,
    shutdown_deadline: Duration,
    /// `None`: pages of the server's own host.
    allowed_origins: Option<Vec<String>>,
    /// `None`: all hosts.
    allowed_hosts: Option<Vec<String>>,
    trusted_proxies: Vec<String>,
    use_x_forwarded_host: bool,
    admission: admission::Settings,
    #[cfg(feature = "jwt")]
    tickets: Option<TicketKeys>,
}

impl Default for ChannelsBuilder {
    fn default() -> Self {
        Self {
            layer: None,
            max_message_size: 1024 * 1024,
            unfinished_limit: None,
            outbound_limit: 1024 * 1024,
            inbound_limit: Rate { frames: 20_000, bytes: 64 * 1024 * 1024 },
            compression: None,
            heartbeat: Some((Duration::from_secs(20), Duration::from_secs(30))),
            idle_limit: None,
            connect_deadline: Duration::from_secs(5),
            authenticator: None,
            reauth: None,
            #[cfg(feature = "backend")]
            backend: None,
            #[cfg(feature = "backend")]
            forward_auth: None,
            contracts: Vec::new(),
            drain_window: None,
            shutdown_deadline: Duration::from_secs(10),
            allowed_origins: None,
            allowed_hosts: None,
            trusted_proxies: Vec::new(),
            use_x_forwarded_host: false,
            admission: admission::Settings::default(),
            #[cfg(feature = "jwt")]
            tickets: None,
        }
    }
}

impl ChannelsBuilder {
    /// Sets the channel layer. Default: the memory layer.
    ///
    /// Two applications in one process may have different layers: sockets on one, workers on another.
    pub fn layer(mut self, layer: ChannelLayer) -> Self {
        self.layer = Some(layer);
        self
    }

    /// Sets the largest message that a client may send, in bytes. Default: 1 MiB.
    ///
    /// A larger message closes its connection with 1009.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// Sets how much memory the unfinished messages of all clients may take together, in bytes. Default: 128 MiB, or four times
    /// [`Self::max_message_size`] if that is more. Minimum: four times `max_message_size`. The first 4 KiB of each connection
    /// are not counted.
    ///
    /// Beyond the limit, the connection with the largest message closes with 1013. An old message counts up to ten times its
    /// size. [`ConnectionStats::unfinished`](crate::stats::ConnectionStats::unfinished) counts these connections.
    pub fn unfinished_limit(mut self, bytes: usize) -> Self {
        self.unfinished_limit = Some(bytes);
        self
    }

    /// Sets how many bytes may be pending for a client that reads slowly. Default: 1 MiB. Minimum: 4 KiB.
    ///
    /// A consumer's own sends wait for space. A rendered event that finds no space closes the connection with 1013, so that
    /// the other members of the group do not wait.
    pub fn outbound_limit(mut self, bytes: usize) -> Self {
        self.outbound_limit = bytes;
        self
    }

    /// Sets how many messages and bytes a client may send per second. Default: 20,000 messages and 64 MiB.
    ///
    /// A client that has sent nothing for a second may send the whole amount together. Pings count as messages, and
    /// a fragment of a message counts as 1 KiB more.
    ///
    /// The server pauses reading from a client that sends more, so that the client's own sends wait;
    /// [`ConnectionStats::throttled`](crate::stats::ConnectionStats::throttled) counts the pauses. Nothing is lost, the
    /// connection stays open, and only the client that floods the server is slowed down. The default only keeps one client from
    /// occupying a processor. Most applications need far less and should set it: a person types at most 20 messages a second.
    ///
    /// The clock is read when the allowance is used up, so up to twice as much may pass within a second.
    pub fn inbound_limit(mut self, messages: u32, bytes: usize) -> Self {
        self.inbound_limit = Rate { frames: messages, bytes };
        self
    }

    /// Compresses messages of at least this many bytes (`permessage-deflate`, RFC 7692). Default: no compression. Minimum: 64.
    ///
    /// A message to more than 16 members with compression is compressed if it has at least the size that you set. A message to
    /// at most 16 of them, and a message to the consumer's own client, is compressed if it also has at least 1 KiB. A message to a
    /// group is compressed once for all members. Clients without the extension receive the plain form. A connection needs no
    /// memory for compression. Start with 256; `docs/compression.md` shows when it pays.
    ///
    /// A message that contains a secret together with text of another user can reveal the secret by its compressed size. Do not
    /// compress such messages: `#[event(.., uncompressed)]`, `#[consumer(uncompressed)]`,
    /// [`Context::no_compression`](crate::Context::no_compression).
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().compression(256).build()?;
    /// assert!(Channels::builder().compression(0).build().is_err());
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn compression(mut self, bytes: usize) -> Self {
        self.compression = Some(bytes);
        self
    }

    /// Sets how the server notices clients that vanished without a close frame. Default: 20 s and 30 s.
    ///
    /// If nothing has come from a client for `interval`, the server sends it a ping, to which browsers reply automatically. If
    /// nothing has come for `deadline`, the server closes the socket: the consumer leaves its groups, `#[disconnect]` gets 1006,
    /// and [`ConnectionStats::unanswered`](crate::stats::ConnectionStats::unanswered) counts it. The ping and the close may come
    /// earlier: by up to a quarter of the interval, or of the time between the two if that is shorter. Every received byte
    /// counts, and so does progress of a client that reads slowly. While a handler runs, the server reads nothing from the
    /// client, so the reply may come until the handler has ended.
    ///
    /// `deadline` must be longer than `interval`. See [`Self::no_heartbeat`] for connections without pings.
    pub fn heartbeat(mut self, interval: Duration, deadline: Duration) -> Self {
        self.heartbeat = Some((interval.min(LONGEST), deadline.min(LONGEST)));
        self
    }

    /// Turns the heartbeat off. A client that vanished is then noticed only when something is sent to it.
    pub fn no_heartbeat(mut self) -> Self {
        self.heartbeat = None;
        self
    }

    /// Sets how long a client may send nothing before it is closed with 1001. Default: no limit.
    ///
    /// Only the client's messages count, not its pongs and not the server's messages. The close may come up to a quarter of the
    /// limit later. [`ConnectionStats::idle`](crate::stats::ConnectionStats::idle) counts these connections.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = Some(limit.min(LONGEST));
        self
    }

    /// Sets the time limit for the authenticator and `#[connect]` together. Default: 5 s.
    ///
    /// A handshake that takes longer gets 503 and `Retry-After`.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.connect_deadline = deadline.min(LONGEST);
        self
    }

    /// Sets the function that identifies a client before `#[connect]` runs. Default: none.
    ///
    /// The user that it returns is [`Context::user`](crate::Context::user). `Ok(None)` accepts the client as anonymous, and `Err`
    /// rejects it. A [`Login`](crate::auth::Login) instead of an `Option` also sets when the connection ends.
    ///
    /// The function runs within the [time limit of `#[connect]`](Self::connect_deadline).
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// struct User { name: String }
    ///
    /// let channels = Channels::builder()
    ///     .authenticator(|scope: Scope| async move {
    ///         // Look up the session in your database.
    ///         Ok(scope.cookie("sessionid").map(|session| User { name: session.to_owned() }))
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn authenticator<A, F, I>(mut self, authenticator: A) -> Self
    where
        A: Fn(Scope) -> F + Send + Sync + 'static,
        F: AsyncIdentity<Output = Result<I, Reject>> + Send + 'static,
        I: Identity,
    {
        self.authenticator = Some(Arc::new(move |scope| {
            let identity = authenticator(scope);
            async move { Ok(identity.await?.into_parts()) }.boxed()
        }));
        self
    }

    /// Runs the [authenticator](Self::authenticator) again for each open connection, after each such time at the latest. Default:
    /// never. [`Login::reauth`](crate::auth::Login::reauth) sets another time for one login.
    ///
    /// The authenticator gets the same scope, so it must not use a credential that is valid once only. The connection is closed
    /// with 3000 and the reason `the login has ended` if the authenticator rejects with a status below 500, or if the client is now
    /// anonymous or another user (its [key](crate::auth::Login::key)). [`ConnectionStats::login_ended`](crate::stats::ConnectionStats::login_ended)
    /// counts these.
    ///
    /// If the authenticator rejects with 500 or more, or takes longer than [`Self::connect_deadline`], the connection stays open. The
    /// third time in a row closes it with 1013. The user of an open connection stays the one of the handshake.
    ///
    /// The checks are spread over time, and at most 16 run together.
    pub fn reauth(mut self, every: Duration) -> Self {
        self.reauth = Some(every.min(LONGEST));
        self
    }

    /// Asks a backend who a client is. This sets the [authenticator](Self::authenticator), and exports the counters of `auth`:
    /// [`Stats::forward_auth`](crate::stats::Stats::forward_auth).
    ///
    /// ```
    /// use channels_runtime::auth::ForwardAuth;
    /// use channels_runtime::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct User { id: u64 }
    ///
    /// let auth = ForwardAuth::<User>::new("http://127.0.0.1:8000/whoami/")?;
    /// let channels = Channels::builder().forward_auth(auth).build()?;
    /// assert_eq!(channels.stats().forward_auth.asked, 0);
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "backend")]
    pub fn forward_auth<U>(mut self, auth: ForwardAuth<U>) -> Self
    where
        U: serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        self.forward_auth = Some(Arc::clone(auth.counters()));
        self.authenticator(move |scope| {
            let auth = auth.clone();
            async move { auth.login(&scope).await }
        })
    }

    /// Sets the keys of tickets, with which a backend lets a user join a group:
    /// [`Context::group_add_ticket`](crate::Context::group_add_ticket). Default: none, so no ticket is accepted.
    #[cfg(feature = "jwt")]
    pub fn tickets(mut self, keys: TicketKeys) -> Self {
        self.tickets = Some(keys);
        self
    }

    /// Sets the backend to which consumers send commands ([`Context::backend`](crate::Context::backend)), and which is notified of
    /// connections ([`Backend::webhooks`]). Default: none.
    #[cfg(feature = "backend")]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Accepts tokens in this query parameter, as in `?token=abc`. Default: none.
    ///
    /// Proxies write queries into their logs, so a query is not a good place for a secret. This crate does not log queries. See
    /// [`Scope::bearer_token`] for better places.
    pub fn token_parameter(mut self, name: impl Into<String>) -> Self {
        self.admission.token_parameter = Some(name.into());
        self
    }

    /// Sets the pages that may connect. Default: pages of the same host and port as the socket.
    ///
    /// A browser names the page that opens a WebSocket in the header `Origin`, and sends the user's cookies along, whichever page
    /// it is. Without this check, any page on the web could act for your users. The patterns are those of Django Channels'
    /// `OriginValidator`: `example.org` (any scheme and port), `.example.org` (that host and all its subdomains),
    /// `https://example.org`, `https://example.org:8443`, `*` (all pages). They replace the default, so list your own host too. A
    /// page that matches no pattern is rejected with 403 and logged.
    ///
    /// A client without `Origin` is not a browser and holds only its own cookies, so it is accepted; see
    /// [`Self::require_origin`].
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().allowed_origins(["https://example.org", ".example.net"]).build()?;
    /// assert!(Channels::builder().allowed_origins(["*.example.org"]).build().is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn allowed_origins<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.allowed_origins = Some(patterns.into_iter().map(Into::into).collect());
        self
    }

    /// Rejects clients without the header `Origin`, with 403. Then only browsers can connect, and programs that claim to be one.
    ///
    /// To a page of the same host, a browser sends no `Origin` with [server-sent events](Channels::sse). It sends
    /// `Sec-Fetch-Site: same-origin` instead, which is accepted.
    pub fn require_origin(mut self) -> Self {
        self.admission.require_origin = true;
        self
    }

    /// Sets the hosts that a handshake may name in its header `Host`. Default: all.
    ///
    /// This is Django's `ALLOWED_HOSTS`: `example.org`, `.example.org` (that host and all its subdomains), `[::1]`, `*`; the port
    /// does not matter. A handshake with another host is rejected with 400 and logged.
    ///
    /// Set it if a browser of one of your users can reach the server's address directly, such as 127.0.0.1 or an intranet. A
    /// foreign page can make its own name resolve to that address, and is then of the same host.
    pub fn allowed_hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.allowed_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the addresses and networks of your proxies. Default: none. Their header `X-Forwarded-For` names the client
    /// ([`Scope::client`], [`Self::max_connections_per_address`]): the last address that is not one of your proxies, because a
    /// client can write the ones before it.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().trusted_proxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn trusted_proxies<S: Into<String>>(mut self, networks: impl IntoIterator<Item = S>) -> Self {
        self.trusted_proxies = networks.into_iter().map(Into::into).collect();
        self
    }

    /// Reads the host that the client asked for from the header `X-Forwarded-Host` of [`Self::trusted_proxies`], for
    /// [`Self::allowed_hosts`] and for the same-host default of [`Self::allowed_origins`]. Default: from `Host`.
    ///
    /// This is Django's `USE_X_FORWARDED_HOST`. A proxy that passes `Host` on does not need it. Set it only if your proxy writes
    /// this header itself: otherwise it passes on what a client wrote, and a client can claim any host.
    pub fn use_x_forwarded_host(mut self) -> Self {
        self.use_x_forwarded_host = true;
        self
    }

    /// Sets the highest number of connections. Default: the limit of open files (`ulimit -n`), less
    /// [`Self::max_waiting_sockets`] and 64 for everything else. With 1,024 files, 704.
    ///
    /// [`Channels::serve`] first raises the soft limit of open files to the hard one, at most to 1,048,576, and logs that. With
    /// another server, the soft limit at [`Self::build`] counts.
    ///
    /// A handshake beyond the limit gets 503 and `Retry-After`, before any of your code runs.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.admission.max_connections = Some(connections);
        self
    }

    /// Sets the highest number of connections from one address. Default: half of [`Self::max_connections`] from one internet
    /// address, and no limit for addresses of this machine or of a private network.
    ///
    /// A handshake beyond the limit gets 429 and `Retry-After`. Of an IPv6 address, only the first 64 bits count, because a
    /// provider assigns them to one home.
    ///
    /// Behind a proxy that is missing from [`Self::trusted_proxies`], all clients share its address. That is why the default does
    /// not limit private addresses. A value set here applies to all addresses. An office or a mobile network may share one
    /// address, too, so set hundreds instead of ten. A value of [`Self::max_connections`] or more turns the limit off.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.admission.max_per_address = Some(connections);
        self
    }

    /// Sets the highest number of handshakes per second. After a second without handshakes, as many may come together. Default:
    /// as many as the process may have connections by its open files.
    ///
    /// A handshake beyond the limit gets 503 and `Retry-After`, before the authenticator and `#[connect]` run.
    ///
    /// The default only bounds clients that connect and disconnect immediately. Set what your authenticator and your database
    /// can handle: when a server restarts, all of its clients connect together.
    pub fn max_handshakes_per_second(mut self, handshakes: u32) -> Self {
        self.admission.handshakes_per_second = Some(handshakes);
        self
    }

    /// Sets the highest number of sockets that wait: those that have not sent a whole request yet, and those that have been
    /// served and may send another. Default: 512, or a quarter of the open files (`ulimit -n`) if that is less.
    ///
    /// When one more connects, the address with the most waiting sockets loses the one that has waited longest. So a client that
    /// opens many sockets and sends nothing drops its own. Of an IPv6 address, only the first 64 bits count. Half of the sockets
    /// may be sending the body of a request; these are not dropped for others.
    pub fn max_waiting_sockets(mut self, sockets: usize) -> Self {
        self.admission.max_waiting = sockets;
        self
    }

    /// Sets the time limit for the head of a request, and for a TLS handshake before it. Default: 10 s each.
    ///
    /// A socket that takes longer is closed. A head may have 64 KiB and 100 lines; a much larger one gets 431.
    pub fn header_deadline(mut self, deadline: Duration) -> Self {
        self.admission.header_deadline = deadline.min(LONGEST);
        self
    }

    /// Counts the open connections of these contracts, so that you know when the last old client has gone. Default: nothing is
    /// counted.
    ///
    /// A client of `contract!` with the option `announce` adds its contract's fingerprint to the address:
    /// `?contract=auction-5c1f0a9e`. The fingerprint is the return value of `Contract::fingerprint`, and the constant `CONTRACT` of a
    /// generated file. Name the current one and those of the releases that you ask about. The metric `channels_contract_connections` and
    /// [`Channels::inspect`] count each of them, all `other` contracts, and the clients that announce `none`.
    ///
    /// The counts rely on what clients announce, which is not verified. A connection stores nothing for them. This setting needs no
    /// feature.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// // The current contract, and the one of the last release.
    /// let channels = Channels::builder().contracts(["auction-5c1f0a9e", "auction-04f7bb21"]).build()?;
    /// assert_eq!(channels.inspect().contracts["auction-04f7bb21"], 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn contracts<S: Into<String>>(mut self, fingerprints: impl IntoIterator<Item = S>) -> Self {
        self.contracts = fingerprints.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time over which a stopping server closes its connections. Default: 5 s. See [`Channels::shutdown`].
    ///
    /// Fewer connections take less time, and so does a short [`Self::shutdown_deadline`]: closing takes at most half of that.
    pub fn drain_window(mut self, window: Duration) -> Self {
        self.drain_window = Some(window.min(LONGEST));
        self
    }

    /// Sets how long [`Channels::serve`] waits for connections and requests to end when the process is asked to stop. Default:
    /// 10 s. Then it returns, even if some have not ended.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline.min(LONGEST);
        self
    }

    /// Builds the application. This changes nothing global: [`Channels::install`] makes the layer available by name.
    ///
    /// # Errors
    /// If settings cannot be used. The error lists all of them, each with a remedy.
    pub fn build(self) -> Result<Channels, BuildError> {
        let mut problems = Vec::new();
        self.check_values(&mut problems);
        let defaults = admission::Settings::default();
        let origins = self.allowed_origins.map(|patterns| Origins::listed(patterns, &mut problems));
        let hosts = self.allowed_hosts.map(|hosts| Hosts::listed(hosts, &mut problems));
        let has_proxies = !self.trusted_proxies.is_empty();
        let mut proxies = Proxies::new(self.trusted_proxies, &mut problems);
        if self.use_x_forwarded_host {
            proxies.use_forwarded_host();
            if !has_proxies {
                let problem = "this header is read only from `trusted_proxies`, and the list is empty";
                problems.push(SettingError::new("use_x_forwarded_host", problem));
            }
        }
        let layer = self.layer.unwrap_or_else(ChannelLayer::in_memory);
        problems.extend(layer.config().problems());
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let admission = admission::Settings {
            origins: origins.unwrap_or(defaults.origins),
            hosts: hosts.unwrap_or(defaults.hosts),
            proxies,
            ..self.admission
        };
        let settings = Settings {
            limits: Limits {
                max_message: self.max_message_size,
                unfinished: self.unfinished_limit.unwrap_or(UNFINISHED.max(self.max_message_size.saturating_mul(4))),
                outbound: self.outbound_limit,
                inbound: self.inbound_limit,
                compression: self.compression,
            },
            heartbeat: HeartbeatPolicy::new(self.heartbeat, self.idle_limit),
            connect_deadline: self.connect_deadline,
            authenticator: self.authenticator,
            reauth: self.reauth,
            #[cfg(feature = "backend")]
            backend: self.backend,
            #[cfg(feature = "backend")]
            forward_auth: self.forward_auth,
            contracts: self.contracts,
            drain_window: self.drain_window.unwrap_or(Duration::from_secs(5)),
            shutdown_deadline: self.shutdown_deadline,
            #[cfg(feature = "jwt")]
            tickets: self.tickets,
        };
        Ok(Channels { server: Server::new(layer, settings, Admission::new(admission)) })
    }

    /// Adds a problem for each number or time that is invalid, alone or together with another.
    fn check_values(&self, problems: &mut Vec<SettingError>) {
        let mut check = |is_right: bool, name: &'static str, problem: &str| {
            if !is_right {
                problems.push(SettingError::new(name, problem));
            }
        };
        check(self.max_message_size > 0, "max_message_size", "0 bytes accept no message; write at least 1");
        let least = self.max_message_size.saturating_mul(4);
        check(
            self.unfinished_limit.is_none_or(|limit| limit >= least),
            "unfinished_limit",
            &format!("a message needs up to four times its size; write `{least}` or more, or lower `max_message_size`"),
        );
        check(
            self.outbound_limit >= LEAST_OUTBOUND,
            "outbound_limit",
            "a connection needs at least 4 KiB; write `4096` or more",
        );
        check(
            self.inbound_limit.frames > 0 && self.inbound_limit.bytes > 0,
            "inbound_limit",
            "0 messages or 0 bytes accept nothing; write at least 1 of each",
        );
        check(
            self.compression.is_none_or(|from| from >= LEAST_COMPRESSED),
            "compression",
            "smaller messages do not become smaller; write at least `64`, such as `256`, or leave it out for no compression",
        );
        if let Some((interval, deadline)) = self.heartbeat {
            let problem = format!(
                "the deadline ({deadline:?}) must be longer than the interval ({interval:?}), as in \
                 `heartbeat(Duration::from_secs(20), Duration::from_secs(30))`"
            );
            check(!interval.is_zero(), "heartbeat", "the interval is 0; write `no_heartbeat()` to send no pings");
            check(interval.is_zero() || deadline > interval, "heartbeat", &problem);
        }
        check(self.idle_limit.is_none_or(|limit| !limit.is_zero()), "idle_limit", "0 s; leave it out for no limit");
        #[cfg(feature = "backend")]
        for problem in self.backend.as_ref().map(Backend::check).unwrap_or_default() {
            check(false, "backend", &problem);
        }
        check(
            self.reauth.is_none_or(|every| !every.is_zero()),
            "reauth",
            "0 s; leave it out to check logins only once",
        );
        check(!self.connect_deadline.is_zero(), "connect_deadline", "0 s reject every client; the default is 5 s");
        for fingerprint in self.contracts.iter().filter(|fingerprint| !is_fingerprint(fingerprint)) {
            let problem = format!(
                "`{fingerprint}` is not a fingerprint such as `auction-5c1f0a9e`; write the return value of \
                 `contract().fingerprint()`, or the constant `CONTRACT` of a generated client"
            );
            check(false, "contracts", &problem);
        }
        let is_named = self.admission.token_parameter.as_ref().is_none_or(|name| !name.is_empty());
        check(is_named, "token_parameter", "the name is empty; write a name such as `token`");
        let rejects_all = "0 rejects every client; leave it out for the default";
        check(self.admission.max_connections != Some(0), "max_connections", rejects_all);
        check(self.admission.max_per_address != Some(0), "max_connections_per_address", rejects_all);
        check(self.admission.handshakes_per_second != Some(0), "max_handshakes_per_second", rejects_all);
        check(self.admission.max_waiting > 0, "max_waiting_sockets", "0 sockets serve no request; write at least 1");
        check(
            !self.admission.header_deadline.is_zero(),
            "header_deadline",
            "0 s serve no request; the default is 10 s",
        );
        if let Some(window) = self.drain_window.filter(|window| *window > self.shutdown_deadline) {
            let deadline = self.shutdown_deadline;
            let problem = format!(
                "{window:?} are longer than the `shutdown_deadline` ({deadline:?}); raise that, or write half of it here"
            );
            check(false, "drain_window", &problem);
        }
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
    use crate::layer::LayerConfig;

    const SECOND: Duration = Duration::from_secs(1);

    /// The documentation of each method and `docs/security.md` state these defaults.
    #[test]
    fn defaults_match_documentation() {
        let ChannelsBuilder {
            layer,
            max_message_size,
            unfinished_limit,
            outbound_limit,
            inbound_limit,
            compression,
            heartbeat,
            idle_limit,
            connect_deadline,
            authenticator,
            reauth,
            #[cfg(feature = "backend")]
                backend: _,
            #[cfg(feature = "backend")]
                forward_auth: _,
            contracts,
            drain_window,
            shutdown_deadline,
            allowed_origins,
            allowed_hosts,
            trusted_proxies,
            use_x_forwarded_host,
            admission,
            ..
        } = ChannelsBuilder::default();
        assert!(unfinished_limit.is_none() && compression.is_none() && contracts.is_empty());
        assert!(layer.is_none() && authenticator.is_none() && reauth.is_none() && drain_window.is_none());
        assert!(allowed_origins.is_none() && allowed_hosts.is_none() && trusted_proxies.is_empty());
        assert!(!use_x_forwarded_host);
        assert_eq!((max_message_size, outbound_limit), (1 << 20, 1 << 20));
        assert_eq!((inbound_limit.frames, inbound_limit.bytes), (20_000, 64 << 20));
        assert_eq!((heartbeat, idle_limit), (Some((20 * SECOND, 30 * SECOND)), None));
        assert_eq!((connect_deadline, shutdown_deadline), (5 * SECOND, 10 * SECOND));
        let admission::Settings {
            origins, require_origin, hosts, max_waiting, header_deadline, token_parameter, ..
        } = admission;
        assert_eq!((origins, require_origin, hosts), (Origins::SameHost, false, Hosts::any()));
        assert_eq!((max_waiting, header_deadline, token_parameter), (512, 10 * SECOND, None));
        let built = ChannelsBuilder::default().build().unwrap();
        assert_eq!(built.server.settings.drain_window, 5 * SECOND);
    }

    #[test]
    fn build_reports_every_unusable_setting() {
        let config = LayerConfig::default().capacity(0).channel_capacity("news.*", 0).expiry(Duration::ZERO);
        let builder = Channels::builder()
            .layer(ChannelLayer::in_memory_with(config))
            .max_message_size(0)
            .outbound_limit(4095)
            .inbound_limit(1, 0)
            .heartbeat(20 * SECOND, 20 * SECOND)
            .idle_limit(Duration::ZERO)
            .reauth(Duration::ZERO)
            .connect_deadline(Duration::ZERO)
            .contracts(["auction-5c1f0a9e", "auction"])
            .token_parameter("")
            .max_connections(0)
            .max_connections_per_address(0)
            .max_handshakes_per_second(0)
            .max_waiting_sockets(0)
            .header_deadline(Duration::ZERO)
            .drain_window(2 * SECOND)
            .shutdown_deadline(SECOND)
            .allowed_origins(["*.example.org", "example.org:8000", "example.org"])
            .allowed_hosts(["https://example.org"])
            .trusted_proxies(["localhost", "10.0.0.0/33"]);
        let error = builder.build().unwrap_err();
        let names: Vec<_> = error.settings().iter().map(SettingError::name).collect();
        assert_eq!(
            names,
            [
                "max_message_size",
                "outbound_limit",
                "inbound_limit",
                "heartbeat",
                "idle_limit",
                "reauth",
                "connect_deadline",
                "contracts",
                "token_parameter",
                "max_connections",
                "max_connections_per_address",
                "max_handshakes_per_second",
                "max_waiting_sockets",
                "header_deadline",
                "drain_window",
                "allowed_origins",
                "allowed_origins",
                "allowed_hosts",
                "trusted_proxies",
                "trusted_proxies",
                "LayerConfig::capacity",
                "LayerConfig::channel_capacity",
                "LayerConfig::expiry",
            ]
        );
        let text = error.to_string();
        assert!(text.starts_with("the application has unusable settings: `max_message_size`: 0 bytes"), "{text}");
        assert!(text.contains("; `heartbeat`: the deadline (20s) must be longer than the interval (20s)"), "{text}");
        assert!(text.contains("; `trusted_proxies`: `10.0.0.0/33` is neither an address nor a network"), "{text}");
    }

    #[test]
    fn heartbeat_without_interval_names_no_heartbeat() {
        let error = Channels::builder().heartbeat(Duration::ZERO, SECOND).build().unwrap_err();
        assert_eq!(error.settings().len(), 1);
        assert!(error.to_string().contains("`no_heartbeat()`"), "{error}");
        let channels = Channels::builder().no_heartbeat().build().unwrap();
        assert!(channels.server.settings.heartbeat.is_none());
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn threshold_of_compression_is_at_least_64_bytes() {
        for bytes in [0, 1, 63] {
            let error = Channels::builder().compression(bytes).build().unwrap_err();
            assert_eq!(error.settings()[0].name(), "compression");
            assert!(error.to_string().contains("write at least `64`"), "{error}");
        }
        for bytes in [64, 256, usize::MAX] {
            let channels = Channels::builder().compression(bytes).build().unwrap();
            assert_eq!(channels.inspect().settings.compression, Some(bytes));
        }
    }

    #[test]
    fn forwarded_host_needs_trusted_proxies() {
        let error = Channels::builder().use_x_forwarded_host().build().unwrap_err();
        assert_eq!(error.settings()[0].name(), "use_x_forwarded_host");
        assert!(Channels::builder().use_x_forwarded_host().trusted_proxies(["127.0.0.1"]).build().is_ok());
    }

    #[test]
    fn short_shutdown_keeps_default_drain_window() {
        assert!(Channels::builder().shutdown_deadline(Duration::ZERO).build().is_ok());
        assert!(Channels::builder().drain_window(SECOND).shutdown_deadline(SECOND).build().is_ok());
    }
}
