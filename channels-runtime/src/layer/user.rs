//! The connections of one user, in all processes.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::codec::Envelope;
use crate::error::LayerError;
use crate::layer::handle::ChannelLayer;
use crate::name::GroupName;
use crate::websocket::CloseCode;

/// The group with one channel of each process that has logins with a key. It carries `user.close`.
pub(crate) const USERS: &str = "channels.users";

/// The event that closes the connections of a user.
pub(crate) const USER_CLOSE: &str = "user.close";

/// The longest key that is a part of a group's name as it is.
const MAX_PLAIN_KEY: usize = 64;

/// The connections of one user, in all processes that share a layer. [`ChannelLayer::user`] returns it.
#[derive(Debug, Clone)]
#[must_use = "call `.close(code).await?`"]
pub struct UserConnections {
    layer: ChannelLayer,
    key: Arc<str>,
}

impl ChannelLayer {
    /// Returns the connections of the user with this [key](crate::auth::Login::key).
    ///
    /// ```
    /// use channels_runtime::auth::Login;
    /// use channels_runtime::prelude::*;
    ///
    /// struct User { id: u64 }
    ///
    /// const LOGGED_OUT: CloseCode = CloseCode::app::<4001>();
    ///
    /// let channels = Channels::builder()
    ///     .authenticator(|scope: Scope| async move {
    ///         let Some(id) = scope.cookie("user").and_then(|id| id.parse().ok()) else { return Ok(Login::anonymous()) };
    ///         Ok(Login::new(User { id }).key(id.to_string()))
    ///     })
    ///     .build()?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// channels.channel_layer().user("7").close(LOGGED_OUT).await?;
    /// # Ok::<(), Error>(()) }).unwrap();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn user(&self, key: impl Into<Arc<str>>) -> UserConnections {
        UserConnections { layer: self.clone(), key: key.into() }
    }
}

impl UserConnections {
    /// Closes all connections of the user with this code: WebSockets and event streams, of every process that shares the layer.
    ///
    /// End the user's session before, so that the user cannot connect again. A login that was checked before this call, and whose
    /// handshake ends after it, is checked again, also if an authenticator has it in a cache.
    ///
    /// A process that is cut off from Redis meanwhile misses the call, like any event ([`ChannelLayer`]).
    ///
    /// The members of the user's [group](Self::group_name) get the event `user.close`, for consumers of Django Channels.
    ///
    /// # Errors
    /// The layer's server cannot be reached.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connections of some processes may be closed.
    pub async fn close(&self, code: CloseCode) -> Result<(), LayerError> {
        self.close_with(code, "").await
    }

    /// Closes all connections of the user like [`Self::close`], and sends the clients a reason of at most 123 bytes. A longer one is
    /// cut off.
    ///
    /// # Errors
    /// The layer's server cannot be reached.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connections of some processes may be closed.
    pub async fn close_with(&self, code: CloseCode, reason: &str) -> Result<(), LayerError> {
        let message = json!({"type": USER_CLOSE, "user": &*self.key, "code": code.as_u16(), "reason": reason});
        let envelope = Envelope::from_value(&message, self.layer.backend().format())?;
        self.layer.backend().group_send(&GroupName::new(USERS)?, envelope.clone(), None).await?;
        self.layer.backend().group_send(&GroupName::new(self.group_name())?, envelope, None).await
    }

    /// Returns the name of the user's group: `channels.user.` and the key. Your consumers in Django Channels can join it. A key with
    /// other characters than ASCII letters, digits, `-` and `_`, or of more than 64 bytes, is replaced by `sha256.` and the
    /// hexadecimal SHA-256 of its UTF-8.
    pub fn group_name(&self) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=MAX_PLAIN_KEY).contains(&self.key.len()) && self.key.bytes().all(is_plain) {
            return format!("channels.user.{}", self.key);
        }
        let mut name = String::from("channels.user.sha256.");
        for byte in Sha256::digest(self.key.as_bytes()) {
            name.push_str(&format!("{byte:02x}"));
        }
        name
    }
}

/// A received `user.close`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserClose {
    pub(crate) key: String,
    pub(crate) code: CloseCode,
    pub(crate) reason: String,
}

impl UserClose {
    /// Reads the event. Python may leave out the code (3000) and the reason, and may send the key as a number.
    pub(crate) fn read(envelope: &Envelope) -> Result<Self, &'static str> {
        if envelope.event_name() != USER_CLOSE {
            return Err("the group `channels.users` carries only `user.close`");
        }
        let Ok(event) = envelope.to_value() else { return Err("the event cannot be decoded") };
        let key = match event.get("user") {
            Some(Value::String(key)) if !key.is_empty() => key.clone(),
            Some(Value::Number(key)) => key.to_string(),
            _ => return Err("`user` is the key of a user: a text that is not empty, or a number"),
        };
        let code = match event.get("code") {
            None | Some(Value::Null) => CloseCode::UNAUTHORIZED,
            Some(code) => code
                .as_u64()
                .and_then(|code| u16::try_from(code).ok())
                .and_then(CloseCode::new)
                .ok_or("`code` is a close code that may be sent, such as 4001")?,
        };
        let reason = event.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { key, code, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Format;

    #[test]
    fn key_of_any_characters_has_its_own_group() {
        let layer = ChannelLayer::in_memory();
        assert_eq!(layer.user("42").group_name(), "channels.user.42");
        let keys = ["ann@example.org", "", "ä", "a.b", "sha256.0", "a b", &"x".repeat(65), &"x".repeat(1000)];
        let names: Vec<_> = keys.iter().map(|key| layer.user(*key).group_name()).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(GroupName::new(name).is_ok() && name.len() == 85, "{name}");
            assert!(!names[..index].contains(name), "{name}");
        }
        // hashlib.sha256(b"ann@example.org").hexdigest()
        assert!(names[0].starts_with("channels.user.sha256."), "{names:?}");
    }

    #[test]
    fn event_of_python_is_read_or_refused() {
        let read = |message: Value| UserClose::read(&Envelope::from_value(&message, Format::Msgpack).unwrap());
        let close = |key: &str, code, reason: &str| {
            Ok(UserClose { key: key.into(), code: CloseCode::new(code).unwrap(), reason: reason.into() })
        };
        assert_eq!(read(json!({"type": "user.close", "user": 42})), close("42", 3000, ""));
        let whole = json!({"type": "user.close", "user": "ann", "code": 4001, "reason": "bye"});
        assert_eq!(read(whole), close("ann", 4001, "bye"));
        for (wrong, wanted) in [
            (json!({"type": "user.close"}), "`user`"),
            (json!({"type": "user.close", "user": ""}), "`user`"),
            (json!({"type": "user.close", "user": null}), "`user`"),
            (json!({"type": "user.close", "user": "a", "code": 1006}), "`code`"),
            (json!({"type": "user.close", "user": "a", "code": 70_000}), "`code`"),
            (json!({"type": "user.close", "user": "a", "code": "4001"}), "`code`"),
            (json!({"type": "user.other", "user": "a"}), "only `user.close`"),
        ] {
            assert!(read(wrong.clone()).unwrap_err().contains(wanted), "{wrong}");
        }
    }
}
