//! The code that ends a connection.

use std::fmt;

/// Why a connection ended: the status code of a WebSocket close frame (RFC 6455, section 7.4).
///
/// An application's own codes are 4000 to 4999: `const KICKED: CloseCode = CloseCode::new(4001).unwrap();`
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: all is done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the page was left, or the server goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the WebSocket protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a frame of a kind that is not taken here (binary where text is wanted).
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the close frame carried no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection was lost without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: text that is not UTF-8.
    pub const INVALID_TEXT: Self = Self(1007);
    /// 1008: not allowed.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message larger than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: a handler failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; come back.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: come back later; here: the client reads too slowly and its outbound queue is full.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 3000: who is this? Here: the login has ended ([`Login::until`](crate::auth::Login::until)).
    pub const UNAUTHORIZED: Self = Self(3000);

    /// A code that may be sent in a close frame: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    ///
    /// `None` for every other number.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}
