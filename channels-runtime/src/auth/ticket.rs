//! Tickets: a backend lets one user join one group, with a signed text.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::auth::jwt::{Jwt, TokenError};
use crate::auth::key_error::KeyError;
use crate::error::TicketError;
use crate::event::{ByName, Group};
use crate::name::NameError;
use crate::support::LONGEST;

/// The audience (`aud`) of a ticket. A login of the same key has another one or none, so neither is taken for the other.
const AUDIENCE: &str = "channels.ticket";

/// The longest ticket that is read, in bytes. A group's name has at most 99, so a longer text is not a ticket.
const LONGEST_TICKET: usize = 2048;

/// The keys of tickets: the first one signs, and all of them verify.
///
/// A ticket is a JSON Web Token with HS256 and the claims `aud` (`"channels.ticket"`), `group` (the group's name), `sub` (the user,
/// as text) and `exp`. `docs/backends.md` makes one in Python.
///
/// ```
/// use std::time::Duration;
/// use channels_runtime::auth::TicketKeys;
/// use channels_runtime::prelude::*;
///
/// #[event("chat.message")]
/// struct ChatMessage { message: String }
///
/// #[group("chat_{room}", events(ChatMessage))]
/// struct Room { room: String }
///
/// # let secret = "a secret of at least thirty-two bytes";
/// let keys = TicketKeys::new(secret)?;
/// let ticket = keys.ticket(&Room { room: "lobby".into() }, "ann", Duration::from_secs(60))?;
/// let channels = Channels::builder().tickets(keys).build()?;
/// # assert!(TicketKeys::new("short").is_err());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct TicketKeys {
    sign: Arc<EncodingKey>,
    verify: Arc<Vec<Jwt>>,
}

/// A ticket that was verified: its user may join its group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ticket<G> {
    /// The group.
    pub group: G,
    /// The user, as the backend has named it.
    pub user: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    group: String,
    sub: String,
    exp: u64,
}

impl TicketKeys {
    /// Makes keys from a secret of at least 32 bytes, such as those of `openssl rand -base64 32`.
    ///
    /// # Errors
    /// If the secret is shorter.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let verify = Arc::new(vec![verifier(secret.as_ref())?]);
        Ok(Self { sign: Arc::new(EncodingKey::from_secret(secret.as_ref())), verify })
    }

    /// Also verifies tickets of this secret, but does not sign with it: the old one, until its tickets have expired, or the new
    /// one, until all backends sign with it.
    ///
    /// # Errors
    /// If the secret is shorter than 32 bytes.
    pub fn and_verify(mut self, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Arc::make_mut(&mut self.verify).push(verifier(secret.as_ref())?);
        Ok(self)
    }

    /// Makes a ticket with which this user can join the group for `ttl` from now on. Verification adds a minute for clock
    /// differences. A member stays in the group when its ticket ends.
    ///
    /// # Errors
    /// If the group's name is not valid.
    pub fn ticket<G: Group + ?Sized>(
        &self,
        group: &G,
        user: impl fmt::Display,
        ttl: Duration,
    ) -> Result<String, NameError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let group = group.name()?.as_str().to_owned();
        let exp = (now + ttl.min(LONGEST)).as_secs();
        let claims = Claims { aud: AUDIENCE.to_owned(), group, sub: user.to_string(), exp };
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign);
        Ok(signed.expect("these claims are JSON, and HMAC takes any key"))
    }

    /// Verifies a ticket for a group of this type.
    ///
    /// # Errors
    /// If it is not a valid ticket, or for a group of another type.
    pub fn verify<G: ByName>(&self, ticket: &str) -> Result<Ticket<G>, TicketError> {
        if ticket.len() > LONGEST_TICKET {
            return Err(TicketError::NotATicket);
        }
        let mut reason = TokenError::Signature;
        for key in self.verify.iter() {
            match key.claims::<Claims>(ticket) {
                Ok((Claims { group: name, sub: user, .. }, ..)) => {
                    let group = G::from_name(&name).map_err(|_| TicketError::OtherGroup)?;
                    // A field may be read from several texts: `room-007` is not the group `room-7`.
                    let is_same = group.name().is_ok_and(|own| own.as_str() == name);
                    return if is_same { Ok(Ticket { group, user }) } else { Err(TicketError::OtherGroup) };
                }
                Err(TokenError::Signature) => {}
                Err(error) => reason = error,
            }
        }
        Err(match reason {
            TokenError::Signature => TicketError::Signature,
            TokenError::Expired => TicketError::Expired,
            _ => TicketError::NotATicket,
        })
    }
}

fn verifier(secret: &[u8]) -> Result<Jwt, KeyError> {
    Ok(Jwt::hs256_named("the secret of tickets", secret)?.audience(AUDIENCE))
}

impl<G> Ticket<G> {
    /// Checks that the ticket is for this user, and returns the group.
    ///
    /// # Errors
    /// If it is for another user.
    pub fn for_user(self, user: impl fmt::Display) -> Result<G, TicketError> {
        if self.user == user.to_string() { Ok(self.group) } else { Err(TicketError::OtherUser) }
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys").field("keys", &self.verify.len()).finish_non_exhaustive()
    }
}
