//! The window of a client: the number of bytes that it keeps to inflate a compressed message.

/// The window of a client, in bits (RFC 7692, section 7.1.2.1). [`Window::NONE`] if the client receives plain messages only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(u8);

impl Window {
    /// The client has not negotiated compression.
    pub(crate) const NONE: Self = Self(0);

    /// The largest window, and the one of a client that does not ask for a smaller one.
    #[cfg(feature = "deflate")]
    pub(crate) const LARGEST: Self = Self(15);

    /// Returns the window of this number of bits. `None` if RFC 7692 has no such window.
    #[cfg(feature = "deflate")]
    pub(super) fn new(bits: u8) -> Option<Self> {
        (8..=15).contains(&bits).then_some(Self(bits))
    }

    /// Returns the number of bits.
    #[cfg(feature = "deflate")]
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Returns whether the client has negotiated compression.
    pub(crate) fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Returns whether the client can inflate a message of this size. All messages are compressed with the largest window. No
    /// reference of a message reaches further back than its beginning, so a message that fits into a smaller window needs no more.
    pub(crate) fn holds(self, message: usize) -> bool {
        self.0 == 15 || message <= 1 << self.0
    }
}
