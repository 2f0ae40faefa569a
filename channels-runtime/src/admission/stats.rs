//! Handshake counters.

use crate::support::counted;

counted! {
    /// How many handshakes there were, and what became of them: a part of [`Stats`](crate::stats::Stats).
    pub struct HandshakeStats of HandshakeCounters {
        /// Handshakes that were answered with 101, and requests that were answered with an event stream.
        accepted => HANDSHAKES["accepted"],
        /// Refused with 400 or 426: no handshake of version 13.
        malformed => HANDSHAKES["malformed"],
        /// Refused with 403: the page comes from elsewhere.
        wrong_origin => HANDSHAKES["wrong_origin"],
        /// Refused with 400: the request names a host that is not ours.
        wrong_host => HANDSHAKES["wrong_host"],
        /// Refused with 503: as many connections as there may be.
        full => HANDSHAKES["full"],
        /// Refused with 429: as many connections from one address as there may be.
        address_full => HANDSHAKES["address_full"],
        /// Refused with 503: more handshakes in a second than there may be.
        too_fast => HANDSHAKES["too_fast"],
        /// Refused with 503: the server stops.
        stopping => HANDSHAKES["stopping"],
        /// Refused by the authenticator or by `#[connect]`, whatever the status.
        rejected => HANDSHAKES["rejected"],
        /// Refused with 503: the authenticator and `#[connect]` took longer than they may.
        timed_out => HANDSHAKES["timed_out"],
        /// Sockets that were dropped before they had sent a request, because too many waited.
        crowded_out => SOCKETS_DROPPED["crowded_out"],
        /// Sockets that were dropped because a TLS handshake failed or took too long.
        tls_failed => SOCKETS_DROPPED["tls_failed"],
        /// Sockets that were dropped because the head of their first request did not come in time. One that is idle after
        /// it was served is dropped as well, and is not counted.
        head_late => SOCKETS_DROPPED["head_late"],
        /// Sockets that were dropped because the head of a request was too large; answered with 431.
        head_too_large => SOCKETS_DROPPED["head_too_large"],
    }
}

impl HandshakeStats {
    pub(crate) fn refused(&self) -> u64 {
        // Without `..`: a new reason does not compile until it is told, too.
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
        } = self;
        malformed + wrong_origin + wrong_host + full + address_full + too_fast + stopping + rejected + timed_out
    }
}
