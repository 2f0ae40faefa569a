//! The error of a key that cannot verify logins.

/// The reason why a key is refused: it is empty, too short, or not a key of the expected kind. The text does not contain the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct KeyError {
    problem: String,
}

impl KeyError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into() }
    }

    /// Checks the length of a secret, in bytes. An environment variable that is not set is often an empty secret, with which any
    /// client could sign.
    pub(super) fn check_length(name: &str, secret: &[u8], min: usize) -> Result<(), Self> {
        match secret.len() {
            0 => Err(Self::new(format!(
                "{name} is empty: is its environment variable set? It needs at least {min} bytes"
            ))),
            length if length < min => Err(Self::new(format!("{name} has {length} bytes, but it needs at least {min}"))),
            _ => Ok(()),
        }
    }
}
