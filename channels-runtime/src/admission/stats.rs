//! Handshake counters.

use crate::support::counted;

counted! {
    /// Handshakes by outcome: a part of [`Stats`](crate::stats::Stats).
    pub struct HandshakeStats of HandshakeCounters {
        /// Handshakes that got 101, and requests that got an event stream.
        accepted => HANDSHAKES["accepted"],
        /// Rejected with 400, 414, 426 or 431: not a handshake of version 13, without a valid `Host`, or larger than the limits.
        malformed => HANDSHAKES["malformed"],
        /// Rejected with 403: the page's origin is not allowed.
        wrong_origin => HANDSHAKES["wrong_origin"],
        /// Rejected with 400: the host is not allowed.
        wrong_host => HANDSHAKES["wrong_host"],
        /// Rejected with 503: `max_connections` was reached.
        full => HANDSHAKES["full"],
        /// Rejected with 429: `max_connections_per_address` was reached.
        address_full => HANDSHAKES["address_full"],
        /// Rejected with 503: `max_handshakes_per_second` was reached.
        too_fast => HANDSHAKES["too_fast"],
        /// Rejected with 503: the server is stopping.
        stopping => HANDSHAKES["stopping"],
        /// Rejected by the authenticator or by `#[connect]`, with any status.
        rejected => HANDSHAKES["rejected"],
        /// Rejected with 503: the authenticator and `#[connect]` took longer than `connect_deadline`.
        timed_out => HANDSHAKES["timed_out"],
        /// Sockets dropped before they sent a request, because `max_waiting_sockets` was reached.
        crowded_out => SOCKETS_DROPPED["crowded_out"],
        /// Sockets dropped because a TLS handshake failed or took too long.
        tls_failed => SOCKETS_DROPPED["tls_failed"],
        /// Sockets dropped because the head of their first request was late. A socket that is idle after it was served is
        /// dropped, too, but not counted.
        head_late => SOCKETS_DROPPED["head_late"],
        /// Sockets dropped with 431 because the head of a request was too large.
        head_too_large => SOCKETS_DROPPED["head_too_large"],
        /// Sockets dropped because a balancer sent a line of the PROXY protocol first, which this server does not read.
        proxy_protocol => SOCKETS_DROPPED["proxy_protocol"],
    }
}

impl HandshakeStats {
    /// Returns the number of rejected handshakes.
    pub(crate) fn refused(&self) -> u64 {
        // Without `..`, so that a new outcome does not compile until it is assigned to one side.
        let &Self {
            accepted: _,
            malformed,
            wrong_origin,
            wrong_host,
            full,
            address_full,
            too_fast,
            stopping,
            rejected,
            timed_out,
            crowded_out: _,
            tls_failed: _,
            head_late: _,
            head_too_large: _,
            proxy_protocol: _,
        } = self;
        malformed + wrong_origin + wrong_host + full + address_full + too_fast + stopping + rejected + timed_out
    }
}
