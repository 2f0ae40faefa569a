//! The status code of a WebSocket close frame.

use std::fmt;

/// The status code of a WebSocket close frame (RFC 6455, section 7.4): the reason why the connection was closed.
///
/// An application's own codes are 4000 to 4999. [`CloseCode::app`] makes one that the compiler has checked:
///
/// ```
/// use channels_runtime::CloseCode;
///
/// const KICKED: CloseCode = CloseCode::app::<4001>();
/// assert_eq!(KICKED, 4001);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the connection is no longer needed.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the user left the page, or the server shuts down.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer violated the WebSocket protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: the consumer does not take frames of this kind, such as binary instead of text.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the close frame did not contain a code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection was lost without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a text message is not valid UTF-8.
    pub const INVALID_TEXT: Self = Self(1007);
    /// 1008: the peer violated a policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message is larger than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: a handler failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; the client should reconnect.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the client should try again later. This crate sends it if a queue of the connection is full: the client reads too
    /// slowly, or the consumer falls behind with the policy `disconnect`.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 3000: the client must log in. This crate sends it when a login ends ([`Login::until`](crate::auth::Login::until)).
    pub const UNAUTHORIZED: Self = Self(3000);

    /// Returns an application's own code. A number outside of 3000 to 4999 does not compile.
    ///
    /// Codes from 4000 are free for any use. Lower codes are registered with IANA: 3000 is *Unauthorized*, 3003 is *Forbidden*.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # fn kick<C>(cx: &mut Context<C>) {
    /// cx.close(CloseCode::app::<4001>());
    /// # }
    /// ```
    ///
    /// ```compile_fail
    /// # use channels_runtime::prelude::*;
    /// const KICKED: CloseCode = CloseCode::app::<401>();
    /// ```
    #[track_caller]
    pub const fn app<const CODE: u16>() -> Self {
        // In a constant, this fails at the line of the constant. In other code, `checked` does not compile.
        if !is_app_code(CODE) {
            panic!("{}", NOT_AN_APP_CODE);
        }
        checked::<CODE>()
    }

    /// Returns the code with this number, if it may be sent in a close frame: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

const NOT_AN_APP_CODE: &str = "an application's close code is 3000 to 4999, as in `CloseCode::app::<4001>()`; the others have \
                               constants, such as `CloseCode::NORMAL`";

const fn is_app_code(code: u16) -> bool {
    matches!(code, 3000..=4999)
}

/// Returns the code. Another number than an application's does not compile, wherever the call is.
const fn checked<const CODE: u16>() -> CloseCode {
    const { assert!(is_app_code(CODE), "{}", NOT_AN_APP_CODE) };
    CloseCode(CODE)
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
