//! The error of a consumer's methods, and the errors of calls that only a consumer makes.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

use crate::error::layer::LayerError;
#[cfg(feature = "jwt")]
use crate::error::ticket::TicketError;
use crate::name::NameError;

/// The result of a consumer's methods.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error. `?` converts every [`std::error::Error`] into it.
///
/// A handler that returns an error closes only its own connection, with code 1011. There are two exceptions. A handler without
/// `self` closes no connection. A [`NameError`](crate::error::NameError) from `#[receive]` closes with code 1008, and from
/// `#[connect]` it rejects with 404. The error is logged and never sent to the client. `Display` and `Debug` write the error and all of its causes in one line.
///
/// # As a `std::error::Error`
///
/// `Error` does not implement [`std::error::Error`]; otherwise `?` could not convert every other error into it. It dereferences
/// to a [`std::error::Error`], and converts into a boxed one. Three situations are common.
///
/// A function that returns `Box<dyn Error>`: `?` returns the inner error.
///
/// ```
/// fn number() -> channels_runtime::Result<u8> {
///     Ok("256".parse()?)
/// }
///
/// fn run() -> Result<u8, Box<dyn std::error::Error>> {
///     Ok(number()?)
/// }
///
/// assert!(run().unwrap_err().is::<std::num::ParseIntError>());
/// ```
///
/// A field of a log record: `%error` writes the error and its causes. A subscriber that reads the causes itself takes the inner
/// error, `&*error`.
///
/// ```
/// # let error = channels_runtime::Error::msg("the board is closed");
/// use tracing::warn;
///
/// warn!(%error, "the move was not saved");
/// warn!(error = &*error, "the move was not saved");
/// ```
///
/// The crate `anyhow`: with the feature `anyhow`, `?` converts an [`Error`] into an `anyhow::Error`. In a handler,
/// `map_err(Error::from_boxed)` converts an `anyhow::Error` into an [`Error`]; `?` cannot. `?` converts every other error of this
/// crate into an `anyhow::Error` without that feature.
///
#[cfg_attr(feature = "anyhow", doc = "```")]
#[cfg_attr(not(feature = "anyhow"), doc = "```ignore")]
/// use channels_runtime::{Error, Result};
/// # fn load() -> anyhow::Result<u8> { Ok(7) }
/// # fn save(_: u8) -> Result<()> { Ok(()) }
///
/// fn handler() -> Result<()> {
///     let loaded = load().map_err(Error::from_boxed)?;
///     save(loaded)
/// }
///
/// fn job() -> anyhow::Result<()> {
///     Ok(handler()?)
/// }
/// # job().ok().unwrap();
/// ```
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// Creates an error from a message.
    pub fn msg(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }

    /// Converts a boxed error. A box is not a [`std::error::Error`], so `?` does not convert it. The errors of `anyhow` and
    /// `eyre` are boxes too.
    ///
    /// ```
    /// # use channels_runtime::{Error, Result};
    /// fn load() -> std::result::Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    ///     Ok("256".parse()?)
    /// }
    ///
    /// fn handler() -> Result<u8> {
    ///     Ok(load().map_err(Error::from_boxed)?)
    /// }
    ///
    /// assert!(handler().unwrap_err().downcast_ref::<std::num::ParseIntError>().is_some());
    /// ```
    pub fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// Returns the inner error if it is an `E`: `error.downcast_ref::<LayerError>()`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// Returns the error and its causes, the error first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first: &(dyn StdError + 'static) = &*self.0;
        std::iter::successors(Some(first), |&error| error.source())
    }

    /// Returns whether the cause is the name of a channel or a group that is not valid.
    pub(crate) fn is_about_name(&self) -> bool {
        let is_it = |error: &(dyn StdError + 'static)| {
            error.is::<NameError>() || matches!(error.downcast_ref(), Some(LayerError::Name(_)))
        };
        self.chain().any(is_it)
    }

    /// Returns the fault of a client's ticket, if it is the cause.
    #[cfg(feature = "jwt")]
    pub(crate) fn refused_ticket(&self) -> Option<TicketError> {
        let refused = self.chain().find_map(|error| error.downcast_ref::<TicketError>()).copied();
        // Without keys, the fault is the program's.
        refused.filter(|error| *error != TicketError::NoKeys)
    }
}

impl Deref for Error {
    type Target = dyn StdError + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl AsRef<dyn StdError + Send + Sync + 'static> for Error {
    fn as_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

/// The types `E` that `?` and `into()` convert into an [`Error`] or a [`Reject`](crate::Reject): every [`std::error::Error`] that
/// may be sent between threads.
///
/// `E` is a parameter, and [`AnyError`] the implementing type. For a failed `text.into()`, the compiler names the bound
/// `&str: Into<Error>` and writes the message of another trait only if that trait has another `Self`.
#[diagnostic::on_unimplemented(
    message = "`{E}` is not a `std::error::Error`",
    // For a failed `?`, the compiler shows only the label.
    label = "not a `std::error::Error`: `Error::msg(..)` takes text, `.map_err(Error::from_boxed)?` text and boxes, `#[connect] .. -> Result<Self, Reject>` a `Reject`",
    note = "`Error::msg(\"..\")` makes an error from text",
    note = "`.map_err(Error::from_boxed)?` converts a boxed error, or one of `anyhow`"
)]
pub trait Holds<E> {
    /// Converts the error.
    fn hold(error: E) -> Error;
}

/// Implements [`Holds`].
#[expect(missing_debug_implementations, reason = "it has no values")]
pub enum AnyError {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> Holds<E> for AnyError {
    fn hold(error: E) -> Error {
        Error(Box::new(error))
    }
}

/// Converts every [`std::error::Error`] that may be sent between threads.
impl<E> From<E> for Error
where
    AnyError: Holds<E>,
{
    fn from(error: E) -> Self {
        AnyError::hold(error)
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.0
    }
}

#[cfg(feature = "anyhow")]
impl From<Error> for anyhow::Error {
    fn from(error: Error) -> Self {
        Self::from_boxed(error.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(&*self.0, f)
    }
}

// `fn main() -> Result<()>` prints the `Debug` form, so it has the messages instead of the structs.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(&*self.0, f)
    }
}

/// Writes the messages of the error and its causes. The message of a cause is skipped if the previous message ends with it, as
/// in many libraries.
fn write_chain(error: &(dyn StdError + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut last = error.to_string();
    f.write_str(&last)?;
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !last.ends_with(&message) {
            write!(f, ": {message}")?;
            last = message;
        }
        source = cause.source();
    }
    Ok(())
}

/// The reason why a timer or a task of a consumer could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// The consumer has reached its limit.
    #[error("this consumer already has {bound} timers and tasks; cancel some, or wait within one of them")]
    TooMany {
        /// The limit.
        bound: usize,
    },
}

/// The reason why [`Context::block_on`](crate::Context::block_on) cannot wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// The runtime has only one thread, and the future needs this thread.
    #[error(
        "`block_on` would never return: it would block the only thread of this runtime; use a runtime with several threads \
         (`#[tokio::main]`, `#[tokio::test(flavor = \"multi_thread\")]`), or an `async fn`"
    )]
    OneThread,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_cause_is_written_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("no connection: {0}")]
        struct Repeating(#[source] std::io::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("sending failed")]
        struct Outer(#[source] Repeating);

        let refused = std::io::Error::other(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let error = Error::from(Outer(Repeating(refused)));
        assert_eq!(error.to_string(), "sending failed: no connection: connection refused");
    }
}
