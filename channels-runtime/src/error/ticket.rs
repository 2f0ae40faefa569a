//! The rejection of a ticket.

use serde::{Serialize, Serializer};

/// The reason why a ticket does not let a client join a group.
///
/// Its serialised form is that of an error for the client: `{"code": "expired", "message": ".."}`. `?` in `#[connect]` rejects the
/// handshake with [`Self::status`], and in `#[receive]` closes the connection with 1008.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The text is not a ticket: it is not signed in the form of one, or is a login instead.
    #[error("not a ticket")]
    NotATicket,
    /// It was signed with another key, or was changed.
    #[error("the ticket's signature does not match")]
    Signature,
    /// Its end has passed, or it has none.
    #[error("the ticket has expired; get another one")]
    Expired,
    /// It is for another group than this one.
    #[error("the ticket is for another group")]
    OtherGroup,
    /// It is for another user than this one.
    #[error("the ticket is for another user")]
    OtherUser,
    /// The application has no keys, so it accepts no ticket: `Channels::builder().tickets(keys)`. Also in a worker.
    #[error("tickets are not accepted here")]
    NoKeys,
}

impl TicketError {
    /// Returns a short word for programs: `"expired"`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotATicket => "not_a_ticket",
            Self::Signature => "wrong_signature",
            Self::Expired => "expired",
            Self::OtherGroup => "other_group",
            Self::OtherUser => "other_user",
            Self::NoKeys => "no_keys",
        }
    }

    /// Returns the status with which `#[connect]` rejects: 401 if another ticket helps, 403 if the ticket is for something else,
    /// and 500 without keys.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotATicket | Self::Signature | Self::Expired => 401,
            Self::OtherGroup | Self::OtherUser => 403,
            Self::NoKeys => 500,
        }
    }
}

impl Serialize for TicketError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut fields = serializer.serialize_struct("TicketError", 2)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}
