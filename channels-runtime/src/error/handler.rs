//! The error of a handler, and of the calls that only a handler makes.

use std::error::Error as StdError;
use std::fmt;

/// What a handler returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error of a handler. `?` makes it from every [`std::error::Error`].
///
/// A handler that returns it ends its own connection with code 1011, and no other. The text goes to the log, never to
/// the client.
///
/// It is no `std::error::Error` itself, or `?` could not take them all. Where a function returns a boxed one, `?` gives the
/// error within:
///
/// ```
/// fn number() -> channels_runtime::Result<u8> {
///     Ok("256".parse()?)
/// }
///
/// fn main() {
///     let run = || -> Result<u8, Box<dyn std::error::Error>> { Ok(number()?) };
///     assert!(run().unwrap_err().is::<std::num::ParseIntError>());
/// }
/// ```
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// An error made of a sentence.
    pub fn msg(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }

    /// An error that is in a box already. A box is no [`std::error::Error`], so `?` does not take it by itself; nor does it
    /// take the errors of `anyhow` and `eyre`, which are boxes, too.
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

    /// The error within, if it is an `E`: `error.downcast_ref::<LayerError>()`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The error within.
    pub fn as_dyn(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

/// What `?` makes an [`Error`] or a [`Reject`] of: every [`std::error::Error`] that may go between threads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `std::error::Error`",
    // Of all this, the compiler shows only the label where it is `?` that asks.
    label = "no `std::error::Error`: `.map_err(Error::from_boxed)?` takes text and boxes, `#[connect] .. -> Result<Self, Reject>` a `Reject`"
)]
pub trait IntoError: StdError + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> IntoError for E {}

impl<E: IntoError> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(&*self.0, f)
    }
}

// What `fn main() -> Result<()>` prints: the sentences, not the structs.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(&*self.0, f)
    }
}

/// The sentences of all causes, each once: many a library ends its own sentence with that of its cause.
fn write_chain(error: &(dyn StdError + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut said = error.to_string();
    f.write_str(&said)?;
    let mut source = error.source();
    while let Some(cause) = source {
        let sentence = cause.to_string();
        if !said.ends_with(&sentence) {
            write!(f, ": {sentence}")?;
            said = sentence;
        }
        source = cause.source();
    }
    Ok(())
}

/// Why a timer, or work beside the handlers, could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// The consumer has as many as it may have.
    #[error(
        "this consumer has {bound} timers and pieces of work already; cancel those that are outdated, or wait in one of them"
    )]
    TooMany {
        /// The limit.
        bound: usize,
    },
}

/// Why [`Context::block_on`](crate::Context::block_on) could not wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// The runtime has one thread, and what is waited for needs it as well.
    #[error(
        "`block_on` would wait for ever: this runtime has one thread, which is blocked then; take one with several \
         (`#[tokio::main]`, `#[tokio::test(flavor = \"multi_thread\")]`), or an `async fn`"
    )]
    OneThread,
}
